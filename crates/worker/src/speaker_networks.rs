//! The speaker networks: loaded when a job first needs them, then shared by all slots.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use steno_speakers::Networks;
use steno_weights::{Cache, SPEAKERS, WeightsError};

use crate::Config;

/// Pause after a failed download. The blocks of a long recording ask one after the other, and each would wait for it.
const PULL_PAUSE: Duration = Duration::from_secs(5);

/// Where the networks are, and the networks once they are loaded.
pub(crate) struct SpeakerNetworks {
    cache: Option<Cache>,
    /// Whether missing networks are downloaded.
    may_pull: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    loaded: Option<Arc<Networks>>,
    /// When the last download failed.
    pull_failed_at: Option<Instant>,
}

impl SpeakerNetworks {
    /// Loads nothing yet.
    pub(crate) fn new(cache: Option<Cache>, may_pull: bool) -> Self {
        Self {
            cache,
            may_pull,
            state: Mutex::default(),
        }
    }

    /// As the settings say.
    pub(crate) fn configured(config: &Config) -> Self {
        let cache = match &config.weights_dir {
            Some(folder) => Some(Cache::new(folder)),
            None => Cache::from_env().ok(),
        };
        Self::new(cache, config.weights_pull)
    }

    /// Whether jobs may ask for speakers: the networks are installed, or are downloaded at first need.
    pub(crate) fn are_available(&self) -> bool {
        let is_installed =
            |cache: &Cache| cache.lookup(SPEAKERS).is_ok_and(|found| found.is_some());
        self.cache
            .as_ref()
            .is_some_and(|cache| self.may_pull || is_installed(cache))
    }

    /// The networks. The first call reads them, and pulls them where they are missing or damaged and the settings allow.
    pub(crate) fn networks(&self) -> Result<Arc<Networks>> {
        // Other slots wait here, so that the file is read once.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(networks) = &state.loaded {
            return Ok(Arc::clone(networks));
        }

        let cache = self.cache.as_ref().context("there is no weights folder")?;
        let weights = match cache.open_verified_speakers() {
            Err(error @ (WeightsError::NotInstalled { .. } | WeightsError::Changed { .. }))
                if self.may_pull =>
            {
                state.pull(cache, &error)?;
                cache.open_verified_speakers()?
            }
            outcome => outcome?,
        };
        let bytes = std::fs::read(weights.path()).context("cannot read the speaker networks")?;
        let networks = Arc::new(Networks::from_bytes(&bytes)?);
        state.loaded = Some(Arc::clone(&networks));
        Ok(networks)
    }
}

impl State {
    /// Downloads the networks because of `problem`.
    fn pull(&mut self, cache: &Cache, problem: &WeightsError) -> Result<()> {
        if self
            .pull_failed_at
            .is_some_and(|failed_at| failed_at.elapsed() < PULL_PAUSE)
        {
            bail!("{problem}; they could not be downloaded a moment ago");
        }
        tracing::warn!("{problem}; downloading them now (STENO_WEIGHTS_PULL)");
        steno_weights::pull_speakers(cache, &mut |_| ())
            .inspect_err(|_| self.pull_failed_at = Some(Instant::now()))?;
        Ok(())
    }
}
