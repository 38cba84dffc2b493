//! What is known of a job that clients follow, once for all of them: its status and the pieces of its transcript.
//!
//! Followers of one job share its log, so that a change costs one read of the database and one copy in memory, however
//! many there are, and a slow follower holds a position instead of a backlog. Used by [`follow`](crate::follow).

use std::collections::HashMap;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError, Weak};

use actix_web::web::Bytes;
use steno_models::{JobId, JobResult, JobStatus, Segment, Tombstone};
use steno_store::{Followed, Sent};
use tokio::sync::Mutex;

use crate::auth::Owner;
use crate::problem::ApiError;
use crate::state::ApiState;

/// The logs that have followers, by owner and job.
#[derive(Default)]
pub(crate) struct JobLogs(SyncMutex<HashMap<(String, JobId), Weak<JobLog>>>);

/// What is known of one job, as its owner may see it.
pub(crate) struct JobLog {
    owner: Owner,
    job_id: JobId,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    sent: Sent,
    pieces: Vec<Arc<Piece>>,
    latest: Option<Snapshot>,
}

/// A segment of the transcript.
pub(crate) struct Piece {
    pub(crate) text: String,
    /// The segment as JSON.
    pub(crate) json: Bytes,
}

/// A job at one moment.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// Without the result.
    pub(crate) status: Arc<JobStatus>,
    pub(crate) result: Option<Arc<JobResult>>,
    /// Pieces of the transcript that are known.
    pub(crate) pieces: usize,
}

/// A look at a job.
pub(crate) enum Look {
    Found(Snapshot),
    Gone(Box<Tombstone>),
}

impl JobLogs {
    /// The log of a job. It is forgotten with its last follower.
    pub(crate) fn open(&self, owner: Owner, job_id: JobId) -> Arc<JobLog> {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (owner.name().to_owned(), job_id);
        if let Some(log) = logs.get(&key).and_then(Weak::upgrade) {
            return log;
        }

        logs.retain(|_, log| log.strong_count() > 0);
        let log = Arc::new(JobLog {
            owner,
            job_id,
            known: Mutex::default(),
        });
        logs.insert(key, Arc::downgrade(&log));
        log
    }
}

impl JobLog {
    /// Reads what is new about the job. A follower's first look always asks the store whether the job is still there; for
    /// later ones the log of a job that has ended is complete.
    pub(crate) async fn look(&self, state: &ApiState, is_first: bool) -> Result<Look, ApiError> {
        let mut known = self.known.lock().await;
        if let Some(latest) = &known.latest
            && !is_first
            && latest.status.status.is_terminal()
        {
            return Ok(Look::Found(latest.clone()));
        }

        let (now, owner) = (state.now(), self.owner.clone());
        let (job_id, sent) = (self.job_id, known.sent);
        let found = state
            .call_store(move |store| store.follow_job(now, Some(owner.name()), job_id, sent))
            .await?;
        match found {
            None => Err(ApiError::no_such_job()),
            Some(Err(tombstone)) => Ok(Look::Gone(Box::new(tombstone))),
            Some(Ok(followed)) => Ok(Look::Found(known.add(followed))),
        }
    }

    /// A piece of the transcript, counted from 0.
    pub(crate) async fn piece(&self, index: usize) -> Option<Arc<Piece>> {
        self.known.lock().await.pieces.get(index).cloned()
    }
}

impl Known {
    fn add(&mut self, followed: Followed) -> Snapshot {
        let Followed {
            mut status,
            segments,
            sent,
            ..
        } = followed;
        let result = status.result.take();
        self.sent = sent;
        self.pieces.extend(segments.into_iter().map(Piece::of));

        // The log of a job that has ended keeps the one result that it read first.
        let earlier = self.latest.take().and_then(|latest| latest.result);
        let snapshot = Snapshot {
            status: Arc::new(status),
            result: earlier.or(result.map(Arc::new)),
            pieces: self.pieces.len(),
        };
        self.latest = Some(snapshot.clone());
        snapshot
    }
}

impl Piece {
    fn of(segment: Segment) -> Arc<Self> {
        let json = serde_json::to_vec(&segment).unwrap_or_default();
        Arc::new(Self {
            text: segment.text,
            json: json.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_of_one_job_share_its_log_until_the_last_has_left() {
        let logs = JobLogs::default();
        let job = JobId::random();
        let first = logs.open(Owner::default(), job);
        let second = logs.open(Owner::default(), job);
        assert!(Arc::ptr_eq(&first, &second));
        let other = logs.open(Owner::default(), JobId::random());
        assert!(!Arc::ptr_eq(&first, &other));

        drop((first, second, other));
        logs.open(Owner::default(), JobId::random());
        assert_eq!(logs.0.lock().unwrap().len(), 1);
    }
}
