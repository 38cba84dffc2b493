//! A process's connections: one that writes, and a few that read.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::TransactionBehavior;

use super::{SqliteTx, connection, migrate};
use crate::files::data_dir::sync_folder;
use crate::tx::Tx;
use crate::{DataDir, StoreError};

/// Connections for reading in each process.
const READERS: u32 = 4;

/// How long emptying the WAL waits for readers, and keeps writers waiting.
const PATIENCE_WITH_READERS: Duration = Duration::from_millis(200);

/// The database of a queue.
pub(crate) struct Sqlite {
    path: PathBuf,
    /// Device and inode of the database file.
    identity: (u64, u64),
    writer: Pool<SqliteConnectionManager>,
    readers: Pool<SqliteConnectionManager>,
}

impl Sqlite {
    /// Brings the database of a folder to this program's schema and opens it.
    pub(crate) fn open(data: &DataDir) -> Result<Self, StoreError> {
        migrate(data)?;
        let path = data.database();
        let writer = connection::pool(&path, 1, false)?;
        let readers = connection::pool(&path, READERS, true)?;
        // SQLite ignores a failed directory sync for the WAL, so sync it here.
        sync_folder(data.root())?;
        Ok(Self {
            identity: identity(&path)?,
            path,
            writer,
            readers,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails if the path leads to another database than the one that was opened.
    pub(crate) fn check_in_place(&self) -> Result<(), StoreError> {
        let path = &self.path;
        match identity(path) {
            Ok(found) if found == self.identity => Ok(()),
            Err(StoreError::File { source, .. })
                if source.kind() != std::io::ErrorKind::NotFound =>
            {
                Err(StoreError::file("inspect", path)(source))
            }
            Ok(_) | Err(_) => Err(StoreError::Moved { path: path.clone() }),
        }
    }

    /// Runs `operation` in one durable write transaction.
    pub(crate) fn write<T>(
        &self,
        mut operation: impl FnMut(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.writer.get()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = operation(&Tx::Sqlite(SqliteTx::new(&transaction)))?;
        transaction.commit()?;
        Ok(value)
    }

    /// Runs `operation` on one consistent snapshot.
    pub(crate) fn read<T>(
        &self,
        operation: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.readers.get()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        operation(&Tx::Sqlite(SqliteTx::new(&transaction)))
    }

    /// A number that changes whenever any process has committed.
    pub(crate) fn version(&self) -> Result<i64, StoreError> {
        // The pragma answers for one connection and counts the commits of the others: it must be the same one each
        // time, and only the writer's pool has just one. Its own commits change `total_changes`.
        let connection = self.writer.get()?;
        let others: i64 = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        Ok(others.wrapping_add(connection.total_changes() as i64))
    }

    /// Begins a write transaction and gives it up.
    pub(crate) fn check_writable(&self) -> Result<(), StoreError> {
        let connection = self.writer.get()?;
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
        Ok(())
    }

    /// Moves the WAL into the database and truncates it. A reader may prevent it: the next sweep tries again.
    pub(crate) fn empty_wal(&self) -> Result<(), StoreError> {
        let wal = self.path.with_extension("db-wal");
        if std::fs::metadata(wal).is_ok_and(|wal| wal.len() == 0) {
            return Ok(());
        }
        let connection = self.writer.get()?;
        // Readers begin on the database itself once all of the WAL is in it: the last on the WAL are soon gone.
        connection.busy_timeout(PATIENCE_WITH_READERS)?;
        let outcome = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            row.get::<_, bool>(0)
        });
        connection::configure(&connection)?;
        match outcome {
            Ok(_) => Ok(()),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives free pages back to the file system. Keeps other writers waiting.
    pub(crate) fn vacuum(&self) -> Result<(), StoreError> {
        let connection = self.writer.get()?;
        connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(())
    }
}

/// Device and inode of a file.
fn identity(path: &Path) -> Result<(u64, u64), StoreError> {
    let metadata = std::fs::metadata(path).map_err(StoreError::file("inspect", path))?;
    Ok((metadata.dev(), metadata.ino()))
}
