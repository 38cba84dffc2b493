//! What SQLite reports.

use rusqlite::ErrorCode;

use crate::StoreError;
use crate::database::{DatabaseError, Kind};

/// A statement, a commit or a connection failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SqliteError {
    #[error(transparent)]
    Statement(rusqlite::Error),
    #[error(transparent)]
    Pool(r2d2::Error),
}

impl SqliteError {
    pub(crate) fn is_disk_full(&self) -> bool {
        self.code() == Some(ErrorCode::DiskFull)
    }

    pub(crate) fn is_fatal(&self) -> bool {
        matches!(
            self.code(),
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Statement(error) => error.sqlite_error_code(),
            Self::Pool(_) => None,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        DatabaseError::from(Kind::Sqlite(SqliteError::Statement(error))).into()
    }
}

impl From<r2d2::Error> for StoreError {
    fn from(error: r2d2::Error) -> Self {
        DatabaseError::from(Kind::Sqlite(SqliteError::Pool(error))).into()
    }
}
