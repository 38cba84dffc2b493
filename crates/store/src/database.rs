//! The database of the store: one of the backends, chosen when the store is opened.

mod error;

pub use error::DatabaseError;
pub(crate) use error::Kind;

use std::path::Path;

use crate::sqlite::Sqlite;
use crate::tx::Tx;
use crate::{DataDir, StoreError};

/// A process's connections to the database.
pub(crate) enum Database {
    /// A file in the data folder.
    Sqlite(Sqlite),
}

impl Database {
    /// Brings the database to this program's schema and opens it.
    pub(crate) fn open(data: &DataDir) -> Result<Self, StoreError> {
        Sqlite::open(data).map(Self::Sqlite)
    }

    /// Runs `operation` in one durable write transaction. No other one runs meanwhile.
    pub(crate) fn write<T>(
        &self,
        operation: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(database) => database.write(operation),
        }
    }

    /// Runs `operation` on one consistent snapshot.
    pub(crate) fn read<T>(
        &self,
        operation: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(database) => database.read(operation),
        }
    }

    /// A number that changes whenever any process has committed.
    pub(crate) fn version(&self) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(database) => database.version(),
        }
    }

    /// Begins a write transaction and gives it up.
    pub(crate) fn check_writable(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.check_writable(),
        }
    }

    /// Fails if the database is no longer the one that was opened.
    pub(crate) fn check_in_place(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.check_in_place(),
        }
    }

    /// Removes deleted text that the database keeps outside of its tables.
    pub(crate) fn empty_wal(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.empty_wal(),
        }
    }

    /// Gives the space of deleted rows back to the file system.
    pub(crate) fn vacuum(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.vacuum(),
        }
    }

    /// Writes a copy as of one moment to a path where there is no file yet.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.copy_to(path),
        }
    }
}
