//! Submitting: a stored recording becomes a job with one `prepare` task.

use rusqlite::{Connection, named_params};
use steno_models::{JobId, Timestamp, TranscribeRequest};

use crate::{Now, Store, StoreError, StoredAudio};

/// A job to submit.
#[derive(Debug)]
pub struct NewJob {
    /// The recording, durable on disk.
    pub audio: StoredAudio,
    /// What the client asked for.
    pub options: TranscribeRequest,
}

/// A submitted job. It survives power loss.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// The job's id.
    pub job_id: JobId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it is deleted at the latest.
    pub ttl_deadline: Timestamp,
    /// Place in the queue, 1 is next.
    pub position: u64,
}

impl Store {
    /// Inserts a job and its `prepare` task and wakes the workers. When this returns, the job is durable; when it fails,
    /// the recording is gone as well.
    pub fn submit_job(&self, now: Now, job: NewJob) -> Result<Accepted, StoreError> {
        let NewJob { audio, options } = job;
        let options_json =
            serde_json::to_string(&options).map_err(|source| StoreError::Content { what: "options", source })?;
        let created_at = now.wall;
        let ttl_deadline = created_at.plus_ms(self.settings.ttl.as_millis() as i64);
        let seq = self.write(|tx, effects| {
            let seq: i64 = tx.prepare_cached(include_str!("../sql/insert_job.sql"))?.query_row(
                named_params! {
                    ":id": audio.job_id.as_bytes(),
                    ":priority": options.priority,
                    ":created_at": created_at.ms(),
                    ":ttl_deadline": ttl_deadline.ms(),
                    ":language": options.language,
                },
                |row| row.get(0),
            )?;
            tx.prepare_cached(include_str!("../sql/insert_input.sql"))?.execute(named_params! {
                ":job": seq,
                ":options": options_json,
                ":audio": audio.name,
                ":audio_bytes": audio.bytes as i64,
                ":audio_sha256": audio.sha256,
            })?;
            tx.prepare_cached(include_str!("../sql/insert_prepare_task.sql"))?.execute(named_params! {":job": seq})?;
            effects.work = true;
            Ok(seq)
        })?;
        let job_id = audio.job_id;
        audio.committed();
        // Counted outside the write lock: with a long backlog it takes milliseconds.
        let position = self.read(|connection| position(connection, seq))?;
        Ok(Accepted { job_id, created_at, ttl_deadline, position })
    }

    /// How many jobs are pending.
    pub fn count_pending_jobs(&self) -> Result<u64, StoreError> {
        self.read(|connection| {
            let count: i64 = connection
                .prepare_cached("SELECT count(*) FROM jobs WHERE status = 'pending'")?
                .query_row([], |row| row.get(0))?;
            Ok(count as u64)
        })
    }
}

/// Place of a pending job in the queue, 1 is next.
pub(super) fn position(connection: &Connection, seq: i64) -> Result<u64, StoreError> {
    let ahead: i64 = connection
        .prepare_cached(include_str!("../sql/count_jobs_ahead.sql"))?
        .query_row(named_params! {":seq": seq}, |row| row.get(0))?;
    Ok(ahead as u64 + 1)
}
