//! The database of the store: one of the backends, chosen when the store is opened.

mod error;
mod server_report;

pub use error::DatabaseError;
pub(crate) use error::Kind;
pub use server_report::ServerReport;

use std::path::Path;

use crate::postgres::Postgres;
use crate::postgres::address::DatabaseAddress;
use crate::sqlite::Sqlite;
use crate::tx::Tx;
use crate::{DataDir, StoreError};

/// A process's connections to the database.
pub(crate) enum Database {
    /// A file in the data folder.
    Sqlite(Sqlite),
    /// A server.
    Postgres(Box<Postgres>),
}

/// What a crash of the database's machine may undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing that was committed.
    Durable,
    /// The commits of the last moments, on PostgreSQL. Every commit that is durable makes those before it durable.
    Soon,
}

impl Database {
    /// Brings the database to this program's schema and opens it: the one at `address`, or the file in the data folder.
    pub(crate) fn open(
        data: &DataDir,
        address: Option<&DatabaseAddress>,
    ) -> Result<Self, StoreError> {
        match address {
            None => Sqlite::open(data).map(Self::Sqlite),
            Some(address) => {
                Postgres::open(address).map(|database| Self::Postgres(Box::new(database)))
            }
        }
    }

    /// Whether the database is a file in the data folder.
    pub(crate) fn is_in_folder(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Runs `operation` in one write transaction. No other one runs meanwhile.
    /// `operation` may run more than once; only the writes of the last run are kept.
    pub(crate) fn write<T>(
        &self,
        durability: Durability,
        operation: impl FnMut(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(database) => database.write(operation),
            Self::Postgres(database) => database.write(durability, operation),
        }
    }

    /// Runs `operation` on one consistent snapshot.
    pub(crate) fn read<T>(
        &self,
        operation: impl FnMut(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(database) => database.read(operation),
            Self::Postgres(database) => database.read(operation),
        }
    }

    /// Runs reading statements as cheaply as the backend can: each may see what was committed since the one before.
    pub(crate) fn read_statements<T>(
        &self,
        operation: impl Fn(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(database) => database.read(operation),
            Self::Postgres(database) => database.read_statements(operation),
        }
    }

    /// Waits until everything that any process has committed so far survives a crash of the database's machine. On PostgreSQL, a
    /// transaction can read what is not durable yet.
    pub(crate) fn make_durable(&self) -> Result<(), StoreError> {
        match self {
            // Its commits wait for the disk before others can read them.
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(database) => database.make_durable(),
        }
    }

    /// A number that changes whenever any process has committed.
    pub(crate) fn version(&self) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(database) => database.version(),
            Self::Postgres(database) => database.version(),
        }
    }

    /// Begins a write transaction and rolls it back.
    pub(crate) fn check_writable(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.check_writable(),
            Self::Postgres(database) => database.check_writable(),
        }
    }

    /// Fails if the database is no longer the one that was opened.
    pub(crate) fn check_in_place(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.check_in_place(),
            // The address always names the same server.
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Removes deleted text from the WAL of SQLite. PostgreSQL recycles its own.
    pub(crate) fn empty_wal(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.empty_wal(),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Gives the space of deleted rows back.
    pub(crate) fn vacuum(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.vacuum(),
            Self::Postgres(database) => database.vacuum(),
        }
    }

    /// Writes a copy as of one moment to a path where there is no file yet.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.copy_to(path),
            Self::Postgres(_) => Err(StoreError::RowsElsewhere),
        }
    }
}
