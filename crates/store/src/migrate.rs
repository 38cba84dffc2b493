//! Brings the database to this program's schema when a process starts. Any number of processes may start at once.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;

use rusqlite::{Connection, TransactionBehavior};

use crate::{DataDir, StoreError, connection};

/// Every migration in order; the schema version (`user_version`) is how many were applied.
const MIGRATIONS: [&str; 7] = [
    include_str!("../../../migrations/sqlite/0001_initial.sql"),
    include_str!("../../../migrations/sqlite/0002_stretches.sql"),
    include_str!("../../../migrations/sqlite/0003_clients.sql"),
    include_str!("../../../migrations/sqlite/0004_trust.sql"),
    include_str!("../../../migrations/sqlite/0005_requirements.sql"),
    include_str!("../../../migrations/sqlite/0006_coverage.sql"),
    include_str!("../../../migrations/sqlite/0007_open_tasks.sql"),
];

/// "Sten" in ASCII; marks the file as ours.
const APPLICATION_ID: i64 = 0x5374_656E;

/// Opens the database, checks it and applies what is missing.
pub(crate) fn migrate(data: &DataDir) -> Result<(), StoreError> {
    // Switching a new database to WAL takes an exclusive lock that does not wait: only one process may try.
    let lock_path = data.migration_lock();
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&lock_path)
        .map_err(StoreError::file("create", &lock_path))?;
    lock.lock().map_err(StoreError::file("lock", &lock_path))?;

    let mut database = Connection::open(data.database())?;
    connection::configure(&database)?;
    check_identity(&database, data)?;
    database.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    for migration in &MIGRATIONS[found.max(0) as usize..] {
        transaction.execute_batch(migration)?;
    }
    if found < known {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", known)?;
    }
    transaction.commit()?;
    Ok(())
}

fn check_identity(database: &Connection, data: &DataDir) -> Result<(), StoreError> {
    let report: String = database.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if report != "ok" {
        return Err(StoreError::Damaged {
            path: data.database(),
            report,
        });
    }
    let found: i64 = database.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 =
        database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if found != APPLICATION_ID && tables > 0 {
        return Err(StoreError::NotOurs {
            path: data.database(),
            found,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_start_at_once_do_not_race() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::create(root.path()).unwrap();
        std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| migrate(&data))).collect();
            for start in starts {
                start.join().unwrap().unwrap();
            }
        });
        let database = Connection::open(data.database()).unwrap();
        let version: i64 = database
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, MIGRATIONS.len() as i64);
        let mode: String = database
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "wal");
    }

    #[test]
    fn a_database_of_something_else_or_of_a_newer_steno_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::create(root.path()).unwrap();
        Connection::open(data.database())
            .unwrap()
            .execute_batch("CREATE TABLE t (x)")
            .unwrap();
        assert!(matches!(migrate(&data), Err(StoreError::NotOurs { .. })));
        std::fs::remove_file(data.database()).unwrap();
        migrate(&data).unwrap();
        Connection::open(data.database())
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        assert!(matches!(
            migrate(&data),
            Err(StoreError::SchemaTooNew { found: 99, .. })
        ));
    }

    #[test]
    fn a_file_that_is_no_database_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::create(root.path()).unwrap();
        std::fs::write(
            data.database(),
            "not a database, but long enough to be read as one".repeat(100),
        )
        .unwrap();
        assert!(migrate(&data).unwrap_err().is_fatal());
    }
}
