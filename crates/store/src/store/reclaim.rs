//! Reclaiming: the tasks of a dead worker go back to the queue.

use rusqlite::{Transaction, named_params};
use steno_models::{FailureCode, JobId};

use super::complete::{Ending, fail};
use super::counters::{Counter, count};
use super::types::{ClaimId, Failure};
use super::{BUDGET, Effects, Store};
use crate::{Now, StoreError, WorkerRun, run};

/// What a reclaim found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Runs that were dead.
    pub runs: u32,
    /// Tasks that went back to the queue.
    pub tasks: u32,
    /// Jobs that failed because workers died on them too often.
    pub failed_jobs: u32,
}

struct TaskInHand {
    id: i64,
    job_seq: i64,
    job_id: JobId,
    crashes: u32,
    claim: ClaimId,
}

struct Registered {
    run_id: String,
    boot_id: String,
    lease_until: i64,
}

impl Store {
    /// Finds runs that are dead — their lock can be taken, their boot is over, or their lease has run out — and returns
    /// their tasks. `own_run` is the caller's, which is alive by definition.
    pub fn reclaim_tasks(&self, now: Now, own_run: Option<&str>) -> Result<Reclaimed, StoreError> {
        let mut reclaimed = Reclaimed::default();
        for registered in self.registered_runs()? {
            if own_run == Some(&registered.run_id) || !self.is_dead(now, &registered)? {
                continue;
            }
            self.write(|tx, effects| reclaim_run(tx, effects, now, &registered, &mut reclaimed))?;
        }
        Ok(reclaimed)
    }

    /// Ends a run that has to die, by its own hand: only the claims at fault are charged, the others go back unharmed.
    pub fn abandon_run(&self, now: Now, run: &WorkerRun, at_fault: &[ClaimId]) -> Result<Reclaimed, StoreError> {
        let mut reclaimed = Reclaimed::default();
        self.write(|tx, effects| give_tasks_back(tx, effects, now, run.id(), &Fault::Of(at_fault), &mut reclaimed))?;
        Ok(reclaimed)
    }

    fn registered_runs(&self) -> Result<Vec<Registered>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT run_id, boot_id, lease_until FROM workers")?;
            let runs = statement.query_map([], |row| {
                Ok(Registered { run_id: row.get(0)?, boot_id: row.get(1)?, lease_until: row.get(2)? })
            })?;
            Ok(runs.collect::<Result<_, _>>()?)
        })
    }

    fn is_dead(&self, now: Now, registered: &Registered) -> Result<bool, StoreError> {
        Ok(registered.boot_id != self.boot_id
            || registered.lease_until < now.boot_ms
            || run::is_dead(&self.data, &registered.run_id)?)
    }
}

/// Whose fault a worker's end was.
enum Fault<'a> {
    /// Nobody knows: of each task it had in hand.
    Unknown,
    /// Of these claims, as the worker itself has seen.
    Of(&'a [ClaimId]),
}

fn reclaim_run(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    dead: &Registered,
    reclaimed: &mut Reclaimed,
) -> Result<(), StoreError> {
    // The lease may have been extended, or another process may have been faster, since the look from outside.
    let same = tx
        .prepare_cached("SELECT 1 FROM workers WHERE run_id = :run_id AND lease_until = :lease_until")?
        .exists(named_params! {":run_id": dead.run_id, ":lease_until": dead.lease_until})?;
    if !same {
        return Ok(());
    }
    give_tasks_back(tx, effects, now, &dead.run_id, &Fault::Unknown, reclaimed)
}

fn give_tasks_back(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    run_id: &str,
    fault: &Fault<'_>,
    reclaimed: &mut Reclaimed,
) -> Result<(), StoreError> {
    let mut statement = tx.prepare_cached(include_str!("../sql/tasks_of_run.sql"))?;
    let tasks: Vec<TaskInHand> = statement
        .query_map(named_params! {":run_id": run_id}, |row| {
            Ok(TaskInHand {
                id: row.get(0)?,
                job_seq: row.get(1)?,
                job_id: JobId::from_bytes(row.get(2)?),
                crashes: row.get(3)?,
                claim: ClaimId::from_bytes(row.get(4)?),
            })
        })?
        .collect::<Result<_, _>>()?;
    for task in tasks {
        let is_charged = match fault {
            Fault::Unknown => true,
            Fault::Of(claims) => claims.contains(&task.claim),
        };
        if is_charged {
            count(tx, Counter::Crashes, 1.0)?;
        }
        if is_charged && task.crashes + 1 >= BUDGET {
            let failure = Failure {
                code: FailureCode::WorkerCrashed,
                message: format!("workers died {BUDGET} times while working on this recording"),
                retryable: false,
            };
            fail(tx, effects, &Ending { job_seq: task.job_seq, job_id: task.job_id, now }, &failure)?;
            reclaimed.failed_jobs += 1;
        } else {
            // Nothing happens if an earlier task of this loop has failed their job.
            reclaimed.tasks += tx
                .prepare_cached(include_str!("../sql/reclaim_task.sql"))?
                .execute(named_params! {":task": task.id, ":crashes": u32::from(is_charged)})?
                as u32;
        }
    }
    tx.prepare_cached("DELETE FROM workers WHERE run_id = :run_id")?.execute(named_params! {":run_id": run_id})?;
    reclaimed.runs += 1;
    effects.work = true;
    Ok(())
}
