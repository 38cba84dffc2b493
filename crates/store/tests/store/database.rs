//! The database under test: which one it is, and statements that tests run on it past the store.

use std::cell::RefCell;
use std::path::Path;
use std::sync::OnceLock;

use steno_store::{DatabaseAddress, Place, Store};
use steno_testbed::Postgres;

use crate::BACKEND;

/// Databases that the store works on.
#[expect(dead_code, reason = "each test program has one of them")]
pub(crate) enum Backend {
    /// A file in the data folder.
    Sqlite,
    /// A server of the testbed.
    Postgres,
}

/// The database of one queue.
pub(crate) enum TestDatabase {
    /// In the data folder.
    File,
    /// Dropped with this value.
    Server(steno_testbed::Database),
}

impl TestDatabase {
    pub(crate) fn new() -> Self {
        match BACKEND {
            Backend::Sqlite => Self::File,
            Backend::Postgres => Self::Server(Postgres::shared().copy_database(migrated())),
        }
    }

    /// Where a queue with this database is.
    pub(crate) fn place(&self, root: &Path) -> Place {
        let mut place = Place::from(root);
        if let Self::Server(database) = self {
            place.database = Some(DatabaseAddress::parse(&database.url, None, None).unwrap());
        }
        place
    }

    /// A connection past the store.
    pub(crate) fn connect(&self, file: &Path) -> Connection {
        match self {
            Self::File => {
                let connection = rusqlite::Connection::open(file).unwrap();
                connection
                    .pragma_update(None, "foreign_keys", true)
                    .unwrap();
                Connection::Sqlite(connection)
            }
            Self::Server(database) => Connection::Postgres(RefCell::new(database.connect())),
        }
    }
}

/// An empty queue on the shared server, which others are copied from: faster than the migrations.
fn migrated() -> &'static steno_testbed::Database {
    static MIGRATED: OnceLock<steno_testbed::Database> = OnceLock::new();
    MIGRATED.get_or_init(|| {
        let database = Postgres::shared().create_database();
        let folder = tempfile::tempdir().unwrap();
        let mut place = Place::from(folder.path());
        place.database = Some(DatabaseAddress::parse(&database.url, None, None).unwrap());
        Store::init(place).unwrap();
        database
    })
}

/// A connection that bypasses the store. Statements have no parameters, and every database accepts them.
pub(crate) enum Connection {
    Sqlite(rusqlite::Connection),
    Postgres(RefCell<postgres::Client>),
}

impl Connection {
    /// Runs statements. Fails with the message of the database if it refuses one.
    pub(crate) fn try_run(&self, statements: &str) -> Result<(), String> {
        match self {
            Self::Sqlite(connection) => connection
                .execute_batch(statements)
                .map_err(|error| error.to_string()),
            Self::Postgres(client) => client
                .borrow_mut()
                .batch_execute(statements)
                .map_err(|error| error.as_db_error().unwrap().message().to_owned()),
        }
    }

    /// Begins a transaction that keeps the store from writing until this connection ends.
    pub(crate) fn take_write_lock(&self) {
        let begin = match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres(_) => {
                // `LOCKS` and `WRITE_LOCK` of the store.
                "BEGIN; SELECT pg_advisory_xact_lock(1400137070, 1)"
            }
        };
        self.try_run(begin).unwrap();
    }

    /// Bytes as a literal.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> String {
        let digits = bytes
            .iter()
            .fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
        match self {
            Self::Sqlite(_) => format!("x'{digits}'"),
            Self::Postgres(_) => format!("'\\x{digits}'"),
        }
    }

    /// Runs a statement. Returns the number of rows that it changed.
    pub(crate) fn run(&self, statement: &str) -> usize {
        match self {
            Self::Sqlite(connection) => connection.execute(statement, []).unwrap(),
            Self::Postgres(client) => client.borrow_mut().execute(statement, &[]).unwrap() as usize,
        }
    }

    /// The number in the first row of a query, if it has one.
    pub(crate) fn number(&self, query: &str) -> Option<i64> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare(query).unwrap();
                let mut rows = statement.query([]).unwrap();
                rows.next().unwrap().map(|row| row.get(0).unwrap())
            }
            Self::Postgres(client) => {
                let row = client.borrow_mut().query_opt(query, &[]).unwrap();
                row.map(|row| row.get(0))
            }
        }
    }
}
