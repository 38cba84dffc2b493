//! Jumps of the wall clock: deadlines move with it, so that nobody's words are deleted early, or kept for longer.
//!
//! Deadlines are written in wall time, for clients to read, but are meant as lengths of time. Within a boot the time since boot
//! tells how much of it has passed, whatever the wall clock says.

use rusqlite::{Connection, OptionalExtension, Transaction, named_params};

use super::Store;
use crate::{Now, StoreError};

/// Smaller differences are NTP keeping the clock right.
const JUMP_MS: i64 = 300_000;
/// Differences that are worth noting, so that small ones do not add up to a jump.
const DRIFT_MS: i64 = 1_000;

impl Store {
    /// Looks whether the wall clock has jumped since somebody looked last, and moves every deadline with it. To be called
    /// before a deadline is set or looked at, and about once a second. Yields the milliseconds it jumped by.
    pub fn follow_clock(&self, now: Now) -> Result<Option<i64>, StoreError> {
        if !self.knows_boot() {
            // Another boot cannot be told from a jump.
            return Ok(None);
        }
        let offset_ms = now.wall.ms() - now.boot_ms;
        let is_as_noted = |noted: Option<(String, i64)>| {
            noted.is_some_and(|(boot_id, noted_ms)| {
                boot_id == self.boot_id && (offset_ms - noted_ms).abs() < DRIFT_MS
            })
        };
        if self.read(|connection| Ok(is_as_noted(noted(connection)?)))? {
            return Ok(None);
        }
        let jumped_ms = self.write(|tx, _| {
            let jumped_ms = match noted(tx)? {
                Some((boot_id, noted_ms)) if boot_id == self.boot_id => offset_ms - noted_ms,
                _ => 0,
            };
            tx.prepare_cached(include_str!("../sql/note_clock.sql"))?
                .execute(named_params! {":boot_id": self.boot_id, ":offset_ms": offset_ms})?;
            if jumped_ms.abs() < JUMP_MS {
                return Ok(None);
            }
            move_deadlines(tx, jumped_ms)?;
            Ok(Some(jumped_ms))
        })?;
        if let Some(jumped_ms) = jumped_ms {
            tracing::warn!(
                jumped_ms,
                "the wall clock jumped by {} s; deadlines moved with it",
                jumped_ms / 1000
            );
        }
        Ok(jumped_ms)
    }
}

impl Store {
    /// Whether deadlines are those of this reading of the clock. Asked in the transaction that acts on them: another process may
    /// have moved them since.
    pub(super) fn is_clock_noted(
        &self,
        tx: &Transaction<'_>,
        now: Now,
    ) -> Result<bool, StoreError> {
        let offset_ms = now.wall.ms() - now.boot_ms;
        let is_noted = |(boot_id, noted_ms): (String, i64)| {
            boot_id == self.boot_id && (offset_ms - noted_ms).abs() < JUMP_MS
        };
        Ok(!self.knows_boot() || noted(tx)?.is_some_and(is_noted))
    }
}

fn noted(connection: &Connection) -> Result<Option<(String, i64)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT boot_id, offset_ms FROM clock")?;
    Ok(statement
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

fn move_deadlines(tx: &Transaction<'_>, ms: i64) -> Result<(), StoreError> {
    for statement in [
        "UPDATE jobs SET ttl_deadline = ttl_deadline + :ms, delete_after = delete_after + :ms, due_at = due_at + :ms",
        "UPDATE tasks SET due_at = due_at + :ms",
        "UPDATE tombstones SET forget_at = forget_at + :ms, ttl_deadline = ttl_deadline + :ms",
        "UPDATE tasks SET run_at = run_at + :ms WHERE status = 'waiting'",
    ] {
        tx.prepare_cached(statement)?
            .execute(named_params! {":ms": ms})?;
    }
    Ok(())
}
