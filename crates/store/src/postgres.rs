//! PostgreSQL: the database of a queue on many machines. The crate `tokio_postgres` appears only here.
//!
//! `sql/` holds the statements whose text differs from that of other databases. Calls block, and must not run on a thread of an
//! async runtime.

pub(crate) mod address;
mod connection;
mod error;
mod inspect;
mod link;
mod migrate;
mod pool;
mod row;
pub(crate) mod session;
#[cfg(test)]
mod tests;
mod tls;
mod tx;

pub(crate) use error::PostgresError;
pub(crate) use pool::Postgres;
pub(crate) use row::PostgresRow;
pub(crate) use tx::PostgresTx;

/// The first half of each key of an advisory lock: "Sten" in ASCII.
const LOCKS: i32 = 0x5374_656E;
/// The second half for transactions that write: one at a time, as on SQLite.
const WRITE_LOCK: i32 = 1;
/// The second half while migrations are applied.
const MIGRATION_LOCK: i32 = 2;
