//! `POST /v1/audio/transcriptions` and `POST /v1/audio/translations`: a job whose client waits for its end.
//!
//! If the client goes away, the job lives on, and the same upload attaches to it again instead of becoming another job.

use actix_web::http::header::HeaderName;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use steno_models::openai::{ErrorBody, Transcription, VerboseTranscription};
use steno_models::{FailureCode, Format, JobError, JobId, JobResult, ProblemCode, Task, render};
use steno_store::{EarlierJob, NewJob};

use super::request::{self, Request, ResponseFormat};
use super::stream;
use crate::auth::Owner;
use crate::connection::Connection;
use crate::middleware::RequestId;
use crate::openapi::{StreamMessage, TranscriptionAnswer, TranscriptionForm};
use crate::problem::ApiError;
use crate::retrieval::Delivery;
use crate::state::ApiState;
use crate::upload::{self, Body, Form, Upload};
use crate::wait::wait_for_end;

/// Names the job behind an answer.
const X_JOB_ID: HeaderName = HeaderName::from_static("x-job-id");

/// Transcribe a recording.
///
/// As OpenAI's call of the same name. Waits until the recording is transcribed and answers with the text; `X-Job-Id` names
/// the job. After a dropped connection send the same recording with the same fields again: it is not computed twice.
#[utoipa::path(
    post,
    path = "/v1/audio/transcriptions",
    tag = "openai",
    request_body(content = TranscriptionForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The transcript, in the format asked for", content(
            (TranscriptionAnswer = "application/json"),
            (String = "text/plain"),
            (String = "text/vtt"),
            (StreamMessage = "text/event-stream"),
        ), headers(("X-Job-Id" = String, description = "The job behind the answer"))),
        (status = 400, description = "A field or the recording is not valid; `model_not_found`", body = ErrorBody),
        (status = 408, description = "`request_timeout`", body = ErrorBody),
        (status = 413, description = "`upload_too_large`", body = ErrorBody),
        (status = 415, description = "`unsupported_media_type`", body = ErrorBody),
        (status = 500, description = "The engine failed on this recording", body = ErrorBody),
        (status = 503, description = "`queue_full`, `not_ready`", body = ErrorBody),
        (status = 507, description = "`disk_reserve`", body = ErrorBody),
    ),
)]
pub(crate) async fn create_transcription(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    create(&request, payload, state, Task::Transcribe).await
}

/// Translate a recording into English.
///
/// As OpenAI's call of the same name.
#[utoipa::path(
    post,
    path = "/v1/audio/translations",
    tag = "openai",
    request_body(content = TranscriptionForm, content_type = "multipart/form-data"),
)]
pub(crate) async fn create_translation(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    create(&request, payload, state, Task::Translate).await
}

async fn create(
    request: &HttpRequest,
    payload: web::Payload,
    state: web::Data<ApiState>,
    task: Task,
) -> Result<HttpResponse, ApiError> {
    let (job_id, wanted) = submit(request, payload, &state, task).await?;
    let connection = Connection::of(request);
    if wanted.format == ResponseFormat::Stream {
        let delivery = Delivery {
            connection,
            job_id,
            now: state.now(),
            state,
        };
        return stream::answer(delivery, Owner::of(request)).await;
    }
    let (status, _) = wait_for_end(&state, request, job_id, None).await?;
    match (status.result, status.error) {
        (Some(result), _) => {
            let delivery = Delivery {
                connection,
                job_id,
                now: state.now(),
                state,
            };
            Ok(answer(delivery, &wanted, &result))
        }
        (None, Some(error)) => Err(failure(error)),
        (None, None) => Err(ApiError::stopping()),
    }
}

/// Makes the upload a job, or finds the job it is already.
async fn submit(
    request: &HttpRequest,
    payload: web::Payload,
    state: &web::Data<ApiState>,
    task: Task,
) -> Result<(JobId, Request), ApiError> {
    if upload::body_of(request, state.config.max_upload_bytes)? != Body::Multipart {
        let detail = "send multipart/form-data with the recording in the field file";
        return Err(ApiError::new(ProblemCode::UnsupportedMediaType, detail));
    }
    let owner = Owner::of(request);
    upload::check_room(state, &owner, EarlierJob::Shared).await?;
    let mut upload = Upload::begin(state).await?;
    let check_fields = async |form: &Form| {
        let model = request::check_first_fields(form)?;
        state
            .resolve_openai_model(&model.unwrap_or_default())
            .await
            .map(drop)
    };
    let form = upload::receive_multipart(request, payload, &mut upload, check_fields).await?;
    let mut wanted = request::read(&form, task)?;
    if upload.is_empty() {
        return Err(ApiError::invalid_option(
            "file",
            "there is no recording in the field file: it is missing or has no bytes",
        ));
    }
    wanted.options.model = state.resolve_openai_model(&wanted.model).await?;
    let audio = upload.finish().await?;
    let (options, quota, owner) = (
        wanted.options.clone(),
        owner.quota(),
        owner.mark().to_owned(),
    );
    let request_id = RequestId::of(request);
    let (max_pending_jobs, idempotency_key) = (state.config.max_pending_jobs, None);
    let job = NewJob {
        audio,
        options,
        owner,
        idempotency_key,
        shared: true,
        quota,
        max_pending_jobs,
        request_id,
    };
    Ok((upload::submit(state, job).await?.job_id, wanted))
}

fn answer(delivery: Delivery, wanted: &Request, result: &JobResult) -> HttpResponse {
    let task = wanted.options.task;
    let text = |format: Format| {
        (
            format.media_type(),
            render(result, task, format, wanted.options.layout()),
        )
    };
    let (media_type, body) = match wanted.format {
        ResponseFormat::Json | ResponseFormat::Stream => (
            Format::Json.media_type(),
            to_json(&Transcription::new(result)),
        ),
        ResponseFormat::VerboseJson(granularities) => (
            Format::VerboseJson.media_type(),
            to_json(&VerboseTranscription::new(result, task, granularities)),
        ),
        ResponseFormat::Text => text(Format::Text),
        // OpenAI's server says so, and some clients look.
        ResponseFormat::Srt => (Format::Text.media_type(), text(Format::Srt).1),
        ResponseFormat::Vtt => text(Format::Vtt),
    };
    let mut response = HttpResponse::Ok();
    response
        .content_type(media_type)
        .insert_header((X_JOB_ID, delivery.job_id.to_string()));
    response.body(delivery.body(body))
}

fn to_json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

/// A job that failed, as the answer to the call that waited for it.
pub(crate) fn failure(error: JobError) -> ApiError {
    let code = match error.code {
        FailureCode::EngineError | FailureCode::WorkerCrashed | FailureCode::Expired => {
            ProblemCode::Internal
        }
        FailureCode::ModelUnavailable => ProblemCode::ModelUnavailable,
        _ => ProblemCode::InvalidOptions,
    };
    ApiError::of_job(code, error)
}
