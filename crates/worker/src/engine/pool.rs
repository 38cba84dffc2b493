//! The weights a worker has in memory: loaded when a task first asks for them, dropped when others need their room.
//!
//! Slots take what they need for one task at a time, so that idle slots hold nothing.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use steno_weights::{Cache, Verified, WeightsError};

use super::{
    Backend, DetectedLanguage, Engine, EngineError, EngineRequest, LoadError, Model, Session,
    SpanText,
};
use crate::Control;

/// Pause between two checks for memory that another slot has freed.
const ROOM_TICK: Duration = Duration::from_millis(50);

/// How a worker keeps weights.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// Where the files are.
    pub cache: Cache,
    /// Name of the weights for jobs that name none. They are only dropped where a GPU has no room for others beside them.
    pub model: String,
    /// Bytes of weights to keep in memory, by the size of their files.
    pub budget_bytes: u64,
}

/// The weights of a worker.
pub struct WeightsPool {
    settings: PoolSettings,
    backend: Box<dyn Backend>,
    entries: Mutex<Vec<Entry>>,
    changed: Condvar,
}

/// Weights that are in memory, or on their way.
struct Entry {
    key: Key,
    bytes: u64,
    used: Instant,
    /// `None` while they are loaded.
    model: Option<Arc<dyn Model>>,
}

impl Entry {
    /// Whether they are in memory and no slot has them.
    fn is_unused(&self) -> bool {
        let model = self.model.as_ref();
        model.is_some_and(|model| Arc::strong_count(model) == 1)
    }
}

/// Weights can be in memory twice: alignment is decided when they are loaded, and costs runs that do not need it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    model: String,
    aligns: bool,
}

impl WeightsPool {
    /// A pool with the default weights loaded, which were verified when they were looked for.
    pub fn open(
        settings: PoolSettings,
        backend: Box<dyn Backend>,
        weights: &Verified,
    ) -> Result<Self, LoadError> {
        let key = Key {
            model: settings.model.clone(),
            aligns: false,
        };
        let bytes = settings
            .cache
            .lookup(&settings.model)?
            .map_or(0, |installed| installed.size_bytes);
        let pool = Self {
            settings,
            backend,
            entries: Mutex::default(),
            changed: Condvar::new(),
        };
        let model = Some(Arc::from(pool.load_verified(&key, weights)?));
        pool.lock().push(Entry {
            key,
            bytes,
            used: Instant::now(),
            model,
        });
        Ok(pool)
    }

    /// The weights, loaded if they are not there. Waits for room while other slots use what is in the way.
    fn take(
        &self,
        key: &Key,
        should_stop: &dyn Fn() -> bool,
    ) -> Result<Arc<dyn Model>, EngineError> {
        let mut bytes = None;
        let mut entries = self.lock();
        loop {
            if should_stop() {
                return Err(EngineError::Stopped);
            }
            match entries.iter_mut().find(|entry| entry.key == *key) {
                Some(Entry {
                    model: Some(model),
                    used,
                    ..
                }) => {
                    *used = Instant::now();
                    let model = Arc::clone(model);
                    // A state takes as much memory as the weights of base: only those in use are worth it.
                    let others = entries.iter().filter(|entry| entry.key != *key);
                    others
                        .flat_map(|entry| &entry.model)
                        .for_each(|other| other.free_idle());
                    return Ok(model);
                }
                // Another slot is loading them.
                Some(_) => {}
                None => {
                    let bytes = match bytes {
                        Some(bytes) => bytes,
                        None => *bytes.insert(self.size_of(key)?),
                    };
                    if self.make_room(&mut entries, key, bytes) {
                        entries.push(Entry {
                            key: key.clone(),
                            bytes,
                            used: Instant::now(),
                            model: None,
                        });
                        break;
                    }
                }
            }
            let waited = self.changed.wait_timeout(entries, ROOM_TICK);
            entries = waited.unwrap_or_else(PoisonError::into_inner).0;
        }

        drop(entries);
        let loaded = self.load(key);
        let mut entries = self.lock();
        let at = entries
            .iter()
            .position(|entry| entry.key == *key)
            .expect("an entry that is being loaded is not dropped");
        let loaded = match loaded {
            Ok(model) => Ok(Arc::clone(entries[at].model.insert(Arc::from(model)))),
            Err(error) => {
                entries.swap_remove(at);
                Err(error)
            }
        };

        self.changed.notify_all();

        loaded
    }

