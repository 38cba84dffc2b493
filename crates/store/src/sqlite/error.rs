//! What the database reports. The store decides what follows from it.

use rusqlite::ErrorCode;

use crate::StoreError;

/// A statement, a commit or a connection failed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(Kind);

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error(transparent)]
    Statement(rusqlite::Error),
    #[error(transparent)]
    Pool(r2d2::Error),
}

impl DatabaseError {
    /// Whether the disk is full.
    pub(crate) fn is_disk_full(&self) -> bool {
        self.code() == Some(ErrorCode::DiskFull)
    }

    /// Whether it is unknown what is on disk.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(
            self.code(),
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
    }

    fn code(&self) -> Option<ErrorCode> {
        match &self.0 {
            Kind::Statement(error) => error.sqlite_error_code(),
            Kind::Pool(_) => None,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(DatabaseError(Kind::Statement(error)))
    }
}

impl From<r2d2::Error> for StoreError {
    fn from(error: r2d2::Error) -> Self {
        Self::Database(DatabaseError(Kind::Pool(error)))
    }
}
