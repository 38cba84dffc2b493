//! [`Store`]: the queue of one data folder. Its operations are in the rooms.
//!
//! Writes go through one connection, in transactions whose COMMIT is checked; no transaction is open while work runs.
//! Messages to other processes are sent after the commit, never before.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::database::Database;
use crate::effects::Effects;
use crate::files::{ballast, data_dir};
use crate::runs::liveness::Liveness;
use crate::runs::reclaim::ExpiredLease;
use crate::signal::Signals;
use crate::tx::Tx;
use crate::upkeep::sweep::LoggedFailures;
use crate::{Clock, DataDir, Files, StoreError, SystemClock};

/// Times a task may fail, and times a worker may die on it, before its job fails.
pub(crate) const BUDGET: u32 = 3;

/// Compute seconds expected for a second of speech; only orders claims, so that short jobs pass long ones.
pub(crate) const EXPECTED_REAL_TIME_FACTOR: f64 = 0.2;

/// How long the store keeps things.
#[derive(Clone, Copy, Debug)]
pub struct StoreSettings {
    /// A job's life, counted from its submission.
    pub ttl: Duration,
    /// What is left of it after its first retrieval; zero deletes as the last byte leaves.
    pub retrieval_grace: Duration,
    /// How long a worker's claims are valid without a heartbeat.
    pub lease: Duration,
}

impl StoreSettings {
    /// Pause between two heartbeats of a worker.
    pub fn heartbeat_interval(&self) -> Duration {
        self.lease / 3
    }
}

/// The queue and its files. Cheap to share by reference; one for each process.
pub struct Store {
    pub(crate) data: DataDir,
    pub(crate) files: Files,
    pub(crate) settings: StoreSettings,
    /// How processes know that another one is gone.
    pub(crate) liveness: Liveness,
    /// How processes wake each other.
    pub(crate) signals: Signals,
    clock: Arc<dyn Clock>,
    /// Expired leases, with the time since boot when that was seen first.
    pub(crate) expired_leases: Mutex<HashMap<ExpiredLease, i64>>,
    /// Failures of sweeps that are in the log already.
    pub(crate) logged_failures: LoggedFailures,
    pub(crate) database: Database,
}

impl Store {
    /// Makes a new, empty queue in a folder that is empty or not there. Returns false, and changes
    /// nothing, if it has a queue already.
    pub fn init(root: &Path) -> Result<bool, StoreError> {
        if data_dir::has_queue(root)? {
            return Ok(false);
        }
        let data = DataDir::create(root)?;
        Database::open(&data)?;
        data_dir::sync_folder(data.root())?;
        Ok(true)
    }

    /// Opens the queue in a data folder and migrates it. Fails with [`StoreError::NoQueue`] where
    /// there is none: [`Store::init`] makes one.
    pub fn open(root: &Path, settings: StoreSettings) -> Result<Self, StoreError> {
        let data = DataDir::open(root)?;
        let database = Database::open(&data)?;
        if let Err(error) = ballast::keep(&data) {
            if error.is_fatal() {
                return Err(error);
            }
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot reserve the ballast"
            );
        }

        Ok(Self {
            liveness: Liveness::local(data.clone()),
            signals: Signals::Local(data.clone()),
            clock: Arc::new(SystemClock),
            expired_leases: Mutex::default(),
            logged_failures: LoggedFailures::default(),
            files: Files::in_folder(&data),
            data,
            settings,
            database,
        })
    }

    /// Fails if folder or database are no longer those that were opened: moved, replaced or
    /// unmounted. The process has to end then, because what it writes is lost.
    pub fn check_in_place(&self) -> Result<(), StoreError> {
        self.data.check_in_place()?;
        self.database.check_in_place()
    }

    /// The data folder.
    pub fn data(&self) -> &DataDir {
        &self.data
    }

    /// The files of jobs.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// How long the store keeps things.
    pub fn settings(&self) -> &StoreSettings {
        &self.settings
    }

    /// The clock by which the processes of this queue agree on times.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Whether the database takes writes.
    pub fn check_writable(&self) -> Result<(), StoreError> {
        self.database.check_writable()
    }

    /// Runs `operation` in one durable write transaction, then sends its messages. On a full disk, again in the space
    /// that the ballast has kept: operations that end or delete jobs free space themselves.
    pub(crate) fn write<T>(
        &self,
        mut operation: impl FnMut(&Tx<'_>, &mut Effects) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            match self.write_in_free_space(&mut operation) {
                Err(error) if error.is_disk_full() && ballast::give_up_piece(&self.data) => {
                    tracing::warn!(
                        "disk full: a piece of the ballast is given up, so that jobs can end and be deleted"
                    );
                }
                outcome => return outcome,
            }
        }
    }

    /// The same without the ballast: for operations that only use space.
    pub(crate) fn write_in_free_space<T>(
        &self,
        operation: impl FnOnce(&Tx<'_>, &mut Effects) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut effects = Effects::default();
        let value = self.database.write(|tx| operation(tx, &mut effects))?;
        effects.apply(self)?;
        Ok(value)
    }

    /// Runs `operation` on one consistent snapshot.
    pub(crate) fn read<T>(
        &self,
        operation: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.database.read(operation)
    }
}
