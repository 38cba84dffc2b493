//! What an operator should know of the server, without a change to it. Called by `steno doctor`.

use super::PostgresError;
use super::address::DatabaseAddress;
use super::connection::Connection;
use super::migrate::MIGRATIONS;
use super::session::ProcessKey;
use crate::{ServerReport, StoreError};

impl DatabaseAddress {
    /// Connects as the services do and reads what the server is.
    pub fn inspect(&self) -> Result<ServerReport, StoreError> {
        let mut connection = Connection::open(self, ProcessKey::random())?;
        let row = connection
            .client
            .query_one(
                "SELECT current_setting('server_version'), to_regclass('migrations') IS NOT NULL",
                &[],
            )
            .map_err(PostgresError::Statement)?;
        let (version, has_queue): (String, bool) = (row.get(0), row.get(1));

        let applied = if has_queue {
            let row = connection
                .client
                .query_one("SELECT count(*) FROM migrations", &[])
                .map_err(PostgresError::Statement)?;
            let count: i64 = row.get(0);
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
