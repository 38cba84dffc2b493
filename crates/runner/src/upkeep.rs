//! Housekeeping: what any process with the store open does about once a second.
//!
//! Called by [`Supervisor`](crate::Supervisor) and by the api, so that deletion and reclaiming go on
//! while only one of them runs.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use steno_store::{Clock, Store, StoreError, Sweep};

/// Pause between two ticks.
const TICK: Duration = Duration::from_secs(1);

/// In a process that is not on watch: the pause between two searches for dead processes, and the
/// factor of the pause between two sweeps.
const RECLAIM_PAUSE_OFF_WATCH: Duration = Duration::from_secs(10);
const SWEEP_FACTOR_OFF_WATCH: u32 = 4;

/// Deletes what is due and returns the tasks of dead processes.
pub struct Upkeep {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    sweep_interval: Duration,
    swept_at: Instant,
    reclaimed_at: Instant,
}

impl Upkeep {
    /// The first sweep is due after `sweep_interval`.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>, sweep_interval: Duration) -> Self {
        Self {
            store,
            clock,
            sweep_interval,
            swept_at: Instant::now(),
            reclaimed_at: Instant::now(),
        }
    }

    /// Time until the next tick is due, for a caller whose last one began at `ticked_at`: a second, or less if a process has lost
    /// its connections and an earlier tick can tell whether it is dead.
    pub fn time_to_tick(&self, ticked_at: Instant) -> Duration {
        next_tick(ticked_at, self.store.next_reclaim_at()).saturating_duration_since(Instant::now())
    }

    /// Does what is due. Call it after [`Upkeep::time_to_tick`]. `own_run` is the caller's run, if it has one.
    ///
    /// A step that fails is logged and does not keep the others from being done. Only an error after
    /// which the process has to end is returned. Returns how many steps of a sweep failed, if one
    /// was due.
    pub fn tick(&mut self, own_run: Option<&str>) -> Result<Option<u32>, StoreError> {
        passed(self.store.check_in_place(), "cannot find the data folder")?;
        passed(
            self.store.follow_clock(self.clock.now()).map(drop),
            "cannot follow the clock",
        )?;
        let is_on_watch = self.store.is_on_watch();
        let is_process_missed = self.store.next_reclaim_at().is_some();
        if is_on_watch
            || is_process_missed
            || self.reclaimed_at.elapsed() >= RECLAIM_PAUSE_OFF_WATCH
        {
            self.reclaimed_at = Instant::now();
            passed(self.reclaim(own_run), "cannot look for dead workers")?;
        }

        let pause = if is_on_watch {
            self.sweep_interval
        } else {
            self.sweep_interval * SWEEP_FACTOR_OFF_WATCH
        };
        if self.swept_at.elapsed() < pause {
            return Ok(None);
        }
        self.swept_at = Instant::now();
        self.sweep().map(Some)
    }

    /// Deletes what is due, whatever the interval. Returns how many steps failed.
    pub fn sweep(&self) -> Result<u32, StoreError> {
        match self.store.sweep(self.clock.now()) {
            Ok(swept) => {
                if swept != Sweep::default() {
                    tracing::info!(?swept, "deleted what was due");
                }
                Ok(swept.failed_steps)
            }
            Err(error) => passed(Err(error), "cannot delete what is due").map(|()| 1),
        }
    }

    fn reclaim(&self, own_run: Option<&str>) -> Result<(), StoreError> {
        let reclaimed = self.store.reclaim_tasks(self.clock.now(), own_run)?;
        if reclaimed.runs > 0 {
            tracing::warn!(
                ?reclaimed,
                "returned the tasks of {} dead workers",
                reclaimed.runs
            );
        }
        Ok(())
    }
}

/// Logs an error that a later tick may not meet; returns a fatal one.
pub(crate) fn passed(outcome: Result<(), StoreError>, what: &str) -> Result<(), StoreError> {
    match outcome {
        Err(error) if !error.is_fatal() => {
            tracing::warn!(error = &error as &dyn Error, "{what}");
            Ok(())
        }
        outcome => outcome,
    }
}

/// When the tick after the one at `ticked_at` is due. A search for dead processes that was due before `ticked_at` and is still due
/// is ignored: that tick could not reach the database.
fn next_tick(ticked_at: Instant, reclaim_at: Option<Instant>) -> Instant {
    let tick_at = ticked_at + TICK;
    reclaim_at
        .filter(|at| *at > ticked_at)
        .map_or(tick_at, |at| at.min(tick_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_comes_sooner_for_a_search_that_is_due_and_never_later() {
        let ticked_at = Instant::now();
        let after = |ms| ticked_at + Duration::from_millis(ms);
        assert_eq!(next_tick(ticked_at, None), ticked_at + TICK);
        assert_eq!(next_tick(ticked_at, Some(after(700))), after(700));
        assert_eq!(next_tick(ticked_at, Some(after(3000))), ticked_at + TICK);
        assert_eq!(next_tick(ticked_at, Some(ticked_at)), ticked_at + TICK);
    }
}
