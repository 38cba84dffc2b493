//! Following a job from change to change, for everything that streams. Reads the database when something has changed, and
//! at no other time.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use steno_models::{JobId, Tombstone};

use crate::auth::Owner;
use crate::job_log::{JobLog, Look, Piece, Snapshot};
use crate::job_watch::Subscription;
use crate::problem::ApiError;
use crate::state::ApiState;

/// Longest silence on a stream: proxies cut connections that say nothing for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The outcome of waiting for a change.
pub(crate) enum Step {
    /// There is news.
    News(Snapshot),
    /// Nothing has happened for a while. A comment keeps proxies from cutting the connection.
    Silence,
    /// The job was deleted.
    Gone(Box<Tombstone>),
    /// The server is stopping.
    Stopping,
}

/// Follows one job.
pub(crate) struct Follower {
    state: web::Data<ApiState>,
    changes: Subscription,
    log: Arc<JobLog>,
    is_first: bool,
}

impl Follower {
    /// Follows a job of an owner.
    pub(crate) fn new(state: web::Data<ApiState>, owner: Owner, job_id: JobId) -> Self {
        let changes = state.watch.subscribe(job_id);
        let log = state.logs.open(owner, job_id);
        Self {
            state,
            changes,
            log,
            is_first: true,
        }
    }

    /// The present state, the first time; then the state after each change.
    pub(crate) async fn next(&mut self) -> Result<Step, ApiError> {
        let is_first = std::mem::take(&mut self.is_first);
        let mut stopping = self.state.stopping.clone();
        if !is_first {
            if *stopping.borrow() {
                return Ok(Step::Stopping);
            }
            tokio::select! {
                () = self.changes.changed() => {}
                () = tokio::time::sleep(KEEP_ALIVE) => return Ok(Step::Silence),
                _ = stopping.changed() => return Ok(Step::Stopping),
            }
        }

        match self.log.look(&self.state, is_first).await? {
            Look::Found(snapshot) => Ok(Step::News(snapshot)),
            Look::Gone(tombstone) => Ok(Step::Gone(tombstone)),
        }
    }

    /// A piece of the transcript that a snapshot has counted.
    pub(crate) async fn piece(&self, index: usize) -> Option<Arc<Piece>> {
        self.log.piece(index).await
    }
}
