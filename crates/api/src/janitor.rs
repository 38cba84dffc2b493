//! The api's share of the housekeeping, its watchdog and its metrics.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use steno_runner::Upkeep;
use steno_store::{Clock, Store, StoreError};
use tokio::sync::watch;

use crate::memory;
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::refusal_log::RefusalLog;
use crate::state::report;

/// Pause between two checks whether a scan of the storage is due.
const SCAN_PAUSE: Duration = Duration::from_secs(1);
/// Pause between two returns of free memory to the system.
const MEMORY_PAUSE: Duration = Duration::from_secs(10);
/// An event loop that has not turned for this long hangs.
const HANG: Duration = Duration::from_secs(15);

/// Starts the janitor. It ends within a second of `stopping`.
pub(crate) fn start(
    mut upkeep: Upkeep,
    metrics: Arc<Metrics>,
    refusals: Arc<RefusalLog>,
    pulse: Arc<Pulse>,
    stopping: watch::Receiver<bool>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut given_back_at = Instant::now();
        while !*stopping.borrow() {
            let ticked_at = Instant::now();
            if given_back_at.elapsed() >= MEMORY_PAUSE {
                given_back_at = ticked_at;
                memory::give_back();
            }
            if let Some(failed_steps) = ended_if_fatal(upkeep.tick(None)).flatten() {
                metrics.note_sweep(failed_steps);
                metrics.run_upkeep();
                refusals.report();
            }
            feed_watchdog(&pulse);
            thread::sleep(upkeep.time_to_tick(ticked_at));
        }
    })
}

/// Starts the thread that looks for objects in the storage that no job names. It has its own thread
/// because it lists the whole storage. The process ends without waiting for it.
pub(crate) fn start_storage_scan(
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    stopping: watch::Receiver<bool>,
) {
    thread::spawn(move || {
        while !*stopping.borrow() {
            match store.scan_storage(clock.now()) {
                Ok(0) => {}
                Ok(orphans) => tracing::info!(orphans, "deleted objects that no job names"),
                Err(error) => report(&error, "cannot look for objects that no job names"),
            }
            thread::sleep(SCAN_PAUSE);
        }
    });
}

/// Deletes what is due, once.
pub(crate) fn sweep(upkeep: &Upkeep, metrics: &Metrics) {
    if let Some(failed_steps) = ended_if_fatal(upkeep.sweep()) {
        metrics.note_sweep(failed_steps);
    }
}

/// Feeds the watchdog of systemd while every event loop turns.
fn feed_watchdog(pulse: &Pulse) {
    let silence = pulse.silence();
    if silence < HANG {
        // Without systemd, or without a watchdog, this does nothing.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
    } else {
        tracing::error!(
            "an event loop has not turned for {} s: some clients get no answer",
            silence.as_secs()
        );
    }
}

/// The value; the process ends after a fatal error of the store.
fn ended_if_fatal<T>(outcome: Result<T, StoreError>) -> Option<T> {
    outcome
        .inspect_err(|error| report(error, "cannot look after the queue"))
        .ok()
}
