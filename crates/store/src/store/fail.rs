//! Failing a task: another try after a while, or the end of its job.

use rusqlite::{OptionalExtension, Transaction, named_params};

use super::claim::claim_next;
use super::complete::{Ending, fail};
use super::fence::{remove_claimed_task, wake_waiting_slots};
use super::types::{Claim, Failure, Finished, Settled, TaskKind};
use super::{BUDGET, Effects, Store};
use crate::{Now, StoreError};

/// Pause before the second try; doubles with each further one.
const FIRST_BACKOFF_MS: i64 = 10_000;

impl Store {
    /// Gives a task back as failed and claims the next one of one of the kinds in `claim_more` in the same commit. A failure
    /// that is not retryable, or the last of the task's tries, fails the job.
    pub fn fail_task(
        &self,
        now: Now,
        claim: &Claim,
        failure: &Failure,
        claim_more: &[TaskKind],
    ) -> Result<Finished, StoreError> {
        self.write(|tx, effects| {
            let settled = give_back(tx, effects, now, claim, failure)?;
            let next = claim_next(tx, effects, now, &claim.run_id, claim_more)?;
            Ok(Finished { settled, next })
        })
    }
}

fn give_back(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    failure: &Failure,
) -> Result<Settled, StoreError> {
    let failures: Option<u32> = tx
        .prepare_cached("SELECT failures FROM tasks WHERE id = :task")?
        .query_row(named_params! {":task": claim.task_id}, |row| row.get(0))
        .optional()?;
    let Some(failures) = failures else {
        wake_waiting_slots(effects, claim);
        return Ok(Settled::ClaimLost);
    };

    if failure.retryable && failures + 1 < BUDGET {
        let run_at = now.wall.plus_ms(FIRST_BACKOFF_MS << failures);
        wake_waiting_slots(effects, claim);
        let postponed = tx
            .prepare_cached(include_str!("../sql/postpone_task.sql"))?
            .execute(named_params! {
                ":task": claim.task_id,
                ":claim_id": claim.id.as_bytes(),
                ":run_at": run_at.ms(),
                ":failures": 1,
            })?;
        return Ok(Settled::of_rows(postponed));
    }

    // The row goes first: its removal is the fence, and the job's other tasks follow.
    if remove_claimed_task(tx, effects, now, claim)? == Settled::ClaimLost {
        return Ok(Settled::ClaimLost);
    }
    let ending = Ending {
        job_seq: claim.job_seq,
        job_id: claim.job_id,
        now,
    };
    fail(tx, effects, &ending, failure)?;
    Ok(Settled::Stored)
}
