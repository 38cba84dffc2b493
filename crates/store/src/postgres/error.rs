//! Errors of PostgreSQL, and what they mean for the caller.

use std::error::Error as _;

use tokio_postgres::error::SqlState;

use super::session::ConnectError;
use crate::StoreError;
use crate::database::{DatabaseError, Kind};

/// A statement, a commit or a connection failed. Messages contain neither addresses nor passwords.
///
/// `source()` never returns an error of the driver: the log prints all sources, and the driver's contains the server's DETAIL, which
/// quotes rows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostgresError {
    #[error("{}", message(.0))]
    Statement(tokio_postgres::Error),
    /// The server has not confirmed a COMMIT: it may have done it.
    #[error("the connection was lost during a commit: {}", message(.0))]
    UnknownOutcome(tokio_postgres::Error),
    #[error("no connection to PostgreSQL: {0}")]
    NoConnection(String),
    #[error("cannot set up TLS: {0}")]
    Certificates(String),
    #[error(
        "STENO_DATABASE_URL leads to a connection pooler ({0}): name the PostgreSQL server itself, because Steno pools its \
         connections and needs sessions of its own"
    )]
    Pooler(String),
    #[error("no session with PostgreSQL")]
    Session(#[source] ConnectError),
    #[error(
        "the database has the encoding {0}, in which not every text can be stored: create one with \
         ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding(String),
    #[error("a parameter {0} is not in the statement")]
    UnknownParameter(String),
}

impl PostgresError {
    /// Whether the server's disk is full.
    pub(crate) fn is_disk_full(&self) -> bool {
        self.code() == Some(&SqlState::DISK_FULL)
    }

    /// Whether the same call may succeed in a moment: the server restarts, is full, or cannot be reached.
    pub(crate) fn is_unavailable(&self) -> bool {
        match self {
            Self::NoConnection(_) | Self::Session(_) | Self::UnknownOutcome(_) => true,
            Self::Statement(error) => is_unavailable(error),
            _ => false,
        }
    }

    /// Whether it is unknown if a transaction was committed.
    pub(crate) fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::UnknownOutcome(_))
    }

    /// Whether a person has to change something.
    pub(crate) fn needs_operator(&self) -> bool {
        match self {
            Self::Certificates(_) | Self::Pooler(_) | Self::Encoding(_) => true,
            Self::Statement(error) => error.code().is_some_and(|code| {
                // Authentication, a database that is not there, or missing rights.
                ["28", "3D", "42501"]
                    .iter()
                    .any(|class| code.code().starts_with(class))
            }),
            _ => false,
        }
    }

    /// Whether the transaction can be repeated, because it conflicted with another one.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(
            self.code(),
            Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
        )
    }

    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Statement(error) | Self::UnknownOutcome(error) => error.code(),
            _ => None,
        }
    }
}

/// Whether a connection was lost, or the server takes none.
pub(super) fn is_unavailable(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else {
        return error.is_closed() || has_io_source(error);
    };
    // Lost connections (08), lack of memory or connections (53), shutdown and start (57P), a server that has become a
    // standby (25006), and timeouts of locks and idle transactions.
    code != &SqlState::DISK_FULL
        && ["08", "53", "57P", "25006", "55P03", "25P03"]
            .iter()
            .any(|class| code.code().starts_with(class))
}

fn has_io_source(error: &tokio_postgres::Error) -> bool {
    let source = error.source();
    source.is_some_and(|source| source.is::<std::io::Error>())
}

/// The server's words, with its code, or those of the library.
fn message(error: &tokio_postgres::Error) -> String {
    let Some(error) = error.as_db_error() else {
        let source = error.source().map(ToString::to_string);
        return source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    };
    format!("{} (SQLSTATE {})", error.message(), error.code().code())
}

impl From<PostgresError> for StoreError {
    fn from(error: PostgresError) -> Self {
        DatabaseError::from(Kind::Postgres(error)).into()
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        PostgresError::Statement(error).into()
    }
}
