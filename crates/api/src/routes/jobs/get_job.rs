//! `GET /transcribe/{job_id}`: the status, and the result once there is one.

mod view;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use steno_models::{Format, JobStatus, Problem, Status, TranscribeRequest, render};

use crate::extract::JobPath;
use crate::openapi::{GoneProblem, JobAnswer, ViewQuery};
use crate::problem::ApiError;
use crate::renders::{Rendering, RenderingKey};
use crate::retrieval::Delivery;
use crate::slices::Slices;
use crate::state::ApiState;
use crate::static_files::is_known;
use crate::wait::wait_for_end;
use view::View;

/// Seconds after which a client should ask again for a job that has not ended.
const RETRY_AFTER_S: u32 = 1;

/// Look at a job, and fetch its result.
///
/// With `wait` the answer is held back until the job ends. The first complete delivery of a result is its retrieval: a grace
/// period later the job is deleted. `HEAD`, `Range`, 304, prefetches and `keep=true` are no retrieval.
#[utoipa::path(
    get,
    path = "/transcribe/{job_id}",
    tag = "jobs",
    params(
        ("job_id" = uuid::Uuid, Path, description = "The job", example = "7f2c1c9e-6a51-4c1b-9c58-0f3c2a1f7f10"),
        ViewQuery,
        ("Prefer" = Option<String>, Header, description = "`wait=30`, as the parameter `wait`"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer you have"),
    ),
    responses(
        (status = 200, description = "The status, with the result of a completed job; or the result in the format asked for",
            content(
                (JobAnswer = "application/json"),
                (String = "text/plain"),
                (String = "application/x-subrip"),
                (String = "text/vtt"),
                (String = "text/tab-separated-values"),
            ),
            headers(("ETag" = String, description = "Of a result"),
                ("Retry-After" = u32, description = "Seconds after which to look again, while the job has not ended"))),
        (status = 304, description = "You have this result"),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`gone`, with what is left of the job", body = GoneProblem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_options`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get_job(
    job: JobPath,
    view: View,
    request: HttpRequest,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let limit = Duration::from_secs(view.wait_s);
    let (mut status, options) = wait_for_end(&state, &request, job.0, Some(limit)).await?;
    if status.status != Status::Completed {
        let mut response = HttpResponse::Ok();
        if !status.status.is_terminal() {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_S));
        }
        return Ok(response.json(status));
    }

    let delivery = Delivery::new(&request, state, job.0);
    // Only the first delivery counts: clients that poll a completed job cost no write.
    let counts = !view.keep
        && status.retrieved_at.is_none()
        && request.method() == Method::GET
        && !is_partial_or_prefetch(request.headers());
    if counts {
        delivery.announce(&mut status);
    }
    let format = view.format.unwrap_or(Format::Json);
    let rendering = delivery
        .state
        .renders
        .shared(RenderingKey::of(&status, format), move || {
            body_of(&status, &options, format)
        })
        .await?;

    if is_known(&request, &rendering.tag) {
        return Ok(HttpResponse::NotModified()
            .insert_header((header::ETAG, rendering.tag.clone()))
            .finish());
    }
    Ok(deliver(delivery, format, rendering, counts))
}

fn body_of(status: &JobStatus, options: &TranscribeRequest, format: Format) -> String {
    match (&status.result, format) {
        (Some(result), format) if format != Format::Json => {
            render(result, options.task, format, options.layout())
        }
        _ => serde_json::to_string(status).unwrap_or_default(),
    }
}

/// As `GET`, without the body. Never a retrieval.
#[utoipa::path(
    head,
    path = "/transcribe/{job_id}",
    tag = "jobs",
    params(
        ("job_id" = uuid::Uuid, Path, description = "The job", example = "7f2c1c9e-6a51-4c1b-9c58-0f3c2a1f7f10"),
        ViewQuery,
    ),
    responses(
        (status = 200, description = "The job is there"),
        (status = 304, description = "You have this result"),
        (status = 400, description = "`malformed`"),
        (status = 404, description = "`not_found`"),
        (status = 410, description = "`gone`"),
        (status = 422, description = "`invalid_options`"),
        (status = 503, description = "`not_ready`"),
    ),
)]
pub(crate) async fn head_job(
    job: JobPath,
    view: View,
    request: HttpRequest,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    get_job(job, view, request, state).await
}

/// Answers with the result; the delivery of its last byte is its retrieval, if it `counts`.
fn deliver(
    delivery: Delivery,
    format: Format,
    rendering: Arc<Rendering>,
    counts: bool,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .content_type(format.media_type())
        .insert_header((header::ETAG, rendering.tag.clone()));
    if !matches!(format, Format::Json | Format::VerboseJson) {
        let name = format!("{}.{}", delivery.job_id, format.extension());
        let disposition = format!("attachment; filename=\"{name}\"; filename*=UTF-8''{name}");
        response.insert_header((header::CONTENT_DISPOSITION, disposition));
    }
    if counts {
        response.body(delivery.shared_body(rendering))
    } else {
        response.body(Slices::of(rendering.bytes.clone(), rendering))
    }
}

/// Calls that may not lead to a person or program holding the whole result.
fn is_partial_or_prefetch(headers: &HeaderMap) -> bool {
    [header::RANGE.as_str(), "sec-purpose", "purpose"]
        .into_iter()
        .any(|name| headers.contains_key(name))
}
