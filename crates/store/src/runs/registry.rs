//! Worker runs: who may claim, and until when without a heartbeat.

use crate::tx::NewRun;
use crate::{Now, Store, StoreError, WorkerRun};

/// What a registered process does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunRole {
    /// It transcribes.
    #[default]
    Worker,
    /// It sends webhooks.
    Courier,
}

impl RunRole {
    /// The word in the database.
    fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Courier => "courier",
        }
    }
}

/// What a worker registers.
#[derive(Clone, Debug, Default)]
pub struct RunSettings {
    /// What it does.
    pub role: RunRole,
    /// Tasks it works on at a time.
    pub slots: u32,
    /// Name of its weights for jobs that name none.
    pub model: String,
    /// Which program it is.
    pub version: String,
}

/// A worker that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredWorker {
    /// Tasks it works on at a time.
    pub slots: u32,
    /// Name of its weights for jobs that name none.
    pub model: String,
    /// Which program it is.
    pub version: String,
}

/// Announced beside the weights by workers that can label speakers.
pub const DIARIZATION: &str = "speakers";

impl Store {
    /// Registers a worker's run, so that it may claim.
    pub fn register_run(
        &self,
        now: Now,
        run: &WorkerRun,
        settings: &RunSettings,
    ) -> Result<(), StoreError> {
        let new = NewRun {
            run_id: run.id(),
            boot_id: self.liveness.boot_or_lock(),
            lease_until: self.lease_end(now),
            slots: settings.slots,
            model: &settings.model,
            version: &settings.version,
            role: settings.role.as_str(),
            now: now.wall,
        };
        self.write(|tx, _| tx.register_run(&new))
    }

    /// The workers that are registered, the first started first.
    pub fn registered_workers(&self) -> Result<Vec<RegisteredWorker>, StoreError> {
        self.read_statements(|tx| tx.registered_workers())
    }

    /// How many couriers are registered.
    pub fn count_couriers(&self) -> Result<u64, StoreError> {
        self.read_statements(|tx| tx.count_runs(RunRole::Courier.as_str()))
    }

    /// Announces which weights jobs may ask for. It replaces what another worker announced: the workers of one data folder
    /// share their weights.
    pub fn announce_models(&self, names: &[String]) -> Result<(), StoreError> {
        self.write(|tx, _| {
            tx.delete_models()?;
            for name in names {
                tx.insert_model(name)?;
            }
            Ok(())
        })
    }

    /// Names of the weights jobs may ask for, in alphabetical order. Empty before the first worker has started.
    pub fn announced_models(&self) -> Result<Vec<String>, StoreError> {
        self.read_statements(|tx| tx.list_models())
    }

    /// Extends the lease of every claim of a run. An error [`StoreError::RunLost`] means that they were given to others.
    pub fn heartbeat(&self, now: Now, run: &WorkerRun) -> Result<(), StoreError> {
        let lease_end = self.lease_end(now);
        let is_registered = match self.liveness.extend_lease(run.id(), lease_end) {
            Some(is_registered) => is_registered,
            None => {
                self.write_soon_durable(|tx, _| Ok(tx.extend_lease(run.id(), lease_end)? > 0))?
            }
        };
        if is_registered {
            Ok(())
        } else {
            Err(StoreError::RunLost)
        }
    }

    /// Ends a run that has released its claims.
    pub fn end_run(&self, run: &WorkerRun) -> Result<(), StoreError> {
        self.write(|tx, effects| {
            // There should be none left; those that are cost no budget.
            let released = tx.release_tasks_of_run(run.id())?;
            effects.work = released > 0;
            tx.delete_run(run.id())
        })
    }

    fn lease_end(&self, now: Now) -> i64 {
        let reserve = self.liveness.lease_reserve(&self.settings);
        now.boot_ms + self.settings.lease.saturating_sub(reserve).as_millis() as i64
    }
}
