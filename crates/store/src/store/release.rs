//! Releasing: a worker that is asked to stop, or that has no room to work in, gives its task back unharmed.

use rusqlite::named_params;

use super::Store;
use super::counters::{Counter, count};
use super::types::Claim;
use crate::{Now, StoreError};

/// Pause before a postponed task is tried again.
const POSTPONED_MS: i64 = 5_000;

/// What of the machine keeps a task from being done.
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
    /// Gives a task back that can be done when the machine is better: it waits a while. Costs none of
    /// its budgets, and is counted. Returns whether the claim was still valid.
    pub fn postpone_task(
        &self,
        now: Now,
        claim: &Claim,
        reason: Postponement,
    ) -> Result<bool, StoreError> {
        self.write(|tx, effects| {
            count(tx, Counter::Postponed(reason.as_str()), 1.0)?;
            let postponed = tx
                .prepare_cached(include_str!("../sql/postpone_unharmed.sql"))?
                .execute(named_params! {
                    ":task": claim.task_id,
                    ":claim_id": claim.id.as_bytes(),
                    ":run_at": now.wall.plus_ms(POSTPONED_MS).ms(),
                })?;
            effects.work = claim.is_alone;
            Ok(postponed > 0)
        })
    }

    /// Makes a claimed task ready again. Costs none of its budgets. Returns whether the claim still stood.
    pub fn release_task(&self, claim: &Claim) -> Result<bool, StoreError> {
        self.write(|tx, effects| {
            let released = tx
                .prepare_cached(include_str!("../sql/release_task.sql"))?
                .execute(
                    named_params! {":task": claim.task_id, ":claim_id": claim.id.as_bytes()},
                )?;
            effects.work = released > 0 || claim.is_alone;
            Ok(released > 0)
        })
    }
}
