//! Ending a job: the steps that every way to `completed` and `failed` shares.

use steno_models::{FailureCode, JobId, JobResult};

use crate::effects::Effects;
use crate::tasks::types::Failure;
use crate::tx::{Tx, to_json};
use crate::upkeep::counters::{Counter, count};
use crate::{Now, StoreError};

/// A job that is about to end.
pub(crate) struct Ending {
    pub(crate) job_seq: i64,
    pub(crate) job_id: JobId,
    pub(crate) now: Now,
}

/// Stores the result and completes the job, whose tasks are all done.
pub(crate) fn complete(
    tx: &Tx<'_>,
    effects: &mut Effects,
    ending: &Ending,
    result: &JobResult,
) -> Result<(), StoreError> {
    count(tx, Counter::Ended("completed"), 1.0)?;
    for warning in &result.warnings {
        count(tx, Counter::Warnings(warning.code.as_str()), 1.0)?;
    }

    tx.list_job_files(ending.job_seq)?;
    tx.insert_result(ending.job_seq, &to_json("result", result)?)?;
    let language = result.language.as_deref();
    tx.complete_job(ending.job_seq, ending.now.wall, language)?;
    clear(tx, effects, ending)
}

/// Fails the job for good.
pub(crate) fn fail(
    tx: &Tx<'_>,
    effects: &mut Effects,
    ending: &Ending,
    failure: &Failure,
) -> Result<(), StoreError> {
    let code = failure.code.as_str();
    count(tx, Counter::Ended(code), 1.0)?;
    if let (FailureCode::FetchFailed, Some(reason)) = (failure.code, failure.reason) {
        count(tx, Counter::Fetches(reason), 1.0)?;
    }

    tx.list_job_files(ending.job_seq)?;
    tx.fail_job(ending.job_seq, ending.now.wall, failure)?;
    effects.cancelled.extend(tx.claims_of_job(ending.job_seq)?);
    clear(tx, effects, ending)
}

/// An ended job has no tasks. Its files were listed before the row forgot their names; they go now.
fn clear(tx: &Tx<'_>, effects: &mut Effects, ending: &Ending) -> Result<(), StoreError> {
    tx.delete_tasks(ending.job_seq)?;
    effects.changed.insert(ending.job_id);
    effects.files_to_delete = true;
    Ok(())
}
