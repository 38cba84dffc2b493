//! Rows as Rust values, and how a column becomes one.

use serde::Serialize;
use serde::de::DeserializeOwned;
use steno_models::{JobId, JobResult, Status, Timestamp};

use crate::StoreError;
use crate::database::DatabaseError;
use crate::tx::{Cell, Row};

/// A job with what its client may see. Times are milliseconds.
pub(crate) struct JobRow {
    pub(crate) id: JobId,
    pub(crate) seq: i64,
    pub(crate) status: Status,
    pub(crate) language: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) duration_ms: Option<i64>,
    pub(crate) speech_ms: Option<i64>,
    pub(crate) done_ms: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) retrieved_at: Option<Timestamp>,
    pub(crate) delete_after: Option<Timestamp>,
    pub(crate) ttl_deadline: Timestamp,
    pub(crate) error_code: Option<String>,
    pub(crate) error_reason: Option<String>,
    pub(crate) error_message: Option<String>,
    /// As JSON.
    pub(crate) options: String,
    pub(crate) result: Option<JobResult>,
}

impl JobRow {
    /// From a row of `get_job.sql` or `list_jobs.sql`.
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let time = |column: &str| -> Result<Option<Timestamp>, StoreError> {
            Ok(row.get::<Option<i64>>(column)?.map(Timestamp::from_ms))
        };
        Ok(Self {
            id: JobId::from_bytes(row.get("id")?),
            seq: row.get("seq")?,
            status: word(row, "status")?,
            language: row.get("language")?,
            attempts: row.get("attempts")?,
            duration_ms: row.get("duration_ms")?,
            speech_ms: row.get("speech_ms")?,
            done_ms: row.get("done_ms")?,
            created_at: Timestamp::from_ms(row.get("created_at")?),
            started_at: time("started_at")?,
            finished_at: time("finished_at")?,
            retrieved_at: time("retrieved_at")?,
            delete_after: time("delete_after")?,
            ttl_deadline: Timestamp::from_ms(row.get("ttl_deadline")?),
            error_code: row.get("error_code")?,
            error_reason: row.get("error_reason")?,
            error_message: row.get("error_message")?,
            options: row.get("options")?,
            result: optional_json(row, "body")?,
        })
    }
}

/// A job to insert.
pub(crate) struct NewJobRow<'a> {
    pub(crate) id: JobId,
    pub(crate) owner: &'a str,
    pub(crate) priority: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) ttl_deadline: Timestamp,
    pub(crate) language: Option<&'a str>,
}

/// The input of a job to insert.
pub(crate) struct NewInput<'a> {
    /// As JSON.
    pub(crate) options: &'a str,
    /// A JSON array of names.
    pub(crate) requires: &'a str,
    pub(crate) audio: &'a str,
    pub(crate) audio_bytes: u64,
    pub(crate) audio_sha256: [u8; 32],
    pub(crate) fingerprint: [u8; 32],
    pub(crate) shared: bool,
    pub(crate) request_id: &'a str,
}

/// A job that a submission may repeat.
pub(crate) struct EarlierJob {
    pub(crate) seq: i64,
    pub(crate) id: JobId,
    pub(crate) status: Status,
    pub(crate) created_at: Timestamp,
    pub(crate) ttl_deadline: Timestamp,
    pub(crate) fingerprint: Option<[u8; 32]>,
}

impl EarlierJob {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            seq: row.get("seq")?,
            id: JobId::from_bytes(row.get("id")?),
            status: word(row, "status")?,
            created_at: Timestamp::from_ms(row.get("created_at")?),
            ttl_deadline: Timestamp::from_ms(row.get("ttl_deadline")?),
            fingerprint: row.get("fingerprint")?,
        })
    }
}

/// What `prepare` found, for the row of the job.
pub(crate) struct PlanRow<'a> {
    pub(crate) duration_ms: u64,
    pub(crate) speech_ms: u64,
    /// Compute time that is expected; the job is due so long after its submission.
    pub(crate) compute_ms: i64,
    pub(crate) language: Option<&'a str>,
    pub(crate) language_probability: Option<f32>,
    pub(crate) spool: &'a str,
    pub(crate) spool_bytes: u64,
    /// As JSON.
    pub(crate) warnings: &'a str,
    /// Name of the weights.
    pub(crate) model: &'a str,
}

/// What a registered run may claim next.
pub(crate) struct Offer {
    /// Whether one of the run's claims is suspect; `None` where it has no claims.
    pub(crate) has_suspect: Option<bool>,
    pub(crate) next: Option<NextTask>,
}

impl Offer {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let id: Option<i64> = row.get("id")?;
        Ok(Self {
            has_suspect: row.get("has_suspect")?,
            next: id.map(|id| NextTask::read(row, id)).transpose()?,
        })
    }
}

