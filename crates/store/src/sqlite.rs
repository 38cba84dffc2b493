//! SQLite: the database of one machine, a file in the data folder. `rusqlite` appears only here.
//!
//! `sql/` holds the statements whose text differs from that of other databases.

pub(crate) mod back_up;
mod connection;
mod error;
mod migrate;
mod pool;
mod tx;

pub(crate) use error::SqliteError;
pub(crate) use migrate::migrate;
pub(crate) use pool::Sqlite;
pub(crate) use tx::{SqliteRow, SqliteTx};
