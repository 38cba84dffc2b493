//! `POST /asr`: transcribes a recording and answers with the text.

use actix_web::{HttpRequest, HttpResponse, web};
use steno_models::Problem;

use super::answer::answer;
use super::request::AsrEndpoint;
use crate::extract::QueryPairs;
use crate::openapi::{AsrForm, AsrQuery};
use crate::problem::ApiError;
use crate::retrieval::Delivery;
use crate::state::ApiState;
use crate::submission::submit;
use crate::wait::wait_for_result;

/// Transcribe a recording as whisper-asr-webservice does.
///
/// Waits until the recording is transcribed. With `encode=false` the recording is bare 16-bit mono samples at 16 kHz.
#[utoipa::path(
    post,
    path = "/asr",
    tag = "whisper-asr-webservice",
    params(AsrQuery),
    request_body(content = AsrForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The transcript", content(
            (String = "text/plain"),
            (serde_json::Value = "application/json"),
        )),
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
pub(crate) async fn transcribe(
    request: HttpRequest,
    query: QueryPairs,
    payload: web::Payload,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let endpoint = AsrEndpoint::of(&query)?;
    let submitted = submit(&endpoint, &request, payload, &state).await?;
    let job_id = submitted.job.job_id;

    let result = wait_for_result(&state, &request, job_id).await?;
    let delivery = Delivery::new(&request, state, job_id);
    answer(delivery, submitted, result).await
}
