//! `POST /transcribe`: takes a recording and its options and answers once both are durable.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use steno_models::{JobAccepted, OptionFields, ProblemCode, Status, TranscribeRequest};
use steno_store::NewJob;

use crate::extract;
use crate::problem::ApiError;
use crate::state::ApiState;
use crate::upload::{self, Body, Upload};

/// Seconds after which a client may try again when the queue or the disk is full.
const RETRY_FULL_S: u32 = 30;

/// Streams the recording to disk, submits the job, answers 202.
pub(crate) async fn submit_job(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let body = upload::body_of(&request, state.config.max_upload_bytes)?;
    let mut options = OptionFields::default();
    for (name, value) in extract::query_pairs(&request)? {
        options.set(&name, &value);
    }
    check_room(&state).await?;
    let mut upload = Upload::begin(&state).await?;
    match body {
        Body::Multipart => upload::receive_multipart(&request, payload, &mut upload, &mut options).await?,
        Body::Raw => upload::receive_raw(payload, &mut upload).await?,
    }
    if upload.is_empty() {
        options.refuse("file", "there is no recording: it is missing or has no bytes");
    }
    let options = options.finish().map_err(ApiError::invalid_options)?;
    check_model(&state, &options)?;
    let audio = upload.finish().await?;
    let now = state.now();
    let job = NewJob { audio, options, idempotency_key: None, shared: false };
    let submitted = state.call_store(move |store| store.submit_job(now, job)).await?;
    let steno_store::Submission::Accepted(accepted) = submitted else { unreachable!() };
    let job_id = accepted.job_id;
    tracing::info!(job.id = %job_id, "accepted job {job_id}");
    Ok(HttpResponse::Accepted()
        .insert_header((header::LOCATION, format!("/transcribe/{job_id}")))
        .insert_header((header::RETRY_AFTER, 1))
        .json(JobAccepted {
            job_id,
            status: accepted.status,
            created_at: accepted.created_at,
            ttl_deadline: accepted.ttl_deadline,
            position: accepted.position,
        }))
}

/// Refuses before the upload what could not be kept after it.
async fn check_room(state: &ApiState) -> Result<(), ApiError> {
    let (pending, free) =
        state.call_store(|store| Ok((store.count_pending_jobs()?, store.data().free_bytes()?))).await?;
    if pending >= state.config.max_pending_jobs {
        let detail = format!("{pending} jobs are waiting, and no more are taken; try again later");
        return Err(ApiError::new(ProblemCode::QueueFull, detail).retry_after(RETRY_FULL_S));
    }
    if free < state.config.disk_reserve_bytes {
        let detail = "the server's disk is nearly full; try again later";
        return Err(ApiError::new(ProblemCode::DiskReserve, detail).retry_after(RETRY_FULL_S));
    }
    Ok(())
}

fn check_model(state: &ApiState, options: &TranscribeRequest) -> Result<(), ApiError> {
    let served = &state.config.model;
    match &options.model {
        Some(model) if model != served => {
            let detail = format!("this server transcribes with the model {served}; ask for it or for none");
            Err(ApiError::new(ProblemCode::ModelUnavailable, detail))
        }
        _ => Ok(()),
    }
}
