//! The api's share of the housekeeping: deletes what is due, returns tasks of dead workers, feeds systemd's watchdog.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use steno_store::{Clock, Store};
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::problem::report;
use crate::pulse::Pulse;
use crate::refusal_log::RefusalLog;

/// Pause between two looks for dead workers, and between two signs of life.
const TICK: Duration = Duration::from_secs(1);
/// An event loop that has not turned for so long hangs.
const HANG: Duration = Duration::from_secs(15);

/// Starts the janitor. It ends within a second of `stopping`.
pub(crate) fn start(
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    refusals: Arc<RefusalLog>,
    pulse: Arc<Pulse>,
    sweep_interval: Duration,
    stopping: watch::Receiver<bool>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut swept = Instant::now();
        while !*stopping.borrow() {
            if let Err(error) = store.check_in_place() {
                report(&error, "cannot find the data folder");
            }
            if swept.elapsed() >= sweep_interval {
                sweep(&store, &*clock, &metrics);
                metrics.run_upkeep();
                refusals.report();
                swept = Instant::now();
            }
            if let Err(error) = store.follow_clock(clock.now()) {
                report(&error, "cannot follow the clock");
            }
            match store.reclaim_tasks(clock.now(), None) {
                Ok(reclaimed) if reclaimed.runs > 0 => {
                    tracing::warn!(
                        ?reclaimed,
                        "returned the tasks of {} dead workers",
                        reclaimed.runs
                    );
                }
                Ok(_) => {}
                Err(error) => report(&error, "cannot look for dead workers"),
            }
            let silence = pulse.silence();
            if silence < HANG {
                // Not under systemd, or without a watchdog, this does nothing.
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
            } else {
                tracing::error!(
                    "an event loop has not turned for {} s: some clients get no answer",
                    silence.as_secs()
                );
            }
            thread::sleep(TICK);
        }
    })
}

/// Deletes what is due, once.
pub(crate) fn sweep(store: &Store, clock: &dyn Clock, metrics: &Metrics) {
    let outcome = store.sweep(clock.now());
    metrics.note_sweep(outcome.as_ref().map_or(1, |swept| swept.failed_steps));
    match outcome {
        Ok(swept) if swept != steno_store::Sweep::default() => {
            tracing::info!(?swept, "deleted what was due")
        }
        Ok(_) => {}
        Err(error) => report(&error, "cannot delete what is due"),
    }
}
