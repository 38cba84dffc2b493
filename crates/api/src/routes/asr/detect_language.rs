//! `POST /detect-language`: detects the language of a recording, and keeps nothing of it.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use steno_models::{Problem, TombstoneReason, language_name};

use super::request::AsrEndpoint;
use crate::auth::Owner;
use crate::extract::QueryPairs;
use crate::openapi::{AsrForm, DetectQuery, Detection};
use crate::problem::ApiError;
use crate::state::ApiState;
use crate::submission::submit;
use crate::wait::wait_for_result;

/// Detect the language of a recording as whisper-asr-webservice does.
///
/// The recording is deleted when its language is known.
#[utoipa::path(
    post,
    path = "/detect-language",
    tag = "whisper-asr-webservice",
    params(DetectQuery),
    request_body(content = AsrForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The language", body = Detection),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`request_timeout`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`upload_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_options`", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "`internal`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`queue_full`, `too_many_connections`, `not_ready`", body = Problem,
            content_type = "application/problem+json"),
        (status = 507, description = "`disk_reserve`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn detect_language(
    request: HttpRequest,
    query: QueryPairs,
    owner: Owner,
    payload: web::Payload,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let endpoint = AsrEndpoint::of(&query)?.for_detection();
    let job_id = submit(&endpoint, &request, payload, &state)
        .await?
        .job
        .job_id;

    let outcome = wait_for_result(&state, &request, job_id).await;
    // The client gets the language alone: it has no use for the job.
    let now = state.now();
    state
        .call_store(move |store| {
            store.delete_job(now, Some(owner.name()), job_id, TombstoneReason::Deleted)
        })
        .await?;

    let result = outcome?;
    let code = result.language.unwrap_or_else(|| "und".to_owned());
    Ok(HttpResponse::Ok().json(json!({
        "detected_language": language_name(&code).unwrap_or("unknown"),
        "language_code": code,
        "confidence": result.language_probability.unwrap_or(0.0),
    })))
}
