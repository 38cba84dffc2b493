//! Failing a task: another try after a while, or the end of its job.

use crate::effects::Effects;
use crate::jobs::end::{Ending, fail};
use crate::store::BUDGET;
use crate::tasks::claim::claim_next;
use crate::tasks::fence::{remove_claimed_task, wake_waiting_slots};
use crate::tasks::types::{Claim, Failure, Finished, Settled, TaskKind};
use crate::tx::Tx;
use crate::{Now, Store, StoreError};

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
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    failure: &Failure,
) -> Result<Settled, StoreError> {
    let Some(failures) = tx.task_failures(claim.task_id)? else {
        wake_waiting_slots(effects, claim);
        return Ok(Settled::ClaimLost);
    };

    if failure.retryable && failures + 1 < BUDGET {
        let run_at = now.wall.plus_ms(FIRST_BACKOFF_MS << failures);
        wake_waiting_slots(effects, claim);
        return Ok(Settled::of_rows(tx.postpone_task(claim, run_at, 1)?));
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
