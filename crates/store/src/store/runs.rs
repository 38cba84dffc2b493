//! Worker runs: who may claim, and until when without a heartbeat.

use rusqlite::named_params;

use super::Store;
use crate::{Now, StoreError, WorkerRun};

/// What a worker says of itself.
#[derive(Clone, Debug)]
pub struct RunSettings {
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

impl Store {
    /// Registers a worker's run, so that it may claim.
    pub fn register_run(
        &self,
        now: Now,
        run: &WorkerRun,
        settings: &RunSettings,
    ) -> Result<(), StoreError> {
        self.write(|tx, _| {
            tx.prepare_cached(include_str!("../sql/register_run.sql"))?
                .execute(named_params! {
                    ":run_id": run.id(),
                    ":boot_id": self.boot_id,
                    ":lease_until": self.lease_end(now),
                    ":pid": std::process::id(),
                    ":slots": settings.slots,
                    ":model": settings.model,
                    ":version": settings.version,
                    ":now": now.wall.ms(),
                })?;
            Ok(())
        })
    }

    /// The workers that are registered, the first started first.
    pub fn registered_workers(&self) -> Result<Vec<RegisteredWorker>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT slots, model, version FROM workers ORDER BY started_at, run_id",
            )?;
            let workers = statement.query_map([], |row| {
                Ok(RegisteredWorker {
                    slots: row.get(0)?,
                    model: row.get(1)?,
                    version: row.get(2)?,
                })
            })?;
            Ok(workers.collect::<Result<_, _>>()?)
        })
    }

    /// Says which weights jobs may ask for. What any worker said before is forgotten: those of one data folder share their
    /// weights.
    pub fn announce_models(&self, names: &[String]) -> Result<(), StoreError> {
        self.write(|tx, _| {
            tx.prepare_cached("DELETE FROM models")?.execute([])?;
            let mut insert =
                tx.prepare_cached("INSERT OR IGNORE INTO models (name) VALUES (:name)")?;
            for name in names {
                insert.execute(named_params! {":name": name})?;
            }
            Ok(())
        })
    }

    /// Names of the weights jobs may ask for, in alphabetical order. Empty before the first worker has started.
    pub fn announced_models(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT name FROM models ORDER BY name")?;
            let names = statement.query_map([], |row| row.get(0))?;
            Ok(names.collect::<Result<_, _>>()?)
        })
    }

    /// Extends the lease of every claim of a run. An error [`StoreError::RunLost`] means that they were given to others.
    pub fn heartbeat(&self, now: Now, run: &WorkerRun) -> Result<(), StoreError> {
        self.write(|tx, _| {
            let alive = tx
                .prepare_cached(
                    "UPDATE workers SET lease_until = :lease_until WHERE run_id = :run_id",
                )?
                .execute(
                    named_params! {":run_id": run.id(), ":lease_until": self.lease_end(now)},
                )?;
            if alive == 1 {
                Ok(())
            } else {
                Err(StoreError::RunLost)
            }
        })
    }

    /// Ends a run that has released its claims.
    pub fn end_run(&self, run: &WorkerRun) -> Result<(), StoreError> {
        self.write(|tx, effects| {
            // Nothing should be left; what is costs no budget.
            let released = tx
                .prepare_cached(
                    "UPDATE tasks SET status = 'ready', claim_id = NULL, run_id = NULL
                     WHERE run_id = :run_id AND status = 'claimed'",
                )?
                .execute(named_params! {":run_id": run.id()})?;
            effects.work = released > 0;
            tx.prepare_cached("DELETE FROM workers WHERE run_id = :run_id")?
                .execute(named_params! {":run_id": run.id()})?;
            Ok(())
        })
    }

    /// Whether this boot can be told from others.
    pub(super) fn knows_boot(&self) -> bool {
        self.boot_id != UNKNOWN_BOOT
    }

    fn lease_end(&self, now: Now) -> i64 {
        now.boot_ms + self.settings.lease.as_millis() as i64
    }
}

/// Stands for a boot whose name cannot be read.
const UNKNOWN_BOOT: &str = "unknown";

/// The kernel's name for this boot. Where it cannot be read (`ProcSubset=pid`), leases alone tell the dead.
pub(super) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| UNKNOWN_BOOT.to_owned(), |id| id.trim().to_owned())
}
