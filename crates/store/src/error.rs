//! What can go wrong with the store. The api and the workers decide what follows from it.

use std::io;
use std::path::PathBuf;

use crate::{AddressError, DatabaseError};

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A statement or a commit failed, or no connection was available.
    #[error("database operation failed")]
    Database(#[source] DatabaseError),
    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A request to the object storage failed. Another try may succeed.
    #[error("cannot {action} {object} in the object storage")]
    Storage {
        /// What was tried, as a verb.
        action: &'static str,
        /// The object, with bucket and prefix.
        object: String,
        /// What the client or the server said.
        source: Box<object_store::Error>,
    },
    /// A file of a job is gone from the object storage, and the storage itself is there.
    #[error("{object} is gone from the object storage")]
    FileLost {
        /// The object, with bucket and prefix.
        object: String,
    },
    /// `STENO_STORAGE_URL` cannot be used.
    #[error("STENO_STORAGE_URL cannot be used: {problem}")]
    StorageUrl {
        /// What is wrong with it. Never quotes it: it may hold a secret by mistake.
        problem: String,
    },
    /// The place in the object storage holds the files of another queue.
    #[error(
        "{place} holds the files of another queue: give this one a prefix of its own (STENO_STORAGE_URL); \
         if it replaces the other one, delete the object `queue` there"
    )]
    StorageInUse {
        /// Bucket and prefix.
        place: String,
    },
    /// The files of the queue are at another place than those of this process.
    #[error(
        "the files of this queue are in {stored}, and this process has {own}: set STENO_STORAGE_URL to the same \
         value for all processes (unset means the data folder); before a queue gets another place, let it run empty"
    )]
    OtherPlace {
        /// The place of the queue.
        stored: String,
        /// The place of this process.
        own: String,
    },
    /// A recording was stored so long before its submission that it may have been deleted as an orphan.
    #[error("the recording was stored too long before its submission")]
    TooLate,
    /// A transfer was stopped, because its caller asked for that.
    #[error("the transfer was stopped")]
    Stopped,
    /// The database was written by a newer Steno.
    #[error(
        "the database has schema version {found}, this program knows {known}: run a newer Steno on it"
    )]
    SchemaTooNew {
        /// Version found in the database.
        found: i64,
        /// Latest version this program knows.
        known: i64,
    },
    /// A migration was applied to the database in another form than this program has.
    #[error(
        "{} has another form of the schema {name} than this program knows: \
         run the program that wrote it, or restore a backup",
        path.display()
    )]
    MigrationChanged {
        /// The database file.
        path: PathBuf,
        /// Name of the migration.
        name: &'static str,
    },
    /// The file is an SQLite database of something else.
    #[error("{} is not a Steno database (application id {found:#x}): point STENO_DATA elsewhere", path.display())]
    NotOurs {
        /// The database file.
        path: PathBuf,
        /// The application id found.
        found: i64,
    },
    /// SQLite's own check found damage.
    #[error("the database {} is damaged ({report}): restore a backup", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// First line of the check's report.
        report: String,
    },
    /// The data folder is on a network file system, where SQLite's locks cannot be trusted.
    #[error("{} is on a network file system ({kind}): point STENO_DATA at a local disk", path.display())]
    NetworkFileSystem {
        /// The data folder.
        path: PathBuf,
        /// Name of the file system.
        kind: &'static str,
    },
    /// There is no queue in the data folder: it was never made, was moved, or its disk is not mounted.
    #[error(
        "there is no queue in {}: if its disk is not mounted or the folder was moved, put that right; \
         if this is the first start, make one with `steno init`",
        path.display()
    )]
    NoQueue {
        /// The data folder.
        path: PathBuf,
    },
    /// A folder that is to become a queue holds something else.
    #[error(
        "{} holds `{entry}`, which is not Steno's: point STENO_DATA at an empty folder or a new one",
        path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// One of the entries.
        entry: String,
    },
    /// The path of the data folder leads elsewhere since the process started.
    #[error("{} is no longer the queue that this process opened: it was moved, replaced or unmounted", path.display())]
    Moved {
        /// The data folder or the database.
        path: PathBuf,
    },
    /// A file or folder of the queue belongs to another user than the one this process runs as.
    #[error(
        "{} belongs to user {owner}, and this process runs as user {user}: run it as the owner (sudo -u), \
         or give the folder to the user that runs Steno (chown -R)",
        path.display()
    )]
    ForeignOwner {
        /// The file or folder.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// The user id of this process.
        user: u32,
    },
    /// A stored value cannot be read back.
    #[error("stored {what} cannot be read")]
    Content {
        /// Which value.
        what: &'static str,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A task of a kind that only a later release knows.
    #[error("this release does not know tasks of the kind {0}")]
    UnknownTaskKind(String),
    /// A task was finished with the output of another kind of task.
    #[error("a {task} task cannot yield the output of a {output} task")]
    WrongOutput {
        /// Kind of the task.
        task: &'static str,
        /// Kind of the output.
        output: &'static str,
    },
    /// A row that has to be there is not: the database contradicts itself.
    #[error("cannot {action}: the database contradicts itself; run `steno admin check`")]
    Contradiction {
        /// What was tried, as a verb.
        action: &'static str,
    },
    /// The address of the database cannot be used.
    #[error("STENO_DATABASE_URL {0}")]
    DatabaseAddress(#[from] AddressError),
    /// The operation works on the rows of the data folder, and a server has them.
    #[error(
        "the rows of this queue are in PostgreSQL: back them up with its tools, as docs/OPERATIONS.md says"
    )]
    RowsElsewhere,
    /// A worker's run is no longer registered: another process has declared it dead.
    #[error("this worker's run was declared dead")]
    RunLost,
}

impl StoreError {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// Whether the disk is full: the caller may try again once there is room.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Database(error) => error.is_disk_full(),
            Self::File { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                )
            }
            _ => false,
        }
    }

    /// Whether the same call may succeed in a moment, because the database cannot be reached or restarts.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_unavailable())
    }

    /// Whether it is unknown if what the call wrote is stored: the connection was lost during the commit, or the disk failed.
    pub fn is_outcome_unknown(&self) -> bool {
        self.is_fatal() || matches!(self, Self::Database(error) if error.is_outcome_unknown())
    }

    /// Whether a start that ended with this error ends so again until a person changes something.
    pub fn needs_operator(&self) -> bool {
        match self {
            Self::SchemaTooNew { .. }
            | Self::MigrationChanged { .. }
            | Self::NotOurs { .. }
            | Self::Damaged { .. }
            | Self::NetworkFileSystem { .. }
            | Self::NoQueue { .. }
            | Self::NotEmpty { .. }
            | Self::StorageUrl { .. }
            | Self::StorageInUse { .. }
            | Self::OtherPlace { .. }
            | Self::ForeignOwner { .. }
            | Self::DatabaseAddress(_) => true,
            Self::Database(error) => error.needs_operator(),
            Self::Storage { source, .. } => matches!(
                **source,
                object_store::Error::NotFound { .. }
                    | object_store::Error::PermissionDenied { .. }
                    | object_store::Error::Unauthenticated { .. }
            ),
            Self::File { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory
                )
            }
            _ => false,
        }
    }

    /// Whether the state on disk is unknown, so that the process must end rather than guess:
    /// after a failed fsync the same handle can report success for bytes that are lost.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Database(error) => error.is_fatal(),
            Self::File { action, .. } => action.starts_with("sync"),
            Self::Damaged { .. } | Self::RunLost | Self::Moved { .. } => true,
            _ => false,
        }
    }
}
