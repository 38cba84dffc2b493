//! Reclaiming: the tasks of a dead worker go back to the queue.

use rusqlite::{Transaction, named_params};
use steno_models::{FailureCode, JobId};

use super::complete::{Ending, fail};
use super::counters::{Counter, count};
use super::types::Failure;
use super::{BUDGET, Effects, Store};
use crate::{Now, StoreError, run};

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
    let mut statement = tx.prepare_cached(include_str!("../sql/tasks_of_run.sql"))?;
    let tasks: Vec<(i64, i64, [u8; 16], u32)> = statement
        .query_map(named_params! {":run_id": dead.run_id}, |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<_, _>>()?;
    for (task_id, job_seq, job_id, crashes) in tasks {
        count(tx, Counter::Crashes, 1.0)?;
        if crashes + 1 >= BUDGET {
            let failure = Failure {
                code: FailureCode::WorkerCrashed,
                message: format!("workers died {BUDGET} times while working on this recording"),
                retryable: false,
            };
            fail(tx, effects, &Ending { job_seq, job_id: JobId::from_bytes(job_id), now }, &failure)?;
            reclaimed.failed_jobs += 1;
        } else {
            // Nothing happens if an earlier task of this loop has failed their job.
            reclaimed.tasks += tx
                .prepare_cached(include_str!("../sql/reclaim_task.sql"))?
                .execute(named_params! {":task": task_id})? as u32;
        }
    }
    tx.prepare_cached("DELETE FROM workers WHERE run_id = :run_id")?.execute(named_params! {":run_id": dead.run_id})?;
    reclaimed.runs += 1;
    effects.work = true;
    Ok(())
}
