//! The api's share of the housekeeping, its watchdog and its metrics.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use steno_runner::Upkeep;
use steno_store::{Clock, Store, StoreError};
use tokio::sync::watch;

use crate::memory;
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::refusal_log::RefusalLog;
use crate::state::report;

/// Pause between two ticks of the upkeep, and between two signs of life.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two returns of free memory to the system.
const MEMORY_TICKS: u32 = 10;
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
        let mut ticks = 0_u32;
        while !*stopping.borrow() {
            ticks = ticks.wrapping_add(1);
            if ticks.is_multiple_of(MEMORY_TICKS) {
                memory::give_back();
            }
            if let Some(failed_steps) = ended_if_fatal(upkeep.tick(None)).flatten() {
                metrics.note_sweep(failed_steps);
                metrics.run_upkeep();
                refusals.report();
            }
            feed_watchdog(&pulse);
            thread::sleep(TICK);
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
            thread::sleep(TICK);
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
