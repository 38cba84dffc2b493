//! What an operator sees of the queue, and the one thing to do about tasks that wait.

use serde::Serialize;
use steno_models::{JobId, Status, Timestamp};

use crate::tasks::types::TaskStatus;
use crate::{Store, StoreError};

/// A job without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InspectedJob {
    /// The job's id.
    pub job_id: JobId,
    /// Name of the API key it was submitted with; empty for none.
    pub owner: String,
    /// Its status.
    pub status: Status,
    /// 1 at the first try.
    pub attempts: u32,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// Why it failed.
    pub error_code: Option<String>,
    /// Size of the recording.
    pub audio_bytes: u64,
    /// Tasks that are ready, or wait for another try.
    pub tasks_waiting: u32,
    /// Tasks that workers have claimed.
    pub tasks_claimed: u32,
    /// Tasks whose output is stored.
    pub tasks_done: u32,
}

/// A task without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedTask {
    /// What is to be done; a kind of a later release is possible.
    pub kind: String,
    /// Order of its span or block in the recording, from 0.
    pub span: Option<u32>,
    /// Its status.
    pub status: TaskStatus,
    /// Times the decoder or the engine failed on it.
    pub failures: u32,
    /// Times a worker died with it.
    pub crashes: u32,
}

/// Which jobs to look at; `None` for all.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only this one.
    pub job_id: Option<JobId>,
    /// Only those of this API key.
    pub owner: Option<String>,
    /// Only those that stand here.
    pub status: Option<Status>,
    /// Only those submitted by then.
    pub created_by: Option<Timestamp>,
}

impl Store {
    /// Jobs, oldest first.
    pub fn inspect_jobs(&self, filter: &JobFilter) -> Result<Vec<InspectedJob>, StoreError> {
        self.read_statements(|tx| tx.inspect_jobs(filter))
    }

    /// The tasks of a job, in the order in which they were made.
    pub fn inspect_tasks(&self, job: JobId) -> Result<Vec<InspectedTask>, StoreError> {
        self.read_statements(|tx| tx.inspect_tasks(job))
    }

    /// Makes tasks that failed or lost their worker due now, with a whole budget; of one job, or of all. Returns how many.
    pub fn retry_tasks(&self, job: Option<JobId>) -> Result<u64, StoreError> {
        self.write(|tx, effects| {
            let retried = tx.retry_tasks(job)?;
            effects.work = retried > 0;
            Ok(retried as u64)
        })
    }
}
