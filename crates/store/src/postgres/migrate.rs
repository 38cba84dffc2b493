//! Brings the database to this program's schema when a process starts. Any number of processes may start at once.
//!
//! As on SQLite, each applied migration is recorded with its checksum, and a database with another one is refused.

use sha2::{Digest, Sha256};

use super::address::DatabaseAddress;
use super::connection::Connection;
use super::{LOCKS, MIGRATION_LOCK, WRITE_LOCK};
use crate::StoreError;
use crate::tx::statement::text;

/// Names a file of `migrations/postgres`.
macro_rules! migration {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../../migrations/postgres/", $name, ".sql")),
        )
    };
}

/// Every migration in order, by name; the schema version is how many were applied.
pub(super) const MIGRATIONS: [(&str, &str); 3] = [
    migration!("0001_initial"),
    migration!("0002_upload_process"),
    migration!("0003_speaker_references"),
];

/// Applies what is missing.
pub(super) fn migrate(
    connection: &mut Connection,
    address: &DatabaseAddress,
) -> Result<(), StoreError> {
    connection.run_text(&format!(
        "BEGIN READ WRITE; SELECT pg_advisory_xact_lock({LOCKS}, {MIGRATION_LOCK})"
    ))?;
    apply_missing(connection, address)
        .and_then(|()| connection.run_text("COMMIT"))
        .inspect_err(|_| connection.roll_back())
}

fn apply_missing(connection: &mut Connection, address: &DatabaseAddress) -> Result<(), StoreError> {
    connection.run_text(text!("postgres/sql", "create_migrations"))?;
    let recorded = recorded(connection)?;
    if recorded.len() > MIGRATIONS.len() {
        return Err(StoreError::SchemaTooNew {
            found: recorded.len() as i64,
            known: MIGRATIONS.len() as i64,
        });
    }

    if recorded.len() < MIGRATIONS.len() {
        // Without this lock, a transaction of a running program could wait for this one and hold locks that this one needs.
        connection.run_text(&format!(
            "SELECT pg_advisory_xact_lock({LOCKS}, {WRITE_LOCK})"
        ))?;
    }

    for (number, (name, sql)) in (1_i64..).zip(MIGRATIONS) {
        match recorded.get(number as usize - 1) {
            Some(sha256) if *sha256 == checksum(sql) => {}
            Some(_) => {
                return Err(StoreError::MigrationChanged {
                    path: address.place().into(),
                    name,
                });
            }
            None => {
                connection.run_text(sql)?;
                let sha256 = checksum(sql);
                connection.query_text(
                    text!("postgres/sql", "record_migration"),
                    &[&number, &name, &sha256, &env!("CARGO_PKG_VERSION")],
                )?;
            }
        }
    }
    Ok(())
}

/// Checksums of the applied migrations, in order.
fn recorded(connection: &mut Connection) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = connection.query_text(text!("postgres/sql", "recorded_migrations"), &[])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn checksum(text: &str) -> Vec<u8> {
    Sha256::digest(text).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_migrations_are_unchanged() {
        let released = include_str!("../../../../migrations/checksums-postgres.txt");
        for (line, (name, sql)) in released.lines().zip(MIGRATIONS) {
            let (digits, file) = line.split_once("  ").unwrap();
            let released: Vec<u8> = (0..digits.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
                .collect();
            assert_eq!(file.strip_suffix(".sql"), Some(name));
            assert_eq!(
                released,
                checksum(sql),
                "{file} was changed: migrations/README.md says how to change the schema"
            );
        }
        assert_eq!(released.lines().count(), MIGRATIONS.len());
    }
}
