//! Our own engine for CPUs (`crates/engine`), behind the same seam as whisper.cpp.

mod run;

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::available_parallelism;

use steno_engine::{Engine, Precision, alignment_heads};
use steno_weights::Verified;

use super::{Backend, EngineError, LoadError, Model};
use crate::priority::lower_priority;
use run::Native;

/// Loads weights into our own engine.
pub struct NativeEngine {
    threads: usize,
    /// Weights that are in memory. Those that are also asked for the times of words are the same.
    loaded: Mutex<Vec<Loaded>>,
}

struct Loaded {
    sha256: String,
    engine: Weak<Engine>,
}

impl NativeEngine {
    /// Computes for so many slots, which only wait, with a thread per core but not more threads than slots.
    pub fn new(slots: u32) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self {
            threads: cores.min(slots as usize),
            loaded: Mutex::default(),
        }
    }

    fn engine(&self, weights: &Verified) -> Result<Arc<Engine>, LoadError> {
        // Held while weights are loaded, so that two slots do not load the same.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|loaded| loaded.engine.strong_count() > 0);
        let found = loaded
            .iter()
            .find(|loaded| loaded.sha256 == weights.sha256());
        if let Some(engine) = found.and_then(|loaded| loaded.engine.upgrade()) {
            return Ok(engine);
        }

        let engine = Engine::open(
            weights.path(),
            Precision::Int8,
            self.threads,
            lower_priority,
        );
        let engine = Arc::new(engine.map_err(EngineError::failed("load the weights"))?);
        loaded.push(Loaded {
            sha256: weights.sha256().to_owned(),
            engine: Arc::downgrade(&engine),
        });
        Ok(engine)
    }
}

impl Backend for NativeEngine {
    fn load(
        &self,
        weights: &Verified,
        align_as: Option<&str>,
    ) -> Result<Box<dyn Model>, LoadError> {
        let engine = self.engine(weights)?;
        let heads = align_as.map(|name| alignment_heads(name, engine.model().dimensions()));
        Ok(Box::new(Native::new(engine, heads.map(Arc::from))))
    }
}
