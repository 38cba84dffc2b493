//! Reading a job as its client sees it.

use steno_models::{JobError, JobId, JobStatus, Status, Tombstone, TranscribeRequest};

use crate::deliveries::has_pending;
use crate::jobs::position::position;
use crate::tasks::fetch::fetch_status;
use crate::tx::{JobRow, Tx};
use crate::{Now, Store, StoreError};

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
        self.read_statements(|tx| lookup(tx, now, owner, job_id))
    }

    /// Those of `jobs` that have ended or are gone.
    pub fn ended_jobs(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        self.read(|tx| {
            let mut ended = Vec::new();
            for job in jobs {
                if tx.job_has_ended(*job)? {
                    ended.push(*job);
                }
            }
            Ok(ended)
        })
    }
}

/// The job, or what is left of it. Needs no snapshot: a job that is not there any more has its tombstone already.
pub(crate) fn lookup(
    tx: &Tx<'_>,
    now: Now,
    owner: Option<&str>,
    job_id: JobId,
) -> Result<Option<JobLookup>, StoreError> {
    if let Some((status, options)) = load_job(tx, now, owner, job_id)? {
        // A job past its deadline is gone even if no sweep has come by yet.
        let is_kept =
            has_pending(&status.deliveries) || status.delete_after.is_none_or(|end| end > now.wall);
        if status.ttl_deadline > now.wall && is_kept {
            return Ok(Some(JobLookup::Job(status, options)));
        }
        return Ok(Some(JobLookup::Deleted(tombstone_of(&status))));
    }
    let tombstone = tx.get_tombstone(owner, job_id, now.wall)?;
    Ok(tombstone.map(JobLookup::Deleted))
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
    tx: &Tx<'_>,
    now: Now,
    owner: Option<&str>,
    job_id: JobId,
) -> Result<Option<(JobStatus, TranscribeRequest)>, StoreError> {
    let Some(row) = tx.get_job(owner, job_id)? else {
        return Ok(None);
    };
    let seq = row.seq;
    let (mut job, options) = job_of_row(row, now)?;
    if job.status == Status::Pending {
        job.position = position(tx, seq)?;
        job.fetch = fetch_status(tx, seq)?;
    }
    if job.status.is_terminal() && options.callback_url.is_some() {
        job.deliveries = tx.list_deliveries(seq)?;
    }
    Ok(Some((job, options)))
}

/// A job as its client sees it, without its place in the queue.
pub(crate) fn job_of_row(
    row: JobRow,
    now: Now,
) -> Result<(JobStatus, TranscribeRequest), StoreError> {
    let job_id = row.id;
    let options: TranscribeRequest = serde_json::from_str(&row.options).unwrap_or_else(|error| {
        // Status and list have to work without them; a worker that cannot read them either fails the job.
        tracing::error!(
            error = &error as &dyn std::error::Error,
            job.id = %job_id,
            "cannot read the options of job {job_id}"
        );
        TranscribeRequest::default()
    });

    let mut job = JobStatus {
        job_id,
        status: row.status,
        progress: progress(&row),
        position: None,
        eta_seconds: None,
        created_at: row.created_at,
        started_at: row.started_at,
        finished_at: row.finished_at,
        retrieved_at: row.retrieved_at,
        delete_after: row.delete_after,
        ttl_deadline: row.ttl_deadline,
        duration_seconds: row.duration_ms.map(|ms| ms as f64 / 1000.0),
        attempts: row.attempts,
        error: error(row.error_code, row.error_reason, row.error_message)?,
        language: row.language,
        result: row.result,
        metadata: options.metadata.clone(),
        deliveries: Vec::new(),
        fetch: None,
    };
    if job.status == Status::Processing {
        job.eta_seconds = eta_seconds(&job, now);
    }
    Ok((job, options))
}

/// Speech transcribed over speech found. A job without speech is at 1 when it is completed.
fn progress(row: &JobRow) -> f64 {
    if row.status == Status::Completed {
        return 1.0;
    }
    let speech_ms = row.speech_ms.filter(|ms| *ms > 0);
    speech_ms.map_or(0.0, |speech_ms| {
        (row.done_ms as f64 / speech_ms as f64).clamp(0.0, 1.0)
    })
}

/// The time that the remainder takes at the pace so far.
fn eta_seconds(job: &JobStatus, now: Now) -> Option<f64> {
    let elapsed_ms = now.wall.ms() - job.started_at?.ms();
    if job.progress <= 0.0 || elapsed_ms <= 0 {
        return None;
    }
    let left_ms = elapsed_ms as f64 * (1.0 - job.progress) / job.progress;
    Some((left_ms / 100.0).round() / 10.0)
}

fn error(
    code: Option<String>,
    reason: Option<String>,
    message: Option<String>,
) -> Result<Option<JobError>, StoreError> {
    let Some(code) = code else { return Ok(None) };
    let code = serde_json::from_value(code.into()).map_err(|source| StoreError::Content {
        what: "error_code",
        source,
    })?;
    Ok(Some(JobError {
        code,
        reason,
        message: message.unwrap_or_default(),
    }))
}
