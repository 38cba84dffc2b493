//! [`Store`]: every operation on the queue, one file each in `store/`.
//!
//! Writes go through one connection, in BEGIN IMMEDIATE transactions whose COMMIT is checked; no transaction is open
//! while work runs. Messages to other processes are sent after the commit, never before.

mod assemble;
mod back_up;
mod check;
mod claim;
mod clock_jump;
mod complete;
mod counters;
mod delete;
mod fail;
mod fence;
mod files;
mod finish;
mod finish_prepare;
mod finish_span;
mod follow;
mod get;
mod inspect;
mod list;
mod quota;
mod reclaim;
mod release;
mod retrieve;
mod runs;
mod settings;
mod submit;
mod sweep;
mod types;

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use steno_models::JobId;

pub use back_up::Backup;
pub use counters::Statistics;
pub use follow::{Followed, Told};
pub use get::JobLookup;
pub use inspect::{InspectedJob, InspectedTask, JobFilter};
pub use list::{Cursor, NoCursor, Page};
pub use quota::{Quota, QuotaCheck, QuotaExceeded};
pub use reclaim::Reclaimed;
pub use release::Postponement;
pub use runs::{RegisteredWorker, RunSettings};
pub use settings::SettingDifference;
pub use submit::{Accepted, EarlierJob, NewJob, Submission};
pub use sweep::Sweep;
pub use types::{
    Certainty, Claim, ClaimId, Failure, Finished, PlannedSpan, Prepared, Settled, SpanOutput,
    SpanTask, TaskInput, TaskKind, TaskOutput, TaskStatus,
};

use crate::sqlite::{connection, migrate};
use crate::{DataDir, StoreError, WakeMessage, ballast, data_dir, wake};

/// Times a task may fail, and times a worker may die on it, before its job fails.
const BUDGET: u32 = 3;

/// Compute seconds expected for a second of speech; only orders claims, so that short jobs pass long ones.
const EXPECTED_REAL_TIME_FACTOR: f64 = 0.2;

/// Connections for reading in each process.
const READERS: u32 = 4;

/// How long the store keeps things.
#[derive(Clone, Copy, Debug)]
pub struct StoreSettings {
    /// A job's life, counted from its submission.
    pub ttl: Duration,
    /// What is left of it after its first retrieval; zero deletes as the last byte leaves.
    pub retrieval_grace: Duration,
    /// How long a worker's claims stand without a heartbeat.
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
    data: DataDir,
    /// Device and inode of the database file.
    database: (u64, u64),
    settings: StoreSettings,
    boot_id: String,
    /// Leases that have run out, as run and end, with the time since boot when that was seen first.
    overdue: Mutex<HashMap<(String, i64), i64>>,
    /// Failures of sweeps that are in the log already.
    logged_failures: sweep::LoggedFailures,
    writer: Pool<SqliteConnectionManager>,
    readers: Pool<SqliteConnectionManager>,
}

impl Store {
    /// Makes a new, empty queue in a folder that is empty or not there. Returns false, and changes
    /// nothing, if it has a queue already.
    pub fn init(root: &Path) -> Result<bool, StoreError> {
        if data_dir::has_queue(root)? {
            return Ok(false);
        }
        let data = DataDir::create(root)?;
        migrate::migrate(&data)?;
        data_dir::sync_folder(data.root())?;
        Ok(true)
    }