/// A task with what its claim needs.
pub(crate) struct NextTask {
    pub(crate) id: i64,
    pub(crate) job_seq: i64,
    pub(crate) job_id: JobId,
    pub(crate) kind: String,
    pub(crate) is_suspect: bool,
    pub(crate) owner: String,
    pub(crate) served_ms: i64,
    pub(crate) span_ms: i64,
    pub(crate) failures: u32,
    pub(crate) crashes: u32,
    /// Of the span, or else of the job.
    pub(crate) language: Option<String>,
    pub(crate) spool: Option<String>,
    /// Name of the weights of the plan.
    pub(crate) model: Option<String>,
    pub(crate) audio: String,
    /// As JSON.
    pub(crate) options: String,
    pub(crate) request_id: String,
    pub(crate) certainty: Option<String>,
    pub(crate) span_index: Option<u32>,
    /// As JSON, for a span.
    pub(crate) stretches: Option<String>,
    /// As JSON, for kinds that have one.
    pub(crate) input: Option<String>,
}

impl NextTask {
    fn read(row: &Row<'_>, id: i64) -> Result<Self, StoreError> {
        Ok(Self {
            id,
            job_seq: row.get("job")?,
            job_id: JobId::from_bytes(row.get("job_id")?),
            kind: row.get("kind")?,
            is_suspect: row.get("is_suspect")?,
            owner: row.get("owner")?,
            served_ms: row.get("served_ms")?,
            span_ms: row.get("span_ms")?,
            failures: row.get("failures")?,
            crashes: row.get("crashes")?,
            language: row.get("language")?,
            spool: row.get("spool")?,
            model: row.get("model")?,
            audio: row.get("audio")?,
            options: row.get("options")?,
            request_id: row.get("request_id")?,
            certainty: row.get("certainty")?,
            span_index: row.get("span_index")?,
            stretches: row.get("stretches")?,
            input: row.get("input")?,
        })
    }
}

/// A claim that a statement has ended.
pub(crate) struct EndedClaim {
    /// `None` for a claim of the first release.
    pub(crate) claimed_at: Option<Timestamp>,
}

/// A claim that the output of its task has ended.
pub(crate) struct DoneClaim {
    pub(crate) claim: EndedClaim,
    /// Whether no other task of the job is unfinished; for `voices`, no other `voices` task.
    pub(crate) is_last: bool,
}

/// What is stored of a block whose task is done.
pub(crate) struct VoicesRow {
    /// As JSON.
    pub(crate) outcome: String,
    pub(crate) voices: Option<Vec<u8>>,
}

impl VoicesRow {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            outcome: row.get("output")?,
            voices: row.get("body")?,
        })
    }
}

impl EndedClaim {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let claimed_at: Option<i64> = row.get("claimed_at")?;
        Ok(Self {
            claimed_at: claimed_at.map(Timestamp::from_ms),
        })
    }
}

impl DoneClaim {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            claim: EndedClaim::read(row)?,
            is_last: row.get("is_last")?,
        })
    }
}

/// A claimed task of a run that ends.
pub(crate) struct TaskOfRun {
    pub(crate) id: i64,
    pub(crate) job_seq: i64,
    pub(crate) job_id: JobId,
    pub(crate) crashes: u32,
    pub(crate) claim_id: [u8; 16],
    pub(crate) kind: String,
}

/// A task as it goes back from a run that died.
pub(crate) struct TaskInHand {
    pub(crate) id: i64,
    pub(crate) crashes: u32,
    pub(crate) is_suspect: bool,
}

/// A run to register.
pub(crate) struct NewRun<'a> {
    pub(crate) run_id: &'a str,
    pub(crate) boot_id: &'a str,
    pub(crate) lease_until: i64,
    pub(crate) slots: u32,
    pub(crate) model: &'a str,
    pub(crate) version: &'a str,
    pub(crate) role: &'a str,
    pub(crate) now: Timestamp,
}

/// A run that is registered.
pub(crate) struct Registered {
    pub(crate) run_id: String,
    pub(crate) boot_id: String,
    pub(crate) lease_until: i64,
}

/// An upload in progress that counts against a quota.
pub(crate) struct ReservedUpload {
    pub(crate) id: JobId,
    /// The process that receives it.
    pub(crate) process: String,
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
    optional_json(row, column)?.ok_or_else(|| DatabaseError::unexpected_type(column).into())
}

/// A column that holds JSON or NULL.
pub(super) fn optional_json<T: DeserializeOwned>(
    row: &Row<'_>,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    let text = match row.cell(column.into())? {
        Cell::Null => return Ok(None),
        Cell::Text(text) => text,
        _ => return Err(DatabaseError::unexpected_type(column).into()),
    };
    let parsed = serde_json::from_str(text).map_err(|source| StoreError::Content {
        what: column,
        source,
    })?;
    Ok(Some(parsed))
}

/// A value as JSON, for a column.
pub(crate) fn to_json(what: &'static str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Content { what, source })
}
