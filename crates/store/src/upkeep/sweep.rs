//! Sweeping: what is due is deleted, whatever happened to the process that should have done it.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::{Mutex, PoisonError};

use steno_models::TombstoneReason;

use crate::files::ballast;
use crate::jobs::delete::bury;
use crate::tx::Tx;
use crate::{Now, Store, StoreError};

/// Jobs deleted in one transaction, so that no other writer waits long.
const BATCH: u32 = 100;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Jobs deleted because their deadline had passed.
    pub expired: u32,
    /// Jobs deleted because they had been retrieved.
    pub retrieved: u32,
    /// Files deleted that belonged to no job.
    pub orphans: u32,
    /// Steps that failed, each of which is in the log.
    pub failed_steps: u32,
}

/// Pause after which a failure that goes on is logged again.
const LOG_AGAIN_MS: i64 = 3_600_000;

/// Failed steps that are in the log, with the time since boot of their last line, in milliseconds.
#[derive(Default)]
pub(crate) struct LoggedFailures(Mutex<HashMap<String, i64>>);

impl LoggedFailures {
    /// Whether a failure has to be logged: it is new, or was logged an hour ago.
    fn is_due(&self, failure: String, now: Now) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logged.retain(|_, at| now.boot_ms - *at < LOG_AGAIN_MS);
        if logged.contains_key(&failure) {
            return false;
        }
        logged.insert(failure, now.boot_ms);
        true
    }
}

/// Steps of a sweep that failed.
struct Failures<'a> {
    count: u32,
    now: Now,
    logged: &'a LoggedFailures,
}

impl Failures<'_> {
    /// Logs a failed step, so that the sweep goes on. Returns an error after which the process has to end.
    fn note(&mut self, step: &str, outcome: Result<(), StoreError>) -> Result<(), StoreError> {
        let Err(error) = outcome else { return Ok(()) };
        if error.is_fatal() && !error.is_disk_full() {
            return Err(error);
        }
        self.count += 1;
        if !self
            .logged
            .is_due(format!("{step}: {error}: {}", cause(&error)), self.now)
        {
            return Ok(());
        }
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "sweep: cannot {step}"
        );
        Ok(())
    }
}

/// What kind of failure it is, in the same words each time, so that one that lasts is logged once an hour.
fn cause(error: &StoreError) -> String {
    use object_store::Error as Storage;

    let StoreError::Storage { source, .. } = error else {
        return error.source().map(ToString::to_string).unwrap_or_default();
    };
    // Its text has the keys and the duration of the request.
    let kind = match **source {
        Storage::PermissionDenied { .. } => "permission denied",
        Storage::Unauthenticated { .. } => "not authenticated",
        Storage::NotFound { .. } => "not found",
        _ => "other",
    };
    kind.to_owned()
}

impl Store {
    /// Deletes every job that is due, forgets old tombstones, empties the write-ahead log, in which
    /// deleted text would survive, and deletes listed and orphaned files.
    ///
    /// The steps do not depend on each other: one that fails is logged, once an hour, and the others are done. Only
    /// an error after which the process has to end is returned.
    pub fn sweep(&self, now: Now) -> Result<Sweep, StoreError> {
        let mut sweep = Sweep::default();
        let mut failures = Failures {
            count: 0,
            now,
            logged: &self.logged_failures,
        };

        failures.note("follow the clock", self.follow_clock(now).map(drop))?;
        failures.note(
            "delete expired jobs",
            self.bury_due(now, TombstoneReason::Expired, &mut sweep.expired),
        )?;
        failures.note(
            "delete retrieved jobs",
            self.bury_due(now, TombstoneReason::Retrieved, &mut sweep.retrieved),
        )?;
        failures.note("forget tombstones", self.forget_tombstones(now))?;
        failures.note(
            "release abandoned uploads",
            self.release_abandoned_uploads(),
        )?;
        // Before anything is done to files: whatever is wrong with those, no text stays in the log.
        failures.note("empty the WAL", self.database.empty_wal())?;
        failures.note("delete files", self.delete_files())?;
        failures.note(
            "delete orphaned files",
            self.delete_orphans(&mut sweep.orphans),
        )?;
        failures.note("empty the WAL", self.database.empty_wal())?;
        failures.note("keep the ballast", ballast::keep(&self.data))?;

        sweep.failed_steps = failures.count;
        Ok(sweep)
    }

    fn forget_tombstones(&self, now: Now) -> Result<(), StoreError> {
        if !self.read_statements(|tx| tx.any_forgettable_tombstone(now.wall))? {
            return Ok(());
        }
        self.write(|tx, _| tx.forget_tombstones(now.wall))
    }

    /// Adds the jobs that it deletes to `buried`.
    fn bury_due(
        &self,
        now: Now,
        reason: TombstoneReason,
        buried: &mut u32,
    ) -> Result<(), StoreError> {
        let select_due = |tx: &Tx<'_>| match reason {
            TombstoneReason::Expired => tx.due_expired(now.wall, BATCH),
            _ => tx.due_retrieved(now.wall, BATCH),
        };

        loop {
            // Read without the write lock first: most sweeps find nothing.
            let due = self.read(select_due)?;
            if due.is_empty() {
                return Ok(());
            }

            let in_batch = self.write(|tx, effects| {
                if !self.is_clock_noted(tx, now)? {
                    return Ok(0);
                }
                let due = select_due(tx)?;
                for seq in &due {
                    bury(tx, effects, now, *seq, reason, &self.settings)?;
                }
                Ok(due.len() as u32)
            })?;

            if in_batch == 0 {
                // The clock has jumped since this sweep began, or another process was faster.
                return Ok(());
            }
            *buried += in_batch;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock as _, ManualClock};

    #[test]
    fn a_refusal_of_the_storage_is_one_cause_however_long_it_took() {
        let refused = |milliseconds: u32| StoreError::Storage {
            action: "delete",
            object: "s3://bucket/queue/files".to_owned(),
            source: Box::new(object_store::Error::PermissionDenied {
                path: format!("queue/audio/{milliseconds}"),
                source: format!("status 403 in {milliseconds} ms").into(),
            }),
        };
        assert_eq!(cause(&refused(2)), cause(&refused(7)));
        assert_eq!(cause(&refused(2)), "permission denied");
    }

    #[test]
    fn a_failure_that_goes_on_is_logged_once_an_hour() {
        let clock = ManualClock::at_ms(0);
        let logged = LoggedFailures::default();
        let is_due = |failure: &str| logged.is_due(failure.to_owned(), clock.now());
        assert!(is_due("cannot unlink a"));
        assert!(!is_due("cannot unlink a"));
        assert!(is_due("cannot unlink b"));

        clock.advance_ms(LOG_AGAIN_MS - 1);
        assert!(!is_due("cannot unlink a"));
        clock.advance_ms(1);
        assert!(is_due("cannot unlink a"));
    }
}
