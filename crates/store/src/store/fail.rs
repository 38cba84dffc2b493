//! Failing a task: another try after a while, or the end of its job.

use rusqlite::{Transaction, named_params};

use super::claim::{claim_next, stands};
use super::complete::{Ending, fail};
use super::types::{Claim, Failure, Finished};
use super::{BUDGET, Effects, Store};
use crate::{Now, StoreError, WorkerRun};

/// Pause before the second try; doubles with each further one.
const FIRST_BACKOFF_MS: i64 = 10_000;

impl Store {
    /// Gives a task back as failed and, with `claim_more`, claims the next one in the same commit. A failure that is not
    /// retryable, or one too many, fails the job.
    pub fn fail_task(
        &self,
        now: Now,
        run: &WorkerRun,
        claim: &Claim,
        failure: &Failure,
        claim_more: bool,
    ) -> Result<Finished, StoreError> {
        self.write(|tx, effects| {
            let accepted = stands(tx, effects, claim)?;
            if accepted {
                give_back(tx, effects, now, claim, failure)?;
            }
            let next = if claim_more {
                claim_next(tx, effects, now, run.id())?
            } else {
                None
            };
            Ok(Finished { accepted, next })
        })
    }
}

fn give_back(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    failure: &Failure,
) -> Result<(), StoreError> {
    let failures: u32 = tx
        .prepare_cached("SELECT failures FROM tasks WHERE id = :task")?
        .query_row(named_params! {":task": claim.task_id}, |row| row.get(0))?;
    if !failure.retryable || failures + 1 >= BUDGET {
        return fail(
            tx,
            effects,
            &Ending {
                job_seq: claim.job_seq,
                job_id: claim.job_id,
                now,
            },
            failure,
        );
    }
    let backoff_ms = FIRST_BACKOFF_MS << failures;
    tx.prepare_cached(include_str!("../sql/postpone_task.sql"))?
        .execute(
            named_params! {":task": claim.task_id, ":run_at": now.wall.plus_ms(backoff_ms).ms()},
        )?;
    Ok(())
}