    /// Opens the queue in a data folder and migrates it. Fails with [`StoreError::NoQueue`] where
    /// there is none: [`Store::init`] makes one.
    pub fn open(root: &Path, settings: StoreSettings) -> Result<Self, StoreError> {
        let data = DataDir::open(root)?;
        migrate::migrate(&data)?;
        if let Err(error) = ballast::keep(&data) {
            if error.is_fatal() {
                return Err(error);
            }
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot reserve the ballast"
            );
        }
        let writer = connection::pool(&data.database(), 1, false)?;
        let readers = connection::pool(&data.database(), READERS, true)?;
        // SQLite ignores a failed directory sync for the WAL, so sync it here.
        data_dir::sync_folder(data.root())?;
        let database = identity(&data.database())?;
        Ok(Self {
            boot_id: runs::boot_id(),
            overdue: Mutex::default(),
            logged_failures: sweep::LoggedFailures::default(),
            data,
            database,
            settings,
            writer,
            readers,
        })
    }

    /// Fails if folder or database are no longer those that were opened: moved, replaced or
    /// unmounted. The process has to end then, for what it writes is not where it is looked for.
    pub fn check_in_place(&self) -> Result<(), StoreError> {
        self.data.check_in_place()?;
        let path = self.data.database();
        match identity(&path) {
            Ok(found) if found == self.database => Ok(()),
            Err(StoreError::File { source, .. })
                if source.kind() != std::io::ErrorKind::NotFound =>
            {
                Err(StoreError::file("inspect", path)(source))
            }
            Ok(_) | Err(_) => Err(StoreError::Moved { path }),
        }
    }

    /// The data folder.
    pub fn data(&self) -> &DataDir {
        &self.data
    }

    /// How long the store keeps things.
    pub fn settings(&self) -> &StoreSettings {
        &self.settings
    }

    /// A number that changes whenever another process, or this one, has committed. Costs microseconds.
    ///
    /// The backstop for lost datagrams: compare it about once a second.
    pub fn version(&self) -> Result<i64, StoreError> {
        // The pragma answers for one connection and counts the commits of the others: it must be the same one each
        // time, and only the writer's pool has just one. Its own commits change `total_changes`.
        let connection = self.writer.get()?;
        let others: i64 = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        Ok(others.wrapping_add(connection.total_changes() as i64))
    }

    /// Whether the database takes writes: begins a transaction and gives it up.
    pub fn check_writable(&self) -> Result<(), StoreError> {
        let connection = self.writer.get()?;
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
        Ok(())
    }

    /// Runs `operation` in one durable write transaction, then tells the processes concerned. On a full disk, again in the room
    /// that the ballast has kept: what ends or deletes jobs makes room itself.
    fn write<T>(
        &self,
        mut operation: impl FnMut(&Transaction<'_>, &mut Effects) -> Result<T, StoreError>,
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

    /// The same without the ballast: for what only makes the disk fuller.
    fn write_in_free_space<T>(
        &self,
        operation: impl FnOnce(&Transaction<'_>, &mut Effects) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.writer.get()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut effects = Effects::default();
        let value = operation(&transaction, &mut effects)?;
        transaction.commit()?;
        drop(connection);
        effects.apply(self)?;
        Ok(value)
    }

    /// Runs `operation` on one consistent snapshot.
    fn read<T>(
        &self,
        operation: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.readers.get()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        operation(&transaction)
    }
}

/// Device and inode of a file.
fn identity(path: &Path) -> Result<(u64, u64), StoreError> {
    let metadata = std::fs::metadata(path).map_err(StoreError::file("inspect", path))?;
    Ok((metadata.dev(), metadata.ino()))
}

/// What follows a commit.
#[derive(Default)]
struct Effects {
    work: bool,
    changed: BTreeSet<JobId>,
    cancelled: Vec<ClaimId>,
    files_to_delete: bool,
}

impl Effects {
    /// An error is one after which the process has to end; what was committed stays.
    fn apply(self, store: &Store) -> Result<(), StoreError> {
        if self.work {
            wake::send(&store.data, WakeMessage::Work);
        }
        for job in self.changed {
            wake::send(&store.data, WakeMessage::Changed(job));
        }
        for claim in self.cancelled {
            wake::send(&store.data, WakeMessage::Cancel(claim));
        }
        if self.files_to_delete
            && let Err(error) = store.delete_files()
        {
            if error.is_fatal() && !error.is_disk_full() {
                return Err(error);
            }
            // They stay on the list, and the next sweep tries again.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "files of a deleted job are left for the sweep"
            );
        }
        Ok(())
    }
}
