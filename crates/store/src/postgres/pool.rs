//! A process's connections, and the transactions on them.

use std::sync::Arc;
use std::time::Duration;

use r2d2::{NopErrorHandler, Pool, PooledConnection};
use tokio_postgres::NoTls;

use super::address::DatabaseAddress;
use super::connection::{Connection, Manager};
use super::session::{Connect, Direct, ProcessKey, Session};
use super::{LOCKS, PostgresError, PostgresTx, WRITE_LOCK, migrate, tls};
use crate::database::Durability;
use crate::tx::Tx;
use crate::{StoreError, SystemClock};

/// Connections of each process.
const CONNECTIONS: u32 = 8;

/// How long a call waits for one of them.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a transaction that conflicted with another one is repeated.
const MAX_CONFLICTS: u32 = 5;

/// A snapshot that no later commit changes.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The database of a queue.
pub(crate) struct Postgres {
    /// `None` while it is being dropped.
    pool: Option<Pool<Manager>>,
    /// The lock that all connections of this process hold.
    key: ProcessKey,
    address: DatabaseAddress,
}

impl Postgres {
    /// Brings the database to this program's schema and opens it.
    pub(crate) fn open(address: &DatabaseAddress) -> Result<Self, StoreError> {
        let key = ProcessKey::random();
        // Connect once without the pool, which would retry errors that only an operator can fix.
        let mut connection = Connection::open(address, key)?;
        connection.check_encoding()?;
        migrate::migrate(&mut connection, address)?;
        for setting in connection.unsafe_settings()? {
            tracing::warn!(
                "PostgreSQL has {setting} = off: a crash of its machine loses accepted jobs or damages the database"
            );
        }
        drop(connection);

        let pool = Pool::builder()
            .max_size(CONNECTIONS)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .max_lifetime(None)
            .connection_timeout(PATIENCE)
            .error_handler(Box::new(NopErrorHandler))
            .build(Manager {
                address: address.clone(),
                key,
            })
            .map_err(|error| PostgresError::NoConnection(error.to_string()))?;
        Ok(Self {
            pool: Some(pool),
            key,
            address: address.clone(),
        })
    }

    /// Opens the direct connection of this process, whose runs have that lease.
    pub(crate) fn open_session(&self, lease: Duration) -> Result<Session, StoreError> {
        let config = self.address.config();
        let connect: Arc<dyn Connect> = if self.address.is_encrypted() {
            let tls = tls::connector(self.address.ca_file())?;
            Arc::new(Direct::new(config, tls, lease))
        } else {
            Arc::new(Direct::new(config, NoTls, lease))
        };
        let session = Session::open(connect, self.key, Arc::new(SystemClock));
        Ok(session.map_err(PostgresError::Session)?)
    }

    /// Runs `operation` in one write transaction, and repeats it after a conflict with another one.
    pub(crate) fn write<T>(
        &self,
        durability: Durability,
        mut operation: impl FnMut(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut conflicts = 0;
        loop {
            match self.write_once(durability, &mut operation) {
                Err(error) if is_conflict(&error) && conflicts < MAX_CONFLICTS => conflicts += 1,
                outcome => return outcome,
            }
        }
    }

    fn write_once<T>(
        &self,
        durability: Durability,
        operation: impl FnMut(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.in_transaction(&begin_write(), durability, operation)
    }

    /// Runs `operation` on one consistent snapshot.
    pub(crate) fn read<T>(
        &self,
        operation: impl FnMut(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.in_transaction(BEGIN_READ, Durability::Soon, operation)
    }

    fn in_transaction<T>(
        &self,
        begin: &str,
        durability: Durability,
        mut operation: impl FnMut(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let open = |connection| PostgresTx::begin(connection, begin);
        let (tx, value) = self.on_live_connection(open, |tx| operation(tx))?;
        tx.commit(durability)?;
        Ok(value)
    }

    /// Runs statements without BEGIN and COMMIT. Each has a snapshot of its own.
    pub(crate) fn read_statements<T>(
        &self,
        operation: impl Fn(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let open = PostgresTx::without_transaction;
        let (_, value) = self.on_live_connection(open, operation)?;
        Ok(value)
    }

    /// Runs `operation`, again where it finds that its connection was lost, for example while it was idle. Nothing was committed
    /// then.
    fn on_live_connection<T>(
        &self,
        open: impl Fn(PooledConnection<Manager>) -> PostgresTx,
        mut operation: impl FnMut(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<(PostgresTx, T), StoreError> {
        let mut lost = 0;
        loop {
            let tx = open(self.connection()?);
            match operation(&Tx::Postgres(&tx)) {
                Ok(value) => return Ok((tx, value)),
                Err(error) if error.is_unavailable() && tx.is_lost() && lost < CONNECTIONS => {
                    lost += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A number that changes whenever any process has committed something.
    pub(crate) fn version(&self) -> Result<i64, StoreError> {
        let mut connection = self.connection()?;
        connection.last_transaction()
    }

    /// Waits until everything that is committed so far survives a crash of the server's machine.
    pub(crate) fn make_durable(&self) -> Result<(), StoreError> {
        self.connection()?.make_durable()
    }

    /// Whether the server takes writes now.
    pub(crate) fn check_writable(&self) -> Result<(), StoreError> {
        self.write_once(Durability::Durable, |_| Ok(()))
    }

    /// Frees the space of deleted rows.
    pub(crate) fn vacuum(&self) -> Result<(), StoreError> {
        self.connection()?.vacuum()
    }

    fn connection(&self) -> Result<PooledConnection<Manager>, PostgresError> {
        let pool = self.pool.as_ref().expect("it is there until the drop");
        pool.get()
            .map_err(|error| PostgresError::NoConnection(error.to_string()))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Closing a connection blocks, which panics on a thread of an async runtime.
        let pool = self.pool.take();
        let closing = std::thread::spawn(move || drop(pool));
        let _ = closing.join();
    }
}

/// Begins a write transaction. It runs alone and sees all earlier ones. Its commit does not wait for the disk, so that the next one
/// begins sooner; `PostgresTx::commit` waits afterwards if the write has to be durable.
fn begin_write() -> String {
    format!(
        "BEGIN READ WRITE; SET LOCAL synchronous_commit = off; SELECT pg_advisory_xact_lock({LOCKS}, {WRITE_LOCK})"
    )
}

fn is_conflict(error: &StoreError) -> bool {
    match error {
        StoreError::Database(error) => error.postgres().is_some_and(PostgresError::is_conflict),
        _ => false,
    }
}