    /// Size of the weights' file, if they may be loaded at all.
    fn size_of(&self, key: &Key) -> Result<u64, EngineError> {
        let unavailable = |reason| EngineError::ModelUnavailable {
            model: key.model.clone(),
            reason,
        };
        let found = self.settings.cache.lookup(&key.model);
        let found = found.map_err(|error| self.cannot_load(key, &error.into()))?;
        let Some(bytes) = found.map(|found| found.size_bytes) else {
            return Err(self.not_installed(key));
        };
        if bytes > self.settings.budget_bytes && key.model != self.settings.model {
            return Err(unavailable(format!(
                "they are larger than {} bytes",
                self.settings.budget_bytes
            )));
        }
        Ok(bytes)
    }

    /// Drops the longest unused weights until `bytes` more fit. Whether they do.
    fn make_room(&self, entries: &mut Vec<Entry>, key: &Key, bytes: u64) -> bool {
        loop {
            let held: u64 = entries.iter().map(|entry| entry.bytes).sum();
            // The default weights have to be there, even if the budget is too small for them.
            let is_first = entries.iter().all(|entry| self.is_default(&entry.key));
            if held + bytes <= self.settings.budget_bytes
                || (is_first && key.model == self.settings.model)
            {
                return true;
            }
            let unused = |entry: &&Entry| entry.is_unused() && !self.is_default(&entry.key);
            let Some(oldest) = entries.iter().filter(unused).min_by_key(|entry| entry.used) else {
                // Nothing of the others is left: what stays is the default, and the two have to share.
                return is_first;
            };
            tracing::info!("dropping the weights {} from memory", oldest.key.model);
            let key = oldest.key.clone();
            entries.retain(|entry| entry.key != key);
        }
    }

    /// Drops all weights that no slot uses, because the GPU has no memory for further ones. Includes the default weights. Returns
    /// whether there were any.
    fn drop_unused(&self, reason: &str) -> bool {
        let mut entries = self.lock();
        let before = entries.len();
        entries.retain(|entry| !entry.is_unused());
        let dropped = before - entries.len();
        if dropped > 0 {
            tracing::info!(
                "the GPU has too little memory ({reason}): dropped {dropped} unused copies of weights"
            );
        }
        dropped > 0
    }

    fn is_default(&self, key: &Key) -> bool {
        key.model == self.settings.model && !key.aligns
    }

    fn load(&self, key: &Key) -> Result<Box<dyn Model>, EngineError> {
        let mut loaded = self.load_installed(key);
        if let Err(LoadError::Engine(EngineError::DeviceMemory(reason))) = &loaded
            && self.drop_unused(reason)
        {
            loaded = self.load_installed(key);
        }
        match loaded {
            Ok(model) => Ok(model),
            // Only jobs that name these weights fail: the worker goes on for others.
            Err(LoadError::Engine(error @ EngineError::TooLargeForDevice(_)))
                if key.model != self.settings.model =>
            {
                tracing::error!("cannot load the weights {}: {error}", key.model);
                let reason = "they do not fit into the memory of the server's GPU".to_owned();
                Err(EngineError::ModelUnavailable {
                    model: key.model.clone(),
                    reason,
                })
            }
            // Passed on as it is: the build or a setting has to be changed.
            Err(LoadError::Engine(error)) if error.needs_operator() => Err(error),
            Err(error) => Err(self.cannot_load(key, &error)),
        }
    }

