//! `GET /transcribe/{job_id}`: the status, and the result once there is one.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use sha2::{Digest, Sha256};
use steno_models::{Format, JobId, JobStatus, Status, TranscribeRequest, render};
use steno_store::{JobLookup, Now};
use tokio::time::Instant;

use crate::extract;
use crate::problem::ApiError;
use crate::retrieval::RetrievalBody;
use crate::state::ApiState;

/// Seconds after which a client should ask again for a job that has not ended.
const RETRY_AFTER_S: u32 = 1;

/// Waits if asked to, then answers with the status, or with the result in the format asked for.
pub(crate) async fn get_job(request: HttpRequest, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let job_id = extract::job_id(&request)?;
    let view = extract::view(&request)?;
    let (mut status, options) = wait_for_end(&state, job_id, Duration::from_secs(view.wait_s)).await?;
    if status.status != Status::Completed {
        let mut response = HttpResponse::Ok();
        if !status.status.is_terminal() {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_S));
        }
        return Ok(response.json(status));
    }
    let now = state.now();
    let counts = !view.keep && request.method() == Method::GET && !is_partial_or_prefetch(request.headers());
    if counts && status.retrieved_at.is_none() {
        // Said now, so that a repeated call inside the grace period answers the same bytes.
        let grace_ms = state.config.queue.retrieval_grace.as_millis() as i64;
        status.retrieved_at = Some(now.wall);
        status.delete_after = Some(now.wall.plus_ms(grace_ms).min(status.ttl_deadline));
    }
    let format = view.format.unwrap_or(Format::Json);
    let body = body_of(&status, &options, format);
    let tag = entity_tag(&body);
    if is_known(request.headers(), &tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag.clone())).finish());
    }
    Ok(deliver(&state, now, job_id, format, body, &tag, counts))
}

/// The job once it has ended or the time is over.
async fn wait_for_end(
    state: &ApiState,
    job_id: JobId,
    limit: Duration,
) -> Result<(JobStatus, TranscribeRequest), ApiError> {
    let deadline = Instant::now() + limit;
    let subscription = state.watch.subscribe(job_id);
    let mut stopping = state.stopping.clone();
    loop {
        // Before the look: what changes after it is not missed.
        let changed = subscription.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let now = state.now();
        let found = state.call_store(move |store| store.get_job(now, job_id)).await?;
        let (status, options) = match found {
            Some(JobLookup::Job(status, options)) => (status, options),
            Some(JobLookup::Deleted(tombstone)) => return Err(ApiError::gone(tombstone)),
            None => return Err(ApiError::no_such_job()),
        };
        if status.status.is_terminal() || Instant::now() >= deadline || *stopping.borrow() {
            return Ok((status, options));
        }
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep_until(deadline) => {}
            _ = stopping.changed() => {}
        }
    }
}

fn body_of(status: &JobStatus, options: &TranscribeRequest, format: Format) -> String {
    match (&status.result, format) {
        (Some(result), format) if format != Format::Json => render(result, options.task, format, options.layout()),
        _ => serde_json::to_string(status).unwrap_or_default(),
    }
}

/// Answers with the result; the delivery of its last byte is its retrieval, if it counts.
fn deliver(
    state: &web::Data<ApiState>,
    now: Now,
    job_id: JobId,
    format: Format,
    body: String,
    tag: &str,
    counts: bool,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type(format.media_type()).insert_header((header::ETAG, tag));
    if !matches!(format, Format::Json | Format::VerboseJson) {
        let name = format!("{job_id}.{}", format.extension());
        let disposition = format!("attachment; filename=\"{name}\"; filename*=UTF-8''{name}");
        response.insert_header((header::CONTENT_DISPOSITION, disposition));
    }
    if !counts {
        return response.body(body);
    }
    let store = Arc::clone(&state.store);
    let on_delivered = move || {
        // The poll that calls this must not block.
        drop(actix_web::rt::task::spawn_blocking(move || match store.mark_retrieved(now, job_id) {
            Ok(()) => tracing::info!(job.id = %job_id, "delivered the result of job {job_id}"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, job.id = %job_id, "cannot note the retrieval of job {job_id}");
            }
        }));
    };
    response.body(BoxBody::new(RetrievalBody::new(body, on_delivered)))
}

/// Calls that may not lead to a person or program holding the whole result.
fn is_partial_or_prefetch(headers: &HeaderMap) -> bool {
    [header::RANGE.as_str(), "sec-purpose", "purpose"].into_iter().any(|name| headers.contains_key(name))
}

/// A strong entity tag (RFC 9110, 8.8.3): the first half of the body's SHA-256.
fn entity_tag(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    let half = digest.first_chunk::<16>().map_or(0, |half| u128::from_be_bytes(*half));
    format!("\"{half:032x}\"")
}

/// Whether the client has these bytes already.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| matches!(known.trim().trim_start_matches("W/"), known if known == tag || known == "*"))
}
