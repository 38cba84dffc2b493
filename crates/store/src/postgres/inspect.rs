//! What an operator should know of the server, without a change to it. Called by `steno doctor`.

use super::address::DatabaseAddress;
use super::connection::Connection;
use super::migrate::MIGRATIONS;
use super::session::ProcessKey;
use crate::{ServerReport, StoreError};

impl DatabaseAddress {
    /// Connects as the services do and reads what the server is.
    pub fn inspect(&self) -> Result<ServerReport, StoreError> {
        let mut connection = Connection::open(self, ProcessKey::random())?;
        let query =
            "SELECT current_setting('server_version'), to_regclass('migrations') IS NOT NULL";
        let rows = connection.query_text(query, &[])?;
        let (version, has_queue): (String, bool) = (rows[0].get(0), rows[0].get(1));

        let applied = if has_queue {
            let rows = connection.query_text("SELECT count(*) FROM migrations", &[])?;
            let count: i64 = rows[0].get(0);
            Some(count as u64)
        } else {
            None
        };
        Ok(ServerReport {
            version,
            place: self.place(),
            applied_migrations: applied,
            known_migrations: MIGRATIONS.len() as u64,
            unsafe_settings: connection.unsafe_settings()?,
        })
    }
}
