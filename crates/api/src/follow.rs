//! Following a job from change to change, for everything that streams. Looks at the database when something has changed, and
//! at no other time.

use std::time::Duration;

use actix_web::web;
use steno_models::{JobId, Tombstone};
use steno_store::{Followed, Told};

use crate::auth::Owner;
use crate::job_watch::Subscription;
use crate::problem::ApiError;
use crate::state::ApiState;

/// Longest silence on a stream: proxies cut connections that say nothing for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What became of waiting for a change.
pub(crate) enum Step {
    /// There is news.
    News(Box<Followed>),
    /// Nothing has happened for a while: say so, lest the connection be taken for dead.
    Silence,
    /// The job was deleted.
    Gone(Box<Tombstone>),
    /// The server is stopping.
    Stopping,
}

/// Follows one job.
pub(crate) struct Follower {
    state: web::Data<ApiState>,
    owner: Owner,
    job_id: JobId,
    changes: Subscription,
    told: Told,
    is_first: bool,
}

impl Follower {
    /// Follows a job of which its client has `told` segments.
    pub(crate) fn new(state: web::Data<ApiState>, owner: Owner, job_id: JobId, told: Told) -> Self {
        let changes = state.watch.subscribe(job_id);
        Self {
            state,
            owner,
            job_id,
            changes,
            told,
            is_first: true,
        }
    }

    /// What there is now, the first time; then what follows a change.
    pub(crate) async fn next(&mut self) -> Result<Step, ApiError> {
        let mut stopping = self.state.stopping.clone();
        if !std::mem::take(&mut self.is_first) {
            if *stopping.borrow() {
                return Ok(Step::Stopping);
            }
            tokio::select! {
                () = self.changes.changed() => {}
                () = tokio::time::sleep(KEEP_ALIVE) => return Ok(Step::Silence),
                _ = stopping.changed() => return Ok(Step::Stopping),
            }
        }
        let (now, job_id, told) = (self.state.now(), self.job_id, self.told);
        let owner = self.owner.clone();
        match self
            .state
            .call_store(move |store| store.follow_job(now, Some(owner.name()), job_id, told))
            .await?
        {
            None => Err(ApiError::no_such_job()),
            Some(Err(tombstone)) => Ok(Step::Gone(Box::new(tombstone))),
            Some(Ok(followed)) => {
                self.told = followed.told;
                Ok(Step::News(Box::new(followed)))
            }
        }
    }
}
