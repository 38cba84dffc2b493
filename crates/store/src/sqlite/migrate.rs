//! Brings the database to this program's schema when a process starts. Any number of processes may start at once.
//!
//! Each applied migration is recorded with its checksum. A database whose record differs from this program's migration has
//! another schema than its version says, and is refused.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, named_params};
use sha2::{Digest, Sha256};

use super::connection;
use crate::tx::statement::text;
use crate::{DataDir, StoreError};

/// A file of `migrations/sqlite`.
struct Migration {
    name: &'static str,
    sql: &'static str,
}

/// Names a file of `migrations/sqlite`.
macro_rules! migration {
    ($name:literal) => {
        Migration {
            name: $name,
            sql: include_str!(concat!("../../../../migrations/sqlite/", $name, ".sql")),
        }
    };
}

/// Every migration in order; the schema version (`user_version`) is how many were applied.
const MIGRATIONS: [Migration; 13] = [
    migration!("0001_initial"),
    migration!("0002_stretches"),
    migration!("0003_clients"),
    migration!("0004_trust"),
    migration!("0005_requirements"),
    migration!("0006_coverage"),
    migration!("0007_open_tasks"),
    migration!("0008_operators"),
    migration!("0009_model"),
    migration!("0010_deliveries"),
    migration!("0011_fetch"),
    migration!("0012_upload_process"),
    migration!("0013_speaker_references"),
];

/// The migration that was changed after its release.
const CHANGED: i64 = 4;
/// Brings a database with its first edition to the second.
const REPAIR: &str = include_str!("../../../../migrations/repairs/0004_first_edition.sql");

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
    apply(&transaction, data)?;
    transaction.commit()?;
    Ok(())
}

fn apply(tx: &Transaction<'_>, data: &DataDir) -> Result<(), StoreError> {
    let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }

    tx.execute_batch(text!("sqlite/sql", "create_migrations"))?;
    if found == CHANGED && is_first_edition(tx)? {
        tracing::warn!("the database has the first edition of migration 0004_trust; repairing it");
        tx.execute_batch(REPAIR)?;
    }

    for (number, migration) in (1..).zip(&MIGRATIONS) {
        if number <= found {
            check_applied(tx, number, migration, data)?;
        } else {
            tx.execute_batch(migration.sql)?;
            record(tx, number, migration)?;
        }
    }
    if found < known {
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", known)?;
    }
    Ok(())
}

/// Whether the changed migration was applied as it was released first, without the columns that were added to it later.
fn is_first_edition(tx: &Transaction<'_>) -> Result<bool, StoreError> {
    let column = "SELECT 1 FROM pragma_table_info('tasks') WHERE name = 'is_suspect'";
    Ok(!tx.prepare(column)?.exists([])?)
}

/// Compares the record of an applied migration with this program's file. Earlier releases kept no record: it is made here.
fn check_applied(
    tx: &Transaction<'_>,
    number: i64,
    migration: &Migration,
    data: &DataDir,
) -> Result<(), StoreError> {
    let recorded: Option<[u8; 32]> = tx
        .prepare(text!("sqlite/sql", "recorded_migration"))?
        .query_row(named_params! {":number": number}, |row| row.get(0))
        .optional()?;
    match recorded {
        None => record(tx, number, migration),
        Some(sha256) if sha256 == checksum(migration.sql) => Ok(()),
        Some(_) => Err(StoreError::MigrationChanged {
            path: data.database(),
            name: migration.name,
        }),
    }
}

fn record(tx: &Transaction<'_>, number: i64, migration: &Migration) -> Result<(), StoreError> {
    tx.prepare(text!("sqlite/sql", "record_migration"))?
        .execute(named_params! {
            ":number": number,
            ":name": migration.name,
            ":sha256": checksum(migration.sql),
            ":applied_by": env!("CARGO_PKG_VERSION"),
        })?;
    Ok(())
}

fn checksum(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
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
    fn released_migrations_are_unchanged() {
        let released = include_str!("../../../../migrations/checksums.txt");
        for (line, migration) in released.lines().zip(&MIGRATIONS) {
            let (sha256, file) = line.split_once("  ").unwrap();
            let bytes: Vec<u8> = (0..sha256.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&sha256[at..at + 2], 16).unwrap())
                .collect();
            assert_eq!(file.strip_suffix(".sql"), Some(migration.name));
            assert_eq!(
                bytes,
                checksum(migration.sql),
                "{file} was changed: migrations/README.md says how to change the schema"
            );
        }
        assert_eq!(released.lines().count(), MIGRATIONS.len());
    }

    #[test]
    fn a_database_with_another_edition_of_a_migration_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::create(root.path()).unwrap();
        migrate(&data).unwrap();
        migrate(&data).unwrap();
        let changed = "UPDATE migrations SET sha256 = zeroblob(32) WHERE number = 5";
        let database = Connection::open(data.database()).unwrap();
        assert_eq!(database.execute(changed, []).unwrap(), 1);

        let refused = migrate(&data).unwrap_err();
        assert!(refused.needs_operator());
        assert!(
            refused.to_string().contains("0005_requirements"),
            "{refused}"
        );
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
