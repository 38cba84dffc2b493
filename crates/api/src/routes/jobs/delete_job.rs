//! `DELETE /transcribe/{job_id}`: cancels, acknowledges or deletes, whatever the status.

use actix_web::{HttpResponse, web};
use steno_models::{Problem, TombstoneReason};

use crate::auth::Owner;
use crate::extract::JobPath;
use crate::problem::ApiError;
use crate::state::ApiState;

/// Cancel, acknowledge or delete a job.
///
/// Works in every status and at once, whether this call did it or an earlier one.
#[utoipa::path(
    delete,
    path = "/transcribe/{job_id}",
    tag = "jobs",
    params(("job_id" = uuid::Uuid, Path, description = "The job", example = "7f2c1c9e-6a51-4c1b-9c58-0f3c2a1f7f10")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "`disk_reserve`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn delete_job(
    job: JobPath,
    owner: Owner,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let JobPath(job_id) = job;
    let now = state.now();
    let known = state
        .call_store(move |store| {
            store.delete_job(now, Some(owner.name()), job_id, TombstoneReason::Deleted)
        })
        .await?;
    if !known {
        return Err(ApiError::no_such_job());
    }
    tracing::info!(job.id = %job_id, "deleted job {job_id}");
    Ok(HttpResponse::NoContent().finish())
}
