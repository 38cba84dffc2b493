//! [`Store`]: the queue of one data folder. Its operations are in the rooms.
//!
//! Writes go through one connection, in transactions whose COMMIT is checked; no transaction is open while work runs.
//! Messages to other processes are sent after the commit, never before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use crate::database::{Database, Durability};
use crate::effects::Effects;
use crate::files::location::Location;
use crate::files::{ballast, data_dir};
use crate::runs::liveness::Liveness;
use crate::runs::reclaim::ExpiredLease;
use crate::signal::Signals;
use crate::tx::Tx;
use crate::upkeep::sweep::LoggedFailures;
use crate::{Clock, DataDir, FileAccess, Files, Place, StoreError, SystemClock};

/// Times a task may fail, and times a worker may die on it, before its job fails.
pub(crate) const BUDGET: u32 = 3;

/// Compute seconds expected for a second of speech; only orders claims, so that short jobs pass long ones.
pub(crate) const EXPECTED_REAL_TIME_FACTOR: f64 = 0.2;

/// The setting that names the queue.
const QUEUE_NAME: &str = "queue";

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
    pub fn init(place: impl Into<Place>) -> Result<bool, StoreError> {
        let place = place.into();
        if data_dir::has_queue(&place.data, place.has_rows_in_folder())? {
            return Ok(false);
        }
        let data = DataDir::create(&place.data)?;
        Database::open(&data, place.database.as_ref())?;
        data_dir::sync_folder(data.root())?;
        Ok(true)
    }

    /// Opens the queue in a data folder and migrates it. Fails with [`StoreError::NoQueue`] where
    /// there is none: [`Store::init`] makes one.
    pub fn open(place: impl Into<Place>, settings: StoreSettings) -> Result<Self, StoreError> {
        Self::open_for(&place.into(), settings, FileAccess::All)
    }

    /// The same for a process that works with these files alone.
    pub fn open_for(
        place: &Place,
        settings: StoreSettings,
        access: FileAccess,
    ) -> Result<Self, StoreError> {
        let data = DataDir::open_for(&place.data, place.has_rows_in_folder(), access)?;
        let database = Database::open(&data, place.database.as_ref())?;
        if let Err(error) = ballast::keep(&data) {
            if error.is_fatal() {
                return Err(error);
            }
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot reserve the ballast"
            );
        }

        let (liveness, signals, clock) = coordination(&data, &database, &settings)?;
        Ok(Self {
            liveness,
            signals,
            clock,
            expired_leases: Mutex::default(),
            logged_failures: LoggedFailures::default(),
            files: Files::in_folder(&data),
            data,
            settings,
            database,
        })
    }

    /// Keeps files at the place that `url` names (`STENO_STORAGE_URL`), in the data folder if it is `None`. Fails if another queue has
    /// its files there. If the storage does not answer, this is only logged: uploads and tasks wait until it does.
    pub fn with_storage(mut self, url: Option<&str>) -> Result<Self, StoreError> {
        let Some(url) = url else { return Ok(self) };
        self.files = Files::at(&self.data, Location::parse(url)?)?;
        if let Some(bucket) = self.files.bucket()
            && let Err(error) = bucket.claim_for(&self.queue_name()?)
        {
            if error.needs_operator() {
                return Err(error);
            }
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the object storage does not answer yet"
            );
        }
        Ok(self)
    }

    /// A random name of this queue, made when it is first needed.
    pub(crate) fn queue_name(&self) -> Result<String, StoreError> {
        if let Some(name) = self.read_statements(|tx| tx.get_setting(QUEUE_NAME))? {
            return Ok(name);
        }
        self.write_in_free_space(|tx, _| {
            // Another process may have been faster.
            if let Some(name) = tx.get_setting(QUEUE_NAME)? {
                return Ok(name);
            }
            let name = Uuid::new_v4().simple().to_string();
            tx.set_setting(QUEUE_NAME, &name)?;
            Ok(name)
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
        operation: impl FnMut(&Tx<'_>, &mut Effects) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write_with_ballast(Durability::Durable, operation)
    }

    /// The same, but a crash of the database's machine may undo the last of them. Only for what is done again then: claims, whose
    /// fence refuses the work of a lost one, and leases.
    pub(crate) fn write_soon_durable<T>(
        &self,
        operation: impl FnMut(&Tx<'_>, &mut Effects) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write_with_ballast(Durability::Soon, operation)
    }

    /// The same as [`Store::write`] without the ballast: for operations that only use space.
    pub(crate) fn write_in_free_space<T>(
        &self,
        operation: impl FnMut(&Tx<'_>, &mut Effects) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write_with(Durability::Durable, operation)
    }

    fn write_with_ballast<T>(
        &self,
        durability: Durability,
        mut operation: impl FnMut(&Tx<'_>, &mut Effects) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            match self.write_with(durability, &mut operation) {
                Err(error)
                    if error.is_disk_full()
                        && self.database.is_in_folder()
                        && ballast::give_up_piece(&self.data) =>
                {
                    tracing::warn!(
                        "disk full: a piece of the ballast is given up, so that jobs can end and be deleted"
                    );
                }
                outcome => return outcome,
            }
        }
    }

    /// Runs `operation` in one write transaction without the ballast, then sends its messages.
    pub(crate) fn write_with<T>(
        &self,
        durability: Durability,
        mut operation: impl FnMut(&Tx<'_>, &mut Effects) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut effects = Effects::default();
        let outcome = self.database.write(durability, |tx| {
            effects = Effects::default();
            operation(tx, &mut effects)
        });
        match outcome {
            Ok(value) => {
                effects.apply(self)?;
                Ok(value)
            }
            Err(error) => {
                if error.is_outcome_unknown() {
                    effects.send_messages(self);
                }
                Err(error)
            }
        }
    }

    /// Runs reading statements as cheaply as the database can: each may see what was committed since the one before.
    pub(crate) fn read_statements<T>(
        &self,
        operation: impl Fn(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.database.read_statements(operation)
    }

    /// Runs `operation` on one consistent snapshot.
    pub(crate) fn read<T>(
        &self,
        operation: impl FnMut(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.database.read(operation)
    }
}

/// How the processes of a queue cooperate: how they detect that one is gone, how they wake each
/// other, and whose clock they use.
fn coordination(
    data: &DataDir,
    database: &Database,
    settings: &StoreSettings,
) -> Result<(Liveness, Signals, Arc<dyn Clock>), StoreError> {
    match database {
        Database::Sqlite(_) => Ok((
            Liveness::local(data.clone()),
            Signals::Local(data.clone()),
            Arc::new(SystemClock),
        )),
        Database::Postgres(database) => {
            let session = Arc::new(database.open_session(settings.lease)?);
            Ok((
                Liveness::session(Arc::clone(&session)),
                Signals::Session(Arc::clone(&session)),
                Arc::new(session.clock()),
            ))
        }
    }
}
