//! Reclaiming: the tasks of a dead worker go back to the queue.

use std::collections::HashMap;
use std::ops::AddAssign;
use std::sync::PoisonError;

use steno_models::FailureCode;

use crate::effects::Effects;
use crate::jobs::end::{Ending, fail};
use crate::store::BUDGET;
use crate::tasks::types::{ClaimId, Failure, TaskKind};
use crate::tx::{Registered, TaskInHand, Tx};
use crate::upkeep::counters::{Counter, count};
use crate::{Now, Store, StoreError, WorkerRun};

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

impl AddAssign for Reclaimed {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.tasks += other.tasks;
        self.failed_jobs += other.failed_jobs;
    }
}

/// A lease that expired and has not been extended since.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ExpiredLease {
    run_id: String,
    lease_until: i64,
    /// Changes with an interruption in which heartbeats were not possible, so that the wait starts
    /// again.
    generation: u64,
}

impl Store {
    /// Finds runs that are dead — their process is known to be gone, or their lease has run out for a while — and
    /// returns their tasks. `own_run` is the caller's, which is alive by definition.
    pub fn reclaim_tasks(&self, now: Now, own_run: Option<&str>) -> Result<Reclaimed, StoreError> {
        let mut reclaimed = Reclaimed::default();
        let Some(suspicion) = self.liveness.suspect(now, &self.settings) else {
            return Ok(reclaimed);
        };

        let mut registered = self.read_statements(|tx| tx.registered_runs())?;
        registered.retain(|run| own_run != Some(&run.run_id));
        let gone = self.liveness.gone_runs(suspicion, &registered);

        let mut expired = HashMap::new();
        for run in &registered {
            if gone.contains(&run.run_id) || self.is_long_overdue(now, run, &mut expired)? {
                reclaimed += self.write(|tx, effects| reclaim_run(tx, effects, now, run))?;
            }
        }
        *self
            .expired_leases
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = expired;
        Ok(reclaimed)
    }

    /// Ends a run that has to end itself: only the claims at fault are charged, the others go back without charge.
    pub fn abandon_run(
        &self,
        now: Now,
        run: &WorkerRun,
        at_fault: &[ClaimId],
    ) -> Result<Reclaimed, StoreError> {
        self.write(|tx, effects| give_tasks_back(tx, effects, now, run.id(), &Fault::Of(at_fault)))
    }

    /// Whether the lease of a run expired, and the run has not extended it although the database
    /// was writable. A locked database or a suspended machine may have delayed the heartbeat of a
    /// live process: its run gets some more time (`Liveness::patience`), counted from when the
    /// database could be written to.
    fn is_long_overdue(
        &self,
        now: Now,
        registered: &Registered,
        expired: &mut HashMap<ExpiredLease, i64>,
    ) -> Result<bool, StoreError> {
        if registered.lease_until >= now.boot_ms {
            return Ok(false);
        }
        let lease = ExpiredLease {
            run_id: registered.run_id.clone(),
            lease_until: registered.lease_until,
            generation: self.liveness.generation(),
        };
        let known = self
            .expired_leases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&lease)
            .copied();
        let since = if let Some(since) = known {
            since
        } else {
            self.check_writable()?;
            now.boot_ms
        };
        expired.insert(lease, since);
        let patience = self.liveness.patience(&self.settings);
        Ok(now.boot_ms - since >= patience.as_millis() as i64)
    }
}

/// Whose fault a worker's end was.
enum Fault<'a> {
    /// Unknown: it is charged to each task that it had claimed.
    Unknown,
    /// Of these claims, as the worker itself has seen.
    Of(&'a [ClaimId]),
}

fn reclaim_run(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    dead: &Registered,
) -> Result<Reclaimed, StoreError> {
    // The lease may have been extended, or another process may have been faster, since the check from outside.
    if !tx.is_same_lease(dead)? {
        return Ok(Reclaimed::default());
    }
    give_tasks_back(tx, effects, now, &dead.run_id, &Fault::Unknown)
}

fn give_tasks_back(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    run_id: &str,
    fault: &Fault<'_>,
) -> Result<Reclaimed, StoreError> {
    let mut reclaimed = Reclaimed {
        runs: 1,
        ..Reclaimed::default()
    };
    for task in tx.tasks_of_run(run_id)? {
        let is_charged = match fault {
            Fault::Unknown => true,
            Fault::Of(claims) => claims.contains(&ClaimId::from_bytes(task.claim_id)),
        };
        // A download runs no decoder: alone in its courier it would only delay the others.
        let is_fetch = task.kind == TaskKind::Fetch.as_str();
        if is_charged {
            count(tx, Counter::Crashes, 1.0)?;
        }
        // A job must not lose its text because of its labels: the task goes back once more, and its worker only ends it
        // (`Claim::has_spent_its_tries`).
        let is_optional = [TaskKind::Voices, TaskKind::Diarize]
            .map(TaskKind::as_str)
            .contains(&task.kind.as_str());
        if is_charged && task.crashes + 1 >= BUDGET && !is_optional {
            let failure = Failure {
                code: FailureCode::WorkerCrashed,
                message: format!("workers died {BUDGET} times while working on this recording"),
                retryable: false,
                reason: None,
            };
            fail(
                tx,
                effects,
                &Ending {
                    job_seq: task.job_seq,
                    job_id: task.job_id,
                    now,
                },
                &failure,
            )?;
            reclaimed.failed_jobs += 1;
        } else {
            // No row changes if an earlier task of this loop has failed their job.
            let back = TaskInHand {
                id: task.id,
                crashes: u32::from(is_charged),
                is_suspect: matches!(fault, Fault::Unknown) && !is_fetch,
            };
            reclaimed.tasks += tx.reclaim_task(&back)? as u32;
        }
    }

    tx.delete_run(run_id)?;
    effects.work = true;

    Ok(reclaimed)
}
