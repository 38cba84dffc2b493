//! `POST /v1/audio/transcriptions` and `POST /v1/audio/translations`: a job whose client waits for its end.
//!
//! If the client goes away, the job lives on, and the same upload attaches to it again instead of becoming another job.

use actix_web::http::header::HeaderName;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use steno_models::openai::{DiarizedTranscription, ErrorBody, Transcription, VerboseTranscription};
use steno_models::{Format, JobResult, Task, TranscribeRequest, render};
use steno_store::EarlierJob;

use super::request::{self, ResponseFormat};
use super::stream::{self, Content};
use crate::auth::Owner;
use crate::openapi::{StreamMessage, TranscriptionAnswer, TranscriptionForm};
use crate::problem::ApiError;
use crate::retrieval::Delivery;
use crate::state::ApiState;
use crate::submission::{Endpoint, Submitted, submit};
use crate::upload::{Expected, Form};
use crate::wait::wait_for_result;

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
        (status = 400, description = "A field or the recording is not valid; `model_not_found`, `diarization_unavailable`", body = ErrorBody),
        (status = 408, description = "`request_timeout`", body = ErrorBody),
        (status = 413, description = "`upload_too_large`", body = ErrorBody),
        (status = 415, description = "`unsupported_media_type`", body = ErrorBody),
        (status = 500, description = "The engine failed on this recording", body = ErrorBody),
        (status = 503, description = "`queue_full`, `too_many_connections`, `not_ready`", body = ErrorBody),
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
    let endpoint = OpenAi {
        state: &state,
        task,
    };
    let submitted = submit(&endpoint, request, payload, &state).await?;
    let job_id = submitted.job.job_id;

    let content = match submitted.wanted {
        ResponseFormat::DiarizedStream => Some(Content::Segments),
        // Where segments are split is known only at the end.
        ResponseFormat::Stream if submitted.options.names_speakers() => Some(Content::TextAtEnd),
        ResponseFormat::Stream => Some(Content::Text),
        _ => None,
    };
    if let Some(content) = content {
        let delivery = Delivery::new(request, state, job_id);
        return stream::answer(delivery, Owner::of(request), content).await;
    }
    let result = wait_for_result(&state, request, job_id).await?;
    let delivery = Delivery::new(request, state, job_id);
    answer(delivery, submitted, result).await
}

/// Takes a form as OpenAI's server does: unknown fields have no effect. An equal submission is the same job.
struct OpenAi<'a> {
    state: &'a ApiState,
    task: Task,
}

impl Endpoint for OpenAi<'_> {
    type Wanted = ResponseFormat;

    fn expected(&self) -> Expected {
        Expected {
            fields: &["file"],
            takes_raw: false,
            takes_url: false,
            advice: "send multipart/form-data with the recording in the field file",
            is_bare: false,
            kept_bytes: u64::MAX,
        }
    }

    fn earlier(&self) -> EarlierJob {
        EarlierJob::Shared
    }

    async fn check(&self, fields: &Form) -> Result<(), ApiError> {
        let model = request::check_first_fields(fields)?.unwrap_or_default();
        self.state.resolve_openai_model(&model).await?;
        Ok(())
    }

    async fn read(&self, form: &Form) -> Result<(TranscribeRequest, ResponseFormat), ApiError> {
        let mut read = request::read(form, self.task)?;
        if form.received == 0 {
            return Err(ApiError::invalid_option(
                "file",
                "there is no recording in the field file: it is missing or has no bytes",
            ));
        }
        self.state.check_diarization(&read.options).await?;
        read.options.model = self.state.resolve_openai_model(&read.model).await?;
        Ok((read.options, read.format))
    }
}

async fn answer(
    delivery: Delivery,
    submitted: Submitted<ResponseFormat>,
    result: JobResult,
) -> Result<HttpResponse, ApiError> {
    let media_type = match submitted.wanted {
        ResponseFormat::Json
        | ResponseFormat::DiarizedJson
        | ResponseFormat::Stream
        | ResponseFormat::DiarizedStream => Format::Json.media_type(),
        ResponseFormat::VerboseJson(_) => Format::VerboseJson.media_type(),
        // OpenAI's server answers srt as plain text, and some clients check the type.
        ResponseFormat::Text | ResponseFormat::Srt => Format::Text.media_type(),
        ResponseFormat::Vtt => Format::Vtt.media_type(),
    };
    let renders = &delivery.state.renders;
    let body = renders.own(move || body_of(&submitted, &result)).await?;

    let mut response = HttpResponse::Ok();
    response
        .content_type(media_type)
        .insert_header((X_JOB_ID, delivery.job_id.to_string()));
    Ok(response.body(delivery.body(body)))
}

fn body_of(submitted: &Submitted<ResponseFormat>, result: &JobResult) -> String {
    let task = submitted.options.task;
    let text = |format| render(result, task, format, submitted.options.layout());
    match submitted.wanted {
        ResponseFormat::Json | ResponseFormat::Stream => to_json(&Transcription::new(result)),
        ResponseFormat::DiarizedJson | ResponseFormat::DiarizedStream => {
            to_json(&DiarizedTranscription::new(result, task))
        }
        ResponseFormat::VerboseJson(granularities) => {
            to_json(&VerboseTranscription::new(result, task, granularities))
        }
        ResponseFormat::Text => text(Format::Text),
        ResponseFormat::Srt => text(Format::Srt),
        ResponseFormat::Vtt => text(Format::Vtt),
    }
}

fn to_json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}
