//! Connections to the database: one writer and a few readers for each process, all with the same settings.

use std::path::Path;
use std::time::Duration;

use r2d2::Pool;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;

use crate::StoreError;

/// Times a locked database is tried again, one millisecond apart. SQLite's own handler backs off up to 100 ms and lets a
/// busy writer starve the others.
const BUSY_RETRIES: i32 = 5000;

/// Set on every connection. `FULL`: a commit survives power loss. `secure_delete`: deleted text is overwritten.
/// Source: <https://sqlite.org/pragma.html>.
const PRAGMAS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA mmap_size = 0;
    PRAGMA cache_size = -8000;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;
";

/// One connection with the store's settings.
pub(crate) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(retry_each_millisecond))?;
    connection.execute_batch(PRAGMAS)
}

fn retry_each_millisecond(tries: i32) -> bool {
    std::thread::sleep(Duration::from_millis(1));
    tries < BUSY_RETRIES
}

/// A pool of `size` connections that live as long as the process.
pub(crate) fn pool(
    path: &Path,
    size: u32,
    read_only: bool,
) -> Result<Pool<SqliteConnectionManager>, StoreError> {
    let manager = SqliteConnectionManager::file(path).with_init(move |connection| {
        configure(connection)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "query_only", read_only)
    });
    Ok(Pool::builder()
        .max_size(size)
        .test_on_check_out(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connection_timeout(Duration::from_secs(30))
        .build(manager)?)
}
