//! Jumps of the wall clock: deadlines move with it, so that no text is deleted early or kept for longer.
//!
//! Deadlines are written in wall time, for clients to read, but are meant as lengths of time. Within a boot the time since boot
//! shows how much of it has passed, whatever the wall clock says.

use crate::tx::Tx;
use crate::{Now, Store, StoreError};

/// Smaller differences are NTP keeping the clock right.
const JUMP_MS: i64 = 300_000;
/// Differences that are worth noting, so that small ones do not add up to a jump.
const DRIFT_MS: i64 = 1_000;

impl Store {
    /// Checks whether the wall clock has jumped since the last check of any process, and moves every deadline with it. To be
    /// called before a deadline is set or read, and about once a second. Returns the milliseconds it jumped by.
    pub fn follow_clock(&self, now: Now) -> Result<Option<i64>, StoreError> {
        let Some(own_boot) = self.liveness.boot_id() else {
            // Another boot cannot be distinguished from a jump. The clock of a database server has no such check.
            return Ok(None);
        };
        let offset_ms = now.wall.ms() - now.boot_ms;
        let is_as_noted = |noted: Option<(String, i64)>| {
            noted.is_some_and(|(boot_id, noted_ms)| {
                boot_id == own_boot && (offset_ms - noted_ms).abs() < DRIFT_MS
            })
        };
        if self.read_statements(|tx| Ok(is_as_noted(tx.noted_clock()?)))? {
            return Ok(None);
        }

        let jumped_ms = self.write(|tx, _| {
            let jumped_ms = match tx.noted_clock()? {
                Some((boot_id, noted_ms)) if boot_id == own_boot => offset_ms - noted_ms,
                _ => 0,
            };
            tx.note_clock(own_boot, offset_ms)?;
            if jumped_ms.abs() < JUMP_MS {
                return Ok(None);
            }
            tx.move_deadlines(jumped_ms)?;
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
    pub(crate) fn is_clock_noted(&self, tx: &Tx<'_>, now: Now) -> Result<bool, StoreError> {
        let Some(own_boot) = self.liveness.boot_id() else {
            return Ok(true);
        };
        let offset_ms = now.wall.ms() - now.boot_ms;
        let is_noted = |(boot_id, noted_ms): (String, i64)| {
            boot_id == own_boot && (offset_ms - noted_ms).abs() < JUMP_MS
        };
        Ok(tx.noted_clock()?.is_some_and(is_noted))
    }
}
