//! The database behind the store: connections and migrations of SQLite.

pub(crate) mod connection;
pub(crate) mod migrate;
