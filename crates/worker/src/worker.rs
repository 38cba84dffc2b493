//! The worker as a task runner, with one engine for all slots.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use steno_runner::{
    ClaimedTask, Done, Ended, RunnerSettings, Supervisor, TaskRunner, TaskSlot, Undone,
};
use steno_store::{Clock, DIARIZATION, RunSettings, Store, StoreError, TaskKind};

use crate::Config;
use crate::decode_process::{DecodeSettings, MemoryKills};
use crate::engine::{Device, Engine, Session, VERSION};
use crate::priority::lower_priority;
use crate::speaker_networks::SpeakerNetworks;
use crate::task::{self, TaskContext};

/// What workers do. Recordings are fetched by couriers.
const KINDS: [TaskKind; 4] = [
    TaskKind::Prepare,
    TaskKind::Transcribe,
    TaskKind::Voices,
    TaskKind::Diarize,
];

/// A worker that is registered and has its slots running.
pub struct Worker(Supervisor);

impl Worker {
    /// Registers this process and starts its slots.
    pub fn start(
        config: &Config,
        store: Arc<Store>,
        engine: Arc<dyn Engine>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let settings = RunnerSettings {
            run: RunSettings {
                role: steno_store::RunRole::Worker,
                slots: config.slots(),
                model: engine.model().to_owned(),
                version: version(config),
            },
            stall_timeout: config.stall_timeout,
            drain_timeout: config.drain_timeout,
            sweep_interval: config.queue.sweep_interval,
        };
        let transcriber = Transcriber {
            engine,
            decode: config.decode_settings(),
            memory_kills: MemoryKills::default(),
            speaker_networks: SpeakerNetworks::configured(config),
            announced: Mutex::default(),
        };
        Supervisor::start(settings, store, Arc::new(transcriber), clock).map(Self)
    }

    /// Works until `stop` is set, then drains.
    pub fn run(self, stop: &AtomicBool) -> Result<Ended, StoreError> {
        self.0.run(stop)
    }
}

/// What all slots of a worker share.
struct Transcriber {
    engine: Arc<dyn Engine>,
    decode: DecodeSettings,
    memory_kills: MemoryKills,
    speaker_networks: SpeakerNetworks,
    /// The weights that jobs may ask for, as last announced.
    announced: Mutex<Vec<String>>,
}

impl TaskRunner for Transcriber {
    fn kinds(&self) -> &[TaskKind] {
        &KINDS
    }

    fn open_slot(&self) -> Box<dyn TaskSlot + '_> {
        lower_priority();
        Box::new(TranscriberSlot {
            shared: self,
            session: self.engine.session(),
        })
    }

    /// Weights may be pulled while workers run.
    fn after_heartbeat(&self, store: &Store) -> Result<(), StoreError> {
        let mut models = self.engine.models();
        if self.speaker_networks.are_available() {
            models.push(DIARIZATION.to_owned());
        }
        let mut announced = self
            .announced
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *announced != models {
            store.announce_models(&models)?;
            *announced = models;
        }
        Ok(())
    }
}

struct TranscriberSlot<'a> {
    shared: &'a Transcriber,
    session: Box<dyn Session + 'a>,
}

impl TaskSlot for TranscriberSlot<'_> {
    fn run(&mut self, task: &ClaimedTask<'_>) -> Result<Done, Undone> {
        // Spans use the weights of their plan, also when the default has changed since: one text, one model.
        let claim = task.claim;
        let chosen = claim.options.model.as_deref().or(claim.model.as_deref());
        let context = TaskContext {
            files: task.store.files(),
            decode: &self.shared.decode,
            memory_kills: &self.shared.memory_kills,
            speaker_networks: &self.shared.speaker_networks,
            model: chosen.unwrap_or_else(|| self.shared.engine.model()),
            control: task.control,
        };
        task::run(task.claim, task.store, &context, self.session.as_mut()).map_err(Undone::from)
    }
}

/// The version, the device, and the engine with the reason for it, as `/readyz` shows them.
fn version(config: &Config) -> String {
    // A device that cannot be used has already ended the start.
    let device = config.device.resolve().unwrap_or(Device::Cpu).describe();
    match config.chosen_engine() {
        Ok(chosen) => format!("{}, on {device}, {chosen}", *VERSION),
        // The start fails on an engine that cannot be used, so this is one that a test passes in.
        Err(_) => VERSION.clone(),
    }
}
