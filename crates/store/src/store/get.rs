//! Reading a job as its client sees it.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, named_params};
use serde::de::DeserializeOwned;
use steno_models::{JobError, JobId, JobStatus, Status, Timestamp, Tombstone, TranscribeRequest};

use super::Store;
use super::submit::position;
use crate::{Now, StoreError};

/// What a job id leads to.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per call, and the large one is the common one"
)]
pub enum JobLookup {
    /// The job, with its result if it is completed, and what was asked for.
    Job(JobStatus, TranscribeRequest),
    /// It was there and has been deleted.
    Deleted(Tombstone),
}

impl Store {
    /// The job, or what is left of it. `None` for an id that never was or that has been forgotten, and for a job of another
    /// than `owner`, if one is named.
    pub fn get_job(
        &self,
        now: Now,
        owner: Option<&str>,
        job_id: JobId,
    ) -> Result<Option<JobLookup>, StoreError> {
        self.follow_clock(now)?;
        self.read(|connection| lookup(connection, now, owner, job_id))
    }

    /// Those of `jobs` that have ended or are gone.
    pub fn ended_jobs(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        self.read(|connection| {
            let mut has_ended =
                connection.prepare_cached(include_str!("../sql/job_has_ended.sql"))?;
            let mut ended = Vec::new();
            for job in jobs {
                if has_ended.query_row(named_params! {":id": job.as_bytes()}, |row| row.get(0))? {
                    ended.push(*job);
                }
            }
            Ok(ended)
        })
    }
}

/// The job, or what is left of it, on an open snapshot.
pub(super) fn lookup(
    connection: &Connection,
    now: Now,
    owner: Option<&str>,
    job_id: JobId,
) -> Result<Option<JobLookup>, StoreError> {
    if let Some((status, options)) = load_job(connection, now, owner, job_id)? {
        // A job past its deadline is gone even if no sweep has come by yet.
        if status.ttl_deadline > now.wall && status.delete_after.is_none_or(|end| end > now.wall) {
            return Ok(Some(JobLookup::Job(status, options)));
        }
        return Ok(Some(JobLookup::Deleted(tombstone_of(&status))));
    }
    Ok(load_tombstone(connection, now, owner, job_id)?.map(JobLookup::Deleted))
}

fn tombstone_of(status: &JobStatus) -> Tombstone {
    use steno_models::TombstoneReason::{Expired, Retrieved};
    let reason = if status.delete_after.is_some() {
        Retrieved
    } else {
        Expired
    };
    Tombstone {
        job_id: status.job_id,
        status: status.status,
        reason,
        created_at: status.created_at,
        deleted_at: status.delete_after.unwrap_or(status.ttl_deadline),
        ttl_deadline: status.ttl_deadline,
    }
}

fn load_job(
    connection: &Connection,
    now: Now,
    owner: Option<&str>,
    job_id: JobId,
) -> Result<Option<(JobStatus, TranscribeRequest)>, StoreError> {
    let mut statement = connection.prepare_cached(include_str!("../sql/get_job.sql"))?;
    let mut rows = statement.query(named_params! {":id": job_id.as_bytes(), ":owner": owner})?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let (mut job, options) = job_of_row(row, now, job_id)?;
    if job.status == Status::Pending {
        job.position = position(connection, row.get("seq")?)?;
    }
    Ok(Some((job, options)))
}

