//! `POST /transcribe`: takes a recording and its options and answers once both are durable.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use steno_models::{JobAccepted, OptionFields, Problem};
use steno_store::{EarlierJob, NewJob};

use crate::address;
use crate::auth::Owner;
use crate::extract;
use crate::middleware::RequestId;
use crate::openapi::{RecordingForm, SubmitQuery};
use crate::problem::ApiError;
use crate::state::ApiState;
use crate::upload::{self, Body, Form, Upload};

/// Submit a recording.
///
/// Streams the recording to disk, makes it a job, and answers as soon as both are durable. Send a form with the recording
/// in `file` and the options as further fields, or the recording as the body and the options in the query.
#[utoipa::path(
    post,
    path = "/transcribe",
    tag = "jobs",
    params(
        SubmitQuery,
        ("Idempotency-Key" = Option<String>, Header, description =
            "Your name for this submission, 1 to 255 visible ASCII characters. The same key with the same recording and \
             options answers with the first job instead of making a second.", example = "2026-11-24-interview-7"),
    ),
    request_body(content(
        (RecordingForm = "multipart/form-data"),
        (inline(crate::openapi::Recording) = "application/octet-stream"),
        (inline(crate::openapi::Recording) = "audio/*"),
        (inline(crate::openapi::Recording) = "video/*"),
    )),
    responses(
        (status = 202, description = "The job. It survives power loss.", body = JobAccepted, headers(
            ("Location" = String, description = "Address of the job"),
            ("Retry-After" = u32, description = "Seconds after which to look at it"),
        )),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`request_timeout`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`upload_too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_options`, `model_unavailable`, `idempotency_key_in_use`", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "`quota_exceeded`, `rate_limited`", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "`queue_full`, `not_ready`", body = Problem,
            content_type = "application/problem+json"),
        (status = 507, description = "`disk_reserve`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn submit_job(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let body = upload::body_of(&request, state.config.max_upload_bytes)?;
    let idempotency_key = extract::idempotency_key(&request)?;
    let query = extract::query_pairs(&request)?;
    let owner = Owner::of(&request);

    // What is wrong with the query is said before the recording is received.
    check(&state, &read_options(&query, &Form::default())).await?;
    let earlier = idempotency_key
        .clone()
        .map_or(EarlierJob::None, EarlierJob::OfKey);
    upload::check_room(&state, &owner, earlier).await?;

    let mut upload = Upload::begin(&state).await?;
    let form = match body {
        Body::Multipart => {
            let check_fields = async |form: &Form| check(&state, &read_options(&query, form)).await;
            upload::receive_multipart(&request, payload, &mut upload, check_fields).await?
        }
        Body::Raw => {
            let options = read_options(&query, &Form::default());
            options.finish().map_err(ApiError::invalid_options)?;
            upload::receive_raw(payload, &mut upload).await?;
            Form::default()
        }
    };

    let mut options = read_options(&query, &form);
    if form.files > 1 {
        options.refuse(
            "file",
            "given more than once; submit one recording at a time",
        );
    }
    if upload.is_empty() {
        options.refuse(
            "file",
            "there is no recording: it is missing or has no bytes",
        );
    }
    let mut options = options.finish().map_err(ApiError::invalid_options)?;
    options.model = state.resolve_model(options.model).await?;
    let audio = upload.finish().await?;
    let (quota, owner) = (owner.quota(), owner.mark().to_owned());
    let request_id = RequestId::of(&request);
    let max_pending_jobs = state.config.max_pending_jobs;
    let job = NewJob {
        audio,
        options,
        owner,
        idempotency_key,
        shared: false,
        quota,
        max_pending_jobs,
        request_id,
    };
    let accepted = upload::submit(&state, job).await?;
    let job_id = accepted.job_id;
    Ok(HttpResponse::Accepted()
        .insert_header((
            header::LOCATION,
            format!("{}/transcribe/{job_id}", address::prefix(&request)),
        ))
        .insert_header((header::RETRY_AFTER, 1))
        .json(JobAccepted {
            job_id,
            status: accepted.status,
            created_at: accepted.created_at,
            ttl_deadline: accepted.ttl_deadline,
            position: accepted.position,
        }))
}

/// The options of the query, then those of a form.
fn read_options(query: &[(String, String)], form: &Form) -> OptionFields {
    let mut options = OptionFields::default();
    for (name, value) in query {
        options.set(name, value);
    }
    for (name, value) in &form.fields {
        match value.text() {
            // A recording in the wrong field: the hint matters, not its bytes.
            _ if matches!(name.as_str(), "audio_file" | "audio") => options.set(name, ""),
            Ok(value) => options.set(name, value),
            Err(detail) => options.refuse(name, detail),
        }
    }
    options
}

/// Checks the options that are known before the recording comes.
async fn check(state: &ApiState, options: &OptionFields) -> Result<(), ApiError> {
    let options = options
        .so_far()
        .map_err(|problems| ApiError::invalid_options(problems.to_vec()))?;
    state.resolve_model(options.model.clone()).await?;
    Ok(())
}
