//! What the database reports. The store decides what follows from it.

use crate::StoreError;
use crate::postgres::PostgresError;
use crate::sqlite::SqliteError;

/// A statement, a commit or a connection failed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(Kind);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Kind {
    #[error(transparent)]
    Sqlite(SqliteError),
    #[error(transparent)]
    Postgres(PostgresError),
    #[error("a query returned no row")]
    NoRow,
    #[error("the column {0} holds a value of another type")]
    UnexpectedType(String),
}

impl DatabaseError {
    /// A row that is always there is not.
    pub(crate) fn no_row() -> Self {
        Self(Kind::NoRow)
    }

    /// A column holds another type than the store writes there.
    pub(crate) fn unexpected_type(column: &str) -> Self {
        Self(Kind::UnexpectedType(column.to_owned()))
    }

    /// Whether the disk is full.
    pub(crate) fn is_disk_full(&self) -> bool {
        match &self.0 {
            Kind::Sqlite(error) => error.is_disk_full(),
            Kind::Postgres(error) => error.is_disk_full(),
            Kind::NoRow | Kind::UnexpectedType(_) => false,
        }
    }

    /// Whether it is unknown what is on disk.
    pub(crate) fn is_fatal(&self) -> bool {
        match &self.0 {
            Kind::Sqlite(error) => error.is_fatal(),
            // The server handles faults of its own disk.
            Kind::Postgres(_) | Kind::NoRow | Kind::UnexpectedType(_) => false,
        }
    }

    /// Whether the same call may succeed in a moment: the server cannot be reached, restarts, or takes no connection.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.postgres().is_some_and(PostgresError::is_unavailable)
    }

    /// Whether it is unknown if the transaction was committed.
    pub(crate) fn is_outcome_unknown(&self) -> bool {
        self.postgres()
            .is_some_and(PostgresError::is_outcome_unknown)
    }

    /// Whether a person has to change something.
    pub(crate) fn needs_operator(&self) -> bool {
        self.postgres().is_some_and(PostgresError::needs_operator)
    }

    pub(crate) fn postgres(&self) -> Option<&PostgresError> {
        match &self.0 {
            Kind::Postgres(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Kind> for DatabaseError {
    fn from(kind: Kind) -> Self {
        Self(kind)
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}
