//! Releasing: a worker gives its task back without charge, because it is asked to stop or its machine has a problem.

use crate::tasks::fence::wake_waiting_slots;
use crate::tasks::types::{Claim, ClaimId, Settled};
use crate::upkeep::counters::{Counter, count};
use crate::{Now, Store, StoreError, WorkerRun};

/// Pause before a postponed task is tried again.
const POSTPONED_MS: i64 = 5_000;

/// A problem of the machine that keeps a task from being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Postponement {
    /// The disk is full.
    DiskFull,
    /// A file of the job cannot be opened, read or written.
    Files,
    /// The store cannot be used.
    Store,
    /// No process to decode in can be started.
    Decoder,
    /// The engine has no memory, or cannot load weights.
    Engine,
}

impl Postponement {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::DiskFull,
        Self::Files,
        Self::Store,
        Self::Decoder,
        Self::Engine,
    ];

    /// The word for it in metrics and log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::Files => "files",
            Self::Store => "store",
            Self::Decoder => "decoder",
            Self::Engine => "engine",
        }
    }
}

impl Store {
    /// Gives a task back that can be done when the machine is better: it waits a while. Costs none of its budgets, and is
    /// counted.
    pub fn postpone_task(
        &self,
        now: Now,
        claim: &Claim,
        reason: Postponement,
    ) -> Result<Settled, StoreError> {
        self.write(|tx, effects| {
            wake_waiting_slots(effects, claim);
            let run_at = now.wall.plus_ms(POSTPONED_MS);
            let postponed = tx.postpone_task(claim, run_at, 0)?;
            if postponed > 0 {
                count(tx, Counter::Postponed(reason.as_str()), 1.0)?;
            }
            Ok(Settled::of_rows(postponed))
        })
    }

    /// Makes a claimed task ready again. Costs none of its budgets.
    pub fn release_task(&self, claim: &Claim) -> Result<Settled, StoreError> {
        self.write(|tx, effects| {
            wake_waiting_slots(effects, claim);
            let released = tx.release_task(claim.task_id, claim.id)?;
            effects.work |= released > 0;
            Ok(Settled::of_rows(released))
        })
    }

    /// Makes the tasks of these claims of a run ready again, as [`Store::release_task`] does. For claims that no slot works on.
    /// Returns how many there were.
    pub fn release_claims(&self, run: &WorkerRun, claims: &[ClaimId]) -> Result<usize, StoreError> {
        self.write(|tx, effects| {
            let mut released = 0;
            for task in tx.tasks_of_run(run.id())? {
                let claim = ClaimId::from_bytes(task.claim_id);
                if claims.contains(&claim) {
                    released += tx.release_task(task.id, claim)?;
                }
            }
            effects.work |= released > 0;
            Ok(released)
        })
    }
}
