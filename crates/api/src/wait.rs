//! Waiting for the end of a job without holding a thread.

use std::time::Duration;

use actix_web::HttpRequest;
use steno_models::{JobId, JobResult, JobStatus, TranscribeRequest};
use steno_store::JobLookup;
use tokio::time::Instant;

use crate::auth::Owner;
use crate::connection::Connection;
use crate::problem::ApiError;
use crate::state::ApiState;

/// Pause between two checks whether the client is still connected: actix does not notify a handler.
const LOOK_AT_CLIENT: Duration = Duration::from_secs(5);

/// The job once it has ended, the time is over, the server is stopping, or the client has left. Without a limit for as long as it
/// takes.
pub(crate) async fn wait_for_end(
    state: &ApiState,
    request: &HttpRequest,
    job_id: JobId,
    limit: Option<Duration>,
) -> Result<(JobStatus, TranscribeRequest), ApiError> {
    let (owner, connection) = (Owner::of(request), Connection::of(request));
    let deadline = limit.map(|limit| Instant::now() + limit);
    let mut subscription = state.watch.subscribe(job_id);
    let mut stopping = state.stopping.clone();

    loop {
        let now = state.now();
        let of = owner.clone();
        let found = state
            .call_store(move |store| store.get_job(now, Some(of.name()), job_id))
            .await?;
        let (status, options) = match found {
            Some(JobLookup::Job(status, options)) => (status, options),
            Some(JobLookup::Deleted(tombstone)) => return Err(ApiError::gone(tombstone)),
            None => return Err(ApiError::no_such_job()),
        };
        let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if status.status.is_terminal() || is_over || *stopping.borrow() {
            return Ok((status, options));
        }
        let still_there = async {
            while connection.is_open() && deadline.is_none_or(|deadline| Instant::now() < deadline)
            {
                let next = Instant::now() + LOOK_AT_CLIENT;
                tokio::time::sleep_until(deadline.map_or(next, |deadline| deadline.min(next)))
                    .await;
            }
        };
        tokio::select! {
            () = subscription.changed() => {}
            () = still_there => if !connection.is_open() {
                return Ok((status, options));
            },
            _ = stopping.changed() => {}
        }
    }
}

/// The result of a job, for a call whose client waits for it however long it takes. A job that failed is an error.
pub(crate) async fn wait_for_result(
    state: &ApiState,
    request: &HttpRequest,
    job_id: JobId,
) -> Result<JobResult, ApiError> {
    let (status, _) = wait_for_end(state, request, job_id, None).await?;
    match (status.result, status.error) {
        (Some(result), _) => Ok(result),
        (None, Some(error)) => Err(ApiError::of_job(error)),
        (None, None) => Err(ApiError::stopping()),
    }
}
