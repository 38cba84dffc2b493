//! Ending a job: the steps that every way to `completed` and `failed` shares.

use rusqlite::{Transaction, named_params};
use steno_models::{JobId, JobResult};

use super::Effects;
use super::counters::{Counter, count};
use super::fence::require_row;
use super::types::Failure;
use crate::{Now, StoreError};

/// A job that is about to end.
pub(super) struct Ending {
    pub(super) job_seq: i64,
    pub(super) job_id: JobId,
    pub(super) now: Now,
}

/// Stores the result and completes the job.
pub(super) fn complete(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    ending: &Ending,
    result: &JobResult,
) -> Result<(), StoreError> {
    count(tx, Counter::Ended("completed"), 1.0)?;
    for warning in &result.warnings {
        count(tx, Counter::Warnings(warning.code.as_str()), 1.0)?;
    }

    let body = serde_json::to_string(result).map_err(|source| StoreError::Content {
        what: "result",
        source,
    })?;
    list_files(tx, ending.job_seq)?;
    tx.prepare_cached("INSERT INTO results (job, body) VALUES (:job, :body)")?
        .execute(named_params! {":job": ending.job_seq, ":body": body})?;
    let completed = tx
        .prepare_cached(include_str!("../sql/complete_job.sql"))?
        .execute(named_params! {
            ":job": ending.job_seq,
            ":now": ending.now.wall.ms(),
            ":language": result.language,
        })?;
    require_row(completed, "complete a job")?;
    clear(tx, effects, ending)
}

/// Fails the job for good.
pub(super) fn fail(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    ending: &Ending,
    failure: &Failure,
) -> Result<(), StoreError> {
    count(tx, Counter::Ended(failure.code.as_str()), 1.0)?;
    list_files(tx, ending.job_seq)?;
    let failed = tx
        .prepare_cached(include_str!("../sql/fail_job.sql"))?
        .execute(named_params! {
            ":job": ending.job_seq,
            ":now": ending.now.wall.ms(),
            ":code": failure.code.as_str(),
            ":message": failure.message,
        })?;
    require_row(failed, "fail a job")?;
    clear(tx, effects, ending)
}

/// An ended job has no tasks. Its files, listed before the row forgot their names, go now.
fn clear(tx: &Transaction<'_>, effects: &mut Effects, ending: &Ending) -> Result<(), StoreError> {
    effects.cancelled.extend(other_claims(tx, ending.job_seq)?);
    tx.prepare_cached("DELETE FROM tasks WHERE job = :job")?
        .execute(named_params! {":job": ending.job_seq})?;
    effects.changed.insert(ending.job_id);
    effects.files_to_delete = true;
    Ok(())
}

/// Puts a job's files on the list of what must go.
pub(super) fn list_files(tx: &Transaction<'_>, job_seq: i64) -> Result<(), StoreError> {
    tx.prepare_cached(include_str!("../sql/list_job_files.sql"))?
        .execute(named_params! {":job": job_seq})?;
    Ok(())
}

/// The claims on a job's tasks, whose workers must stop.
pub(super) fn other_claims(
    tx: &Transaction<'_>,
    job_seq: i64,
) -> Result<Vec<super::ClaimId>, StoreError> {
    let mut statement =
        tx.prepare_cached("SELECT claim_id FROM tasks WHERE job = :job AND status = 'claimed'")?;
    let claims = statement.query_map(named_params! {":job": job_seq}, |row| row.get(0))?;
    Ok(claims
        .map(|claim| claim.map(super::ClaimId::from_bytes))
        .collect::<Result<_, _>>()?)
}
