//! A worker process: its slots, and the one thread that watches over them and over the queue.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use steno_store::{
    Clock, RunSettings, Store, StoreError, Sweep, WakeMessage, WakeSocket, WorkerRun,
};

use crate::Config;
use crate::engine::{Engine, VERSION};
use crate::slot::{self, Shared, SlotState};
use crate::wakeup::Wakeup;

/// Pause between two looks at everything that no datagram announces.
const TICK: Duration = Duration::from_secs(1);
/// Pause between two looks while the worker drains.
const DRAIN_TICK: Duration = Duration::from_millis(20);
/// Time for slots to notice that they are to stop, after the time to drain is over.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// What a draining worker asks systemd for at each heartbeat.
const STOP_EXTENSION_US: u32 = 60_000_000;

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to stop, and every task was finished or given back.
    Drained,
    /// A slot failed, hung or could not be trusted any more: the process must end so that its tasks are reclaimed.
    Broken,
}

/// A slot's state and its thread.
type Slot = (Arc<SlotState>, JoinHandle<Result<(), StoreError>>);

/// A worker that is registered and has its slots running.
pub struct Worker {
    config: Config,
    shared: Arc<Shared>,
    slots: Vec<Slot>,
    socket: WakeSocket,
    /// The weights it has announced.
    models: Vec<String>,
}

impl Worker {
    /// Returns the tasks of dead workers, deletes what is due, registers this run and starts its slots.
    pub fn start(
        config: Config,
        store: Arc<Store>,
        engine: Arc<dyn Engine>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let run = WorkerRun::begin(store.data())?;
        let socket = WakeSocket::bind_worker(store.data(), run.id())?;
        store.reclaim_tasks(clock.now(), Some(run.id()))?;
        // What is wrong with single files is in the log, and the next sweep tries again.
        store.sweep(clock.now())?;
        let settings = RunSettings {
            slots: config.slots(),
            model: engine.model().to_owned(),
            version: VERSION.clone(),
        };
        store.register_run(clock.now(), &run, &settings)?;
        let models = engine.models();
        store.announce_models(&models)?;
        let shared = Arc::new(Shared {
            store,
            run,
            clock,
            engine,
            decode: config.decode_settings(),
            wakeup: Wakeup::default(),
            draining: AtomicBool::new(false),
        });
        let slots = (0..config.slots())
            .map(|_| {
                let state = Arc::new(SlotState::new(Arc::clone(&shared.clock)));
                let (shared, own) = (Arc::clone(&shared), Arc::clone(&state));
                (state, thread::spawn(move || run_slot(&shared, &own)))
            })
            .collect();
        Ok(Self {
            config,
            shared,
            slots,
            socket,
            models,
        })
    }

