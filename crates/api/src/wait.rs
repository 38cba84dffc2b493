//! Waiting for the end of a job without holding a thread.

use std::time::Duration;

use steno_models::{JobId, JobStatus, TranscribeRequest};
use steno_store::JobLookup;
use tokio::time::Instant;

use crate::auth::Owner;
use crate::problem::ApiError;
use crate::state::ApiState;

/// The job once it has ended, the time is over, or the server is stopping. Without a limit for as long as it takes.
pub(crate) async fn wait_for_end(
    state: &ApiState,
    owner: &Owner,
    job_id: JobId,
    limit: Option<Duration>,
) -> Result<(JobStatus, TranscribeRequest), ApiError> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    let mut subscription = state.watch.subscribe(job_id);
    let mut stopping = state.stopping.clone();
    loop {
        let now = state.now();
        let of = owner.clone();
        let found = state.call_store(move |store| store.get_job(now, of.filter(), job_id)).await?;
        let (status, options) = match found {
            Some(JobLookup::Job(status, options)) => (status, options),
            Some(JobLookup::Deleted(tombstone)) => return Err(ApiError::gone(tombstone)),
            None => return Err(ApiError::no_such_job()),
        };
        let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if status.status.is_terminal() || is_over || *stopping.borrow() {
            return Ok((status, options));
        }
        let timer = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = subscription.changed() => {}
            () = timer => {}
            _ = stopping.changed() => {}
        }
    }
}
