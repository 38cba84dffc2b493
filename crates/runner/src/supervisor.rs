//! The thread that starts the slots, watches them, and ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use steno_store::{
    Audience, ClaimId, Clock, RunSettings, Store, StoreError, WakeListener, WakeMessage,
};

use crate::shared::Shared;
use crate::slot::TaskControl;
use crate::upkeep::passed;
use crate::wakeup::Wakeup;
use crate::{Ended, TaskRunner, Upkeep, flow};

mod drain;
#[cfg(test)]
mod tests;

/// Longest time in which no slot polls for tasks that are due by time.
const IDLE_LIMIT: Duration = Duration::from_secs(10);

/// How a process runs its tasks.
#[derive(Clone, Debug)]
pub struct RunnerSettings {
    /// What the process registers as, with its number of slots.
    pub run: RunSettings,
    /// Time without a sign of life from a slot after which the process ends.
    pub stall_timeout: Duration,
    /// Time for running tasks to finish after the process is asked to stop.
    pub drain_timeout: Duration,
    /// Pause between two sweeps of what is due for deletion.
    pub sweep_interval: Duration,
}

/// A registered process with its slots running.
pub struct Supervisor {
    settings: RunnerSettings,
    shared: Arc<Shared>,
    slots: Vec<Slot>,
    listener: WakeListener,
    upkeep: Upkeep,
    heartbeat_due: Instant,
    /// Claims of this run that no slot held at the last heartbeat.
    unheld: Vec<ClaimId>,
    /// The version of the store at the last tick.
    version: Option<i64>,
    /// When a slot was woken last without a message.
    polled_at: Instant,
}

/// A slot's thread, and what it shares with the supervisor.
struct Slot {
    control: Arc<TaskControl>,
    thread: JoinHandle<Result<(), StoreError>>,
}