    /// Watches over the slots until `stop` is set, then drains.
    pub fn run(mut self, stop: &AtomicBool) -> Result<Ended, StoreError> {
        let now = Instant::now();
        let mut due = Due {
            tick: now,
            heartbeat: now,
            sweep: now,
            version: None,
        };
        while !stop.load(Ordering::SeqCst) {
            match self.socket.receive(TICK) {
                Some(WakeMessage::Work) => self.shared.wakeup.wake_all(),
                Some(WakeMessage::Cancel(claim)) => self
                    .slots
                    .iter()
                    .for_each(|(slot, _)| slot.stop_claim(claim)),
                Some(WakeMessage::Changed(_)) | None => {}
            }
            if due.tick.elapsed() < TICK {
                continue;
            }
            due.tick = Instant::now();
            let broken = self.broken_slots();
            if !broken.is_empty() {
                return self.abandon(&broken);
            }
            match self.look_around(&mut due) {
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn Error, "cannot look after the queue")
                }
                Ok(()) => {}
            }
            // Not under systemd, or without a watchdog, this does nothing.
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
        self.drain()
    }

    /// Slots that have ended although nobody asked them to, or give no sign of life.
    fn broken_slots(&self) -> Vec<&SlotState> {
        let now = self.shared.clock.now().boot_ms;
        let is_broken = |(state, thread): &&Slot| {
            let silent = state.silent_for(now);
            if silent > self.config.stall_timeout {
                tracing::error!(
                    "a slot has given no sign of life for {} s (STENO_STALL_TIMEOUT)",
                    silent.as_secs()
                );
            }
            if thread.is_finished() {
                tracing::error!("a slot has ended by itself");
            }
            thread.is_finished() || silent > self.config.stall_timeout
        };
        self.slots
            .iter()
            .filter(is_broken)
            .map(|(state, _)| &**state)
            .collect()
    }

    /// Ends this run: the tasks of its broken slots are charged with it, the others go back unharmed.
    fn abandon(&self, broken: &[&SlotState]) -> Result<Ended, StoreError> {
        let Shared {
            store, run, clock, ..
        } = &*self.shared;
        let at_fault: Vec<_> = broken.iter().filter_map(|slot| slot.claim()).collect();
        store.abandon_run(clock.now(), run, &at_fault)?;
        Ok(Ended::Broken)
    }

    /// What is done about once a second, whatever the datagrams say.
    fn look_around(&mut self, due: &mut Due) -> Result<(), StoreError> {
        let Shared {
            store,
            run,
            clock,
            engine,
            ..
        } = &*self.shared;
        store.check_in_place()?;
        if due.heartbeat.elapsed() >= store.settings().heartbeat_interval() {
            store.heartbeat(clock.now(), run)?;
            // Weights may be pulled while workers run.
            let models = engine.models();
            if models != self.models {
                store.announce_models(&models)?;
                self.models = models;
            }
            due.heartbeat = Instant::now();
        }
        store.follow_clock(clock.now())?;
        let reclaimed = store.reclaim_tasks(clock.now(), Some(run.id()))?;
        if reclaimed.runs > 0 {
            tracing::warn!(
                ?reclaimed,
                "returned the tasks of {} dead workers",
                reclaimed.runs
            );
        }
        let version = store.version()?;
        if due.version.replace(version) != Some(version) {
            self.shared.wakeup.wake_all();
            self.stop_lost_claims()?;
        }
        if due.sweep.elapsed() >= self.config.queue.sweep_interval {
            let swept = store.sweep(clock.now())?;
            if swept != Sweep::default() {
                tracing::info!(?swept, "deleted what was due");
            }
            due.sweep = Instant::now();
        }
        Ok(())
    }

    /// Stops slots whose job was deleted, for the case that the datagram got lost.
    fn stop_lost_claims(&self) -> Result<(), StoreError> {
        // The slots first: a claim that is made after the look at the table must not be taken for lost.
        let working: Vec<_> = self
            .slots
            .iter()
            .filter_map(|(slot, _)| Some((slot, slot.claim()?)))
            .collect();
        if working.is_empty() {
            return Ok(());
        }
        let standing = self.shared.store.standing_claims(&self.shared.run)?;
        for (slot, claim) in working {
            if !standing.contains(&claim) {
                slot.stop_claim(claim);
            }
        }
        Ok(())
    }

    /// Lets tasks in progress end, then gives back what has not. Its claims stand meanwhile.
    fn drain(self) -> Result<Ended, StoreError> {
        let Self {
            config,
            shared,
            slots,
            ..
        } = self;
        tracing::info!(
            "draining: no more claims, up to {} s for what is running",
            config.drain_timeout.as_secs()
        );
        shared.draining.store(true, Ordering::SeqCst);
        shared.wakeup.wake_all();
        let mut heartbeat_due = Instant::now();
        let mut all_ended = |limit: Duration| -> Result<bool, StoreError> {
            let began = Instant::now();
            while slots.iter().any(|(_, thread)| !thread.is_finished()) && began.elapsed() < limit {
                if Instant::now() >= heartbeat_due {
                    keep_alive(&shared)?;
                    heartbeat_due = Instant::now() + shared.store.settings().heartbeat_interval();
                }
                thread::sleep(DRAIN_TICK);
            }
            Ok(slots.iter().all(|(_, thread)| thread.is_finished()))
        };
        if !all_ended(config.drain_timeout)? {
            for (slot, _) in &slots {
                slot.claim()
                    .into_iter()
                    .for_each(|claim| slot.stop_claim(claim));
            }
            if !all_ended(STOP_LIMIT)? {
                tracing::error!(
                    "a slot does not stop; its task goes back when this process is gone"
                );
                return Ok(Ended::Broken);
            }
        }
        // One that failed since the last look has said why in the log.
        if slots
            .into_iter()
            .any(|(_, thread)| !matches!(thread.join(), Ok(Ok(()))))
        {
            return Ok(Ended::Broken);
        }
        shared.store.end_run(&shared.run)?;
        tracing::info!("drained");
        Ok(Ended::Drained)
    }
}

/// A slot's thread. That it has ended is noticed later; why, is said here.
fn run_slot(shared: &Shared, state: &SlotState) -> Result<(), StoreError> {
    slot::run(shared, state)
        .inspect_err(|error| tracing::error!(error = error as &dyn Error, "a slot cannot go on"))
}

/// A sign of life of a worker that drains, to the queue and to systemd: the unit's `TimeoutStopSec=` is for when there is none.
fn keep_alive(shared: &Shared) -> Result<(), StoreError> {
    match shared.store.heartbeat(shared.clock.now(), &shared.run) {
        Err(error) if error.is_fatal() => return Err(error),
        Err(error) => tracing::warn!(
            error = &error as &dyn Error,
            "cannot extend the lease while draining"
        ),
        Ok(()) => {}
    }
    let _ = sd_notify::notify(&[
        NotifyState::Watchdog,
        NotifyState::ExtendTimeoutUsec(STOP_EXTENSION_US),
    ]);
    Ok(())
}

/// When things were last done.
struct Due {
    tick: Instant,
    heartbeat: Instant,
    sweep: Instant,
    version: Option<i64>,
}
