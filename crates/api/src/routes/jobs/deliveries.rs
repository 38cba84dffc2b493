//! `/transcribe/{job_id}/deliveries`: the webhooks of a job, and sending them again.

use actix_web::{HttpResponse, web};
use steno_models::{DeliveryList, Problem, ProblemCode};
use steno_store::{JobLookup, Redelivery};

use crate::auth::Owner;
use crate::extract::JobPath;
use crate::openapi::GoneProblem;
use crate::problem::ApiError;
use crate::state::ApiState;

/// List the webhooks of a job.
///
/// With the outcome of the last attempt and the time of the next. None before the job ends, or without `callback_url`.
#[utoipa::path(
    get,
    path = "/transcribe/{job_id}/deliveries",
    tag = "jobs",
    params(("job_id" = uuid::Uuid, Path, description = "The job", example = "7f2c1c9e-6a51-4c1b-9c58-0f3c2a1f7f10")),
    responses(
        (status = 200, description = "The webhooks", body = DeliveryList),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`gone`", body = GoneProblem, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_deliveries(
    job: JobPath,
    owner: Owner,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let JobPath(job_id) = job;
    let now = state.now();
    let found = state
        .call_store(move |store| store.get_job(now, Some(owner.name()), job_id))
        .await?;

    match found {
        None => Err(ApiError::no_such_job()),
        Some(JobLookup::Deleted(tombstone)) => Err(ApiError::gone(tombstone)),
        Some(JobLookup::Job(status, _)) => Ok(HttpResponse::Ok().json(DeliveryList {
            deliveries: status.deliveries,
        })),
    }
}

/// Send the webhooks of a job again.
///
/// At once, delivered or not, with the same `webhook-id`. The schedule of attempts begins again.
#[utoipa::path(
    post,
    path = "/transcribe/{job_id}/deliveries/redeliver",
    tag = "jobs",
    params(("job_id" = uuid::Uuid, Path, description = "The job", example = "7f2c1c9e-6a51-4c1b-9c58-0f3c2a1f7f10")),
    responses(
        (status = 202, description = "They are due now", body = DeliveryList),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`no_webhooks`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "`disk_reserve`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn redeliver_webhooks(
    job: JobPath,
    owner: Owner,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let JobPath(job_id) = job;
    let now = state.now();
    let redelivery = state
        .call_store(move |store| store.redeliver_webhooks(now, Some(owner.name()), job_id))
        .await?;

    match redelivery {
        Redelivery::UnknownJob => Err(ApiError::no_such_job()),
        Redelivery::NoWebhooks => {
            let detail = "the job has not ended, or has no callback_url for the way it ended";
            Err(ApiError::new(ProblemCode::NoWebhooks, detail))
        }
        Redelivery::Due(deliveries) => {
            tracing::info!(job.id = %job_id, "the webhooks of job {job_id} are due again");
            Ok(HttpResponse::Accepted().json(DeliveryList { deliveries }))
        }
    }
}