impl Supervisor {
    /// Returns the tasks of dead processes, deletes what is due, registers this run and starts its
    /// slots.
    pub fn start(
        settings: RunnerSettings,
        store: Arc<Store>,
        runner: Arc<dyn TaskRunner>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let run = store.begin_run()?;
        let listener = store.listen(Audience::Workers)?;

        store.compare_settings()?;
        store.reclaim_tasks(clock.now(), Some(run.id()))?;
        store.sweep(clock.now())?;
        store.register_run(clock.now(), &run, &settings.run)?;
        runner.after_heartbeat(&store)?;

        let heartbeat_due = Instant::now() + store.settings().heartbeat_interval();
        let upkeep = Upkeep::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            settings.sweep_interval,
        );
        let shared = Arc::new(Shared {
            store,
            run,
            clock,
            runner,
            wakeup: Wakeup::default(),
            draining: AtomicBool::new(false),
            may_have_unheld_claims: AtomicBool::new(false),
        });
        let slots = (0..settings.run.slots)
            .map(|_| start_slot(&shared))
            .collect();
        Ok(Self {
            settings,
            shared,
            slots,
            listener,
            upkeep,
            heartbeat_due,
            unheld: Vec::new(),
            version: None,
            polled_at: Instant::now(),
        })
    }

    /// Names this run in the queue.
    pub fn run_id(&self) -> &str {
        self.shared.run.id()
    }

    /// Watches the slots until `stop` is set, then drains.
    pub fn run(mut self, stop: &AtomicBool) -> Result<Ended, StoreError> {
        let mut ticked_at = Instant::now();
        while !stop.load(Ordering::SeqCst) {
            // Messages must not delay the tick. It looks for dead workers, whose tasks have to be claimed again within two seconds.
            let limit = self.upkeep.time_to_tick(ticked_at);
            match self.listener.receive(limit.max(Duration::from_millis(1))) {
                Some(WakeMessage::Work) => self.shared.wakeup.wake_all(),
                Some(WakeMessage::Cancel(claim)) => {
                    for slot in &self.slots {
                        slot.control.stop_claim(claim);
                    }
                }
                Some(WakeMessage::Missed) => {
                    self.shared.wakeup.wake_all();
                    // Another server may have taken over, whose clock is ahead: the lease must not end before the next heartbeat.
                    passed(self.heartbeat(), "cannot send a heartbeat")?;
                    passed(self.stop_lost_claims(), "cannot check the claims")?;
                }
                Some(WakeMessage::Changed(_)) | None => {}
            }
            if !self.upkeep.time_to_tick(ticked_at).is_zero() {
                continue;
            }
            ticked_at = Instant::now();

            let broken = self.broken_slots();
            if !broken.is_empty() {
                return self.abandon(&broken);
            }
            self.tick()?;
            // Without systemd, or without a watchdog, this does nothing.
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
        drain::drain(&self.settings, &self.shared, self.slots)
    }

    /// Slots that have ended although the process does not drain, or give no sign of life.
    fn broken_slots(&self) -> Vec<&TaskControl> {
        let now = Instant::now();
        let is_broken = |slot: &&Slot| {
            let silent = slot.control.silent_for(now);
            let is_silent = silent > self.settings.stall_timeout;
            if is_silent {
                tracing::error!(
                    "a slot has given no sign of life for {} s (STENO_STALL_TIMEOUT)",
                    silent.as_secs()
                );
            }
            let has_ended = slot.thread.is_finished();
            if has_ended {
                tracing::error!("a slot has ended by itself");
            }
            has_ended || is_silent
        };
        self.slots
            .iter()
            .filter(is_broken)
            .map(|slot| &*slot.control)
            .collect()
    }

    /// Ends this run: the tasks of its broken slots are charged with it, the others go back unharmed.
    fn abandon(&self, broken: &[&TaskControl]) -> Result<Ended, StoreError> {
        let at_fault: Vec<_> = broken
            .iter()
            .filter_map(|control| control.claim())
            .collect();
        let now = self.shared.clock.now();
        self.shared
            .store
            .abandon_run(now, &self.shared.run, &at_fault)?;
        Ok(Ended::Broken)
    }

    /// What is done about once a second. Only an error after which the process has to end is
    /// returned; the others are logged, and the next tick tries again.
    fn tick(&mut self) -> Result<(), StoreError> {
        if Instant::now() >= self.heartbeat_due {
            passed(self.heartbeat(), "cannot send a heartbeat")?;
            passed(self.release_unheld_claims(), "cannot check the claims")?;
        }
        self.upkeep.tick(Some(self.shared.run.id()))?;
        passed(self.follow_version(), "cannot poll the queue")
    }

    fn heartbeat(&mut self) -> Result<(), StoreError> {
        let Shared {
            store,
            run,
            clock,
            runner,
            ..
        } = &*self.shared;
        store.heartbeat(clock.now(), run)?;
        self.heartbeat_due = Instant::now() + store.settings().heartbeat_interval();
        runner.after_heartbeat(store)
    }

    /// Wakes a slot and stops lost claims when the store has changed, in case a message was lost. Wakes one also after a while
    /// without a change, because tasks that wait become due by time.
    fn follow_version(&mut self) -> Result<(), StoreError> {
        let version = self.shared.store.version()?;
        let is_changed = self.version.replace(version) != Some(version);
        if is_changed || self.polled_at.elapsed() >= IDLE_LIMIT {
            self.polled_at = Instant::now();
            self.shared.wakeup.wake_one();
        }
        if !is_changed {
            return Ok(());
        }
        self.stop_lost_claims()
    }

    /// Gives back claims without a slot, which a commit has made whose answer was lost. A slot may be about to begin with a claim, so
    /// only those are given back that had no slot at the last heartbeat either. Asks the store only after an operation failed.
    fn release_unheld_claims(&mut self) -> Result<(), StoreError> {
        let Shared {
            store,
            run,
            may_have_unheld_claims,
            ..
        } = &*self.shared;
        let has_failed = may_have_unheld_claims.swap(false, Ordering::SeqCst);
        if !has_failed && self.unheld.is_empty() {
            return Ok(());
        }

        let standing = store.standing_claims(run).inspect_err(|_| {
            may_have_unheld_claims.store(true, Ordering::SeqCst);
        })?;
        let held: Vec<_> = self
            .slots
            .iter()
            .filter_map(|slot| slot.control.claim())
            .collect();
        let mut unheld = standing;
        unheld.retain(|claim| !held.contains(claim));
        let before = std::mem::replace(&mut self.unheld, unheld);
        let lost: Vec<_> = before
            .into_iter()
            .filter(|claim| self.unheld.contains(claim))
            .collect();
        if lost.is_empty() {
            return Ok(());
        }

        let released = store.release_claims(run, &lost)?;
        tracing::warn!(
            "gave back {released} tasks that were claimed without an answer of the database"
        );
        Ok(())
    }

    /// Stops slots whose job was deleted.
    fn stop_lost_claims(&self) -> Result<(), StoreError> {
        // The slots first: a claim that is made after the query must not be taken for lost.
        let working: Vec<_> = self
            .slots
            .iter()
            .filter_map(|slot| Some((slot, slot.control.claim()?)))
            .collect();
        if working.is_empty() {
            return Ok(());
        }

        let valid = self.shared.store.standing_claims(&self.shared.run)?;
        for (slot, claim) in working {
            if !valid.contains(&claim) {
                slot.control.stop_claim(claim);
            }
        }
        Ok(())
    }
}

fn start_slot(shared: &Arc<Shared>) -> Slot {
    let control = Arc::new(TaskControl::new());
    let own_shared = Arc::clone(shared);
    let own_control = Arc::clone(&control);
    let thread = thread::spawn(move || {
        // Logs the error here; the supervisor only sees that the thread ended.
        flow::run_slot(&own_shared, &own_control).inspect_err(|error| {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "a slot cannot go on"
            );
        })
    });
    Slot { control, thread }
}