/// The job in a row of `get_job.sql`, without its place in the queue.
pub(super) fn job_of_row(
    row: &Row<'_>,
    now: Now,
    job_id: JobId,
) -> Result<(JobStatus, TranscribeRequest), StoreError> {
    let options = json(row, "options").unwrap_or_else(|error| {
        // Its list and its status must not fail for it; a worker that cannot read it either fails the job.
        tracing::error!(error = &error as &dyn std::error::Error, job.id = %job_id, "cannot read a part of job {job_id}");
        TranscribeRequest::default()
    });
    let status: Status = word(row, "status")?;
    let progress = progress(row, status)?;
    let mut job = JobStatus {
        job_id,
        status,
        language: row.get("language")?,
        progress,
        position: None,
        eta_seconds: None,
        created_at: Timestamp::from_ms(row.get("created_at")?),
        started_at: time(row, "started_at")?,
        finished_at: time(row, "finished_at")?,
        retrieved_at: time(row, "retrieved_at")?,
        delete_after: time(row, "delete_after")?,
        ttl_deadline: Timestamp::from_ms(row.get("ttl_deadline")?),
        duration_seconds: row
            .get::<_, Option<i64>>("duration_ms")?
            .map(|ms| ms as f64 / 1000.0),
        attempts: row.get("attempts")?,
        error: error(row)?,
        result: if is_null(row, "body")? {
            None
        } else {
            Some(json(row, "body")?)
        },
        metadata: options.metadata.clone(),
    };
    if status == Status::Processing {
        job.eta_seconds = eta_seconds(&job, now);
    }
    Ok((job, options))
}

/// Speech transcribed over speech found. A job without speech is done when it is done.
fn progress(row: &Row<'_>, status: Status) -> Result<f64, StoreError> {
    if status == Status::Completed {
        return Ok(1.0);
    }
    let speech_ms: Option<i64> = row.get("speech_ms")?;
    let done_ms: i64 = row.get("done_ms")?;
    Ok(speech_ms.filter(|ms| *ms > 0).map_or(0.0, |speech_ms| {
        (done_ms as f64 / speech_ms as f64).clamp(0.0, 1.0)
    }))
}

/// The time the rest takes if it goes on as it went so far.
fn eta_seconds(job: &JobStatus, now: Now) -> Option<f64> {
    let elapsed_ms = now.wall.ms() - job.started_at?.ms();
    if job.progress <= 0.0 || elapsed_ms <= 0 {
        return None;
    }
    let left_ms = elapsed_ms as f64 * (1.0 - job.progress) / job.progress;
    Some((left_ms / 100.0).round() / 10.0)
}

fn error(row: &Row<'_>) -> Result<Option<JobError>, StoreError> {
    if is_null(row, "error_code")? {
        return Ok(None);
    }
    let message = row
        .get::<_, Option<String>>("error_message")?
        .unwrap_or_default();
    Ok(Some(JobError {
        code: word(row, "error_code")?,
        message,
    }))
}

fn time(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_ms))
}

/// A column that holds one of a type's words.
pub(super) fn word<T: DeserializeOwned>(
    row: &Row<'_>,
    column: &'static str,
) -> Result<T, StoreError> {
    let text: String = row.get(column)?;
    serde_json::from_value(text.into()).map_err(|source| StoreError::Content {
        what: column,
        source,
    })
}

/// A column that holds JSON.
pub(super) fn json<T: DeserializeOwned>(
    row: &Row<'_>,
    column: &'static str,
) -> Result<T, StoreError> {
    let text = row
        .get_ref(column)?
        .as_str()
        .map_err(rusqlite::Error::from)?;
    serde_json::from_str(text).map_err(|source| StoreError::Content {
        what: column,
        source,
    })
}

fn is_null(row: &Row<'_>, column: &str) -> Result<bool, StoreError> {
    Ok(row.get_ref(column)? == ValueRef::Null)
}

fn load_tombstone(
    connection: &Connection,
    now: Now,
    owner: Option<&str>,
    job_id: JobId,
) -> Result<Option<Tombstone>, StoreError> {
    let mut statement = connection.prepare_cached(include_str!("../sql/get_tombstone.sql"))?;
    let mut rows = statement
        .query(named_params! {":id": job_id.as_bytes(), ":owner": owner, ":now": now.wall.ms()})?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(Tombstone {
        job_id,
        status: word(row, "status")?,
        reason: word(row, "reason")?,
        created_at: Timestamp::from_ms(row.get("created_at")?),
        deleted_at: Timestamp::from_ms(row.get("deleted_at")?),
        ttl_deadline: Timestamp::from_ms(row.get("ttl_deadline")?),
    }))
}
