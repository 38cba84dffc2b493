//! What an operator sees of the queue, and the one thing to do about tasks that wait.

use rusqlite::named_params;
use serde::Serialize;
use steno_models::{JobId, Status, Timestamp};

use super::Store;
use super::get::word;
use super::types::TaskStatus;
use crate::StoreError;

/// A job without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InspectedJob {
    /// The job's id.
    pub job_id: JobId,
    /// Name of the API key it was submitted with; empty for none.
    pub owner: String,
    /// Where it stands.
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
    /// Tasks that workers have in hand.
    pub tasks_claimed: u32,
    /// Spans that are transcribed.
    pub tasks_done: u32,
}

/// A task without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedTask {
    /// What is to be done; a kind of a later release is possible.
    pub kind: String,
    /// Order of its span in the recording, from 0.
    pub span: Option<u32>,
    /// Where it stands.
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
        self.read(|connection| {
            let mut statement = connection.prepare(include_str!("../sql/inspect_jobs.sql"))?;
            let mut rows = statement.query(named_params! {
                ":id": filter.job_id.as_ref().map(JobId::as_bytes),
                ":owner": filter.owner,
                ":status": filter.status.map(Status::as_str),
                ":before": filter.created_by.map_or(i64::MAX, Timestamp::ms),
            })?;
            let mut jobs = Vec::new();
            while let Some(row) = rows.next()? {
                jobs.push(InspectedJob {
                    job_id: JobId::from_bytes(row.get("id")?),
                    owner: row.get("owner")?,
                    status: word(row, "status")?,
                    attempts: row.get("attempts")?,
                    created_at: Timestamp::from_ms(row.get("created_at")?),
                    error_code: row.get("error_code")?,
                    audio_bytes: row.get::<_, i64>("audio_bytes")? as u64,
                    tasks_waiting: row.get("tasks_waiting")?,
                    tasks_claimed: row.get("tasks_claimed")?,
                    tasks_done: row.get("tasks_done")?,
                });
            }
            Ok(jobs)
        })
    }

    /// The tasks of a job, in the order in which they were made.
    pub fn inspect_tasks(&self, job: JobId) -> Result<Vec<InspectedTask>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached(include_str!("../sql/inspect_tasks.sql"))?;
            let mut rows = statement.query(named_params! {":id": job.as_bytes()})?;
            let mut tasks = Vec::new();
            while let Some(row) = rows.next()? {
                let status: String = row.get("status")?;
                let status = TaskStatus::from_stored(&status).ok_or(StoreError::Contradiction {
                    action: "read the status of a task",
                })?;
                tasks.push(InspectedTask {
                    kind: row.get("kind")?,
                    span: row.get("span_index")?,
                    status,
                    failures: row.get("failures")?,
                    crashes: row.get("crashes")?,
                });
            }
            Ok(tasks)
        })
    }

    /// Makes tasks that failed or lost their worker due now, with a whole budget; of one job, or of all. Returns how many.
    pub fn retry_tasks(&self, job: Option<JobId>) -> Result<u64, StoreError> {
        self.write(|tx, effects| {
            let retried = tx
                .prepare_cached(include_str!("../sql/retry_tasks.sql"))?
                .execute(named_params! {":id": job.as_ref().map(JobId::as_bytes)})?;
            effects.work = retried > 0;
            Ok(retried as u64)
        })
    }
}