    /// Logs why weights cannot be loaded. Missing or damaged ones fail the job that asks for them; anything
    /// else is the machine's fault and passes.
    fn cannot_load(&self, key: &Key, error: &LoadError) -> EngineError {
        tracing::error!(
            error = error as &(dyn std::error::Error + 'static),
            "cannot load the weights {}",
            key.model
        );
        match error {
            LoadError::Weights(WeightsError::NotInstalled { .. }) => self.not_installed(key),
            LoadError::Weights(WeightsError::Changed { .. } | WeightsError::Unrecorded { .. }) => {
                let reason = "the server cannot load them".to_owned();
                EngineError::ModelUnavailable {
                    model: key.model.clone(),
                    reason,
                }
            }
            _ => EngineError::NotLoaded {
                model: key.model.clone(),
            },
        }
    }

    /// Weights that are gone alone were removed; with the default ones, the whole folder is out of reach.
    fn not_installed(&self, key: &Key) -> EngineError {
        let default = self.settings.cache.lookup(&self.settings.model);
        if key.model == self.settings.model || !matches!(default, Ok(Some(_))) {
            tracing::error!(
                "the weights are not in {}",
                self.settings.cache.folder().display()
            );
            return EngineError::NotLoaded {
                model: key.model.clone(),
            };
        }
        let reason = "they are not installed on the server".to_owned();
        EngineError::ModelUnavailable {
            model: key.model.clone(),
            reason,
        }
    }

    fn load_installed(&self, key: &Key) -> Result<Box<dyn Model>, LoadError> {
        let weights = self.settings.cache.open_verified(&key.model)?;
        self.load_verified(key, &weights)
    }

    fn load_verified(&self, key: &Key, weights: &Verified) -> Result<Box<dyn Model>, LoadError> {
        let began = Instant::now();
        let align_as = key.aligns.then_some(key.model.as_str());
        let model = self.backend.load(weights, align_as)?;
        tracing::info!(
            model = key.model,
            sha256 = weights.sha256(),
            aligns = key.aligns,
            elapsed_ms = began.elapsed().as_millis() as u64,
            precision = model.precision(),
            "loaded the weights {}",
            key.model
        );
        Ok(model)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        // The entries are consistent after every statement.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for WeightsPool {
    fn model(&self) -> &str {
        &self.settings.model
    }

    fn models(&self) -> Vec<String> {
        let installed = self
            .settings
            .cache
            .installed()
            .unwrap_or_default()
            .into_iter();
        let fits = |bytes| bytes <= self.settings.budget_bytes;
        let mut models: Vec<_> = installed
            .filter(|found| fits(found.size_bytes))
            .map(|found| found.name)
            .collect();
        if !models.contains(&self.settings.model) {
            models.push(self.settings.model.clone());
        }
        models
    }

    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(PoolSession { pool: self })
    }
}

struct PoolSession<'a> {
    pool: &'a WeightsPool,
}

impl Session for PoolSession<'_> {
    fn detect_languages(
        &mut self,
        samples: &[f32],
        model: &str,
        control: &dyn Control,
    ) -> Result<Vec<DetectedLanguage>, EngineError> {
        let key = Key {
            model: model.to_owned(),
            aligns: false,
        };
        self.pool
            .take(&key, &|| control.should_stop())?
            .detect_languages(samples, control)
    }

    fn no_speech_probability(
        &mut self,
        samples: &[f32],
        model: &str,
        control: &dyn Control,
    ) -> Result<f32, EngineError> {
        let key = Key {
            model: model.to_owned(),
            aligns: false,
        };
        self.pool
            .take(&key, &|| control.should_stop())?
            .no_speech_probability(samples, control)
    }

    fn transcribe(
        &mut self,
        samples: &[f32],
        request: &EngineRequest,
        control: &dyn Control,
    ) -> Result<SpanText, EngineError> {
        let key = Key {
            model: request.model.clone(),
            aligns: request.word_timestamps,
        };
        self.pool
            .take(&key, &|| control.should_stop())?
            .transcribe(samples, request, control)
    }
}

#[cfg(test)]
mod tests;
