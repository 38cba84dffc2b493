//! Getting the weights into memory: from the cache, or downloaded into it first.

use anyhow::{Context, Result};
use steno_weights::{Cache, Stage, Verified, WeightsError};

use crate::Config;
use crate::engine::{
    Backend, Device, DeviceChoice, NativeEngine, PoolSettings, WeightsPool, Whisper, WhisperCpp,
    advice_without_gpu,
};

/// Share of a download after which another line is logged.
const LOG_EVERY_PERCENT: u64 = 10;

/// Loads the engine with the weights the settings name. Pulls them if they are missing or damaged and the settings allow.
pub fn load_engine(config: &Config) -> Result<WeightsPool> {
    let device = config.device.resolve()?;
    let described = device.describe();
    tracing::info!(
        device = described,
        "the engine computes on {described} (STENO_DEVICE)"
    );
    if cfg!(feature = "gpu") && config.device == DeviceChoice::Auto && device == Device::Cpu {
        tracing::warn!(
            "this steno-worker is built for a GPU and finds none: {}",
            advice_without_gpu()
        );
    }
    let cache = match &config.weights_dir {
        Some(folder) => Cache::new(folder),
        None => Cache::from_env()?,
    };
    let weights = verified(&cache, config)?;
    let settings = PoolSettings {
        cache,
        model: config.model.clone(),
        budget_bytes: config.model_memory_bytes,
    };
    WeightsPool::open(settings, backend(config, device)?, &weights)
        .with_context(|| format!("cannot load the weights {}", config.model))
}

/// The engine that the settings name.
fn backend(config: &Config, device: Device) -> Result<Box<dyn Backend>> {
    let chosen = config.engine.resolve(device)?;
    let name = chosen.name();
    tracing::info!(engine = name, "the engine is {name}: {}", chosen.reason);
    if chosen.is_native {
        return Ok(Box::new(NativeEngine::new(config.slots())));
    }

    tracing::info!(
        whisper = whisper_rs::print_system_info(),
        "whisper.cpp as it was built"
    );
    if !Whisper::has_fast_kernels() {
        tracing::warn!(
            "whisper.cpp was built without GGML_LLAMAFILE=ON and will take more than twice as long: build in the checkout, \
             whose .cargo/config.toml sets it, after `cargo clean -p whisper-rs-sys`"
        );
    }
    Ok(Box::new(WhisperCpp::new(config.compute_type, device)))
}

/// Weights whose hash is the recorded one.
fn verified(cache: &Cache, config: &Config) -> Result<Verified> {
    let missing = match cache.open_verified(&config.model) {
        Ok(weights) => return Ok(weights),
        Err(error @ (WeightsError::NotInstalled { .. } | WeightsError::Changed { .. }))
            if config.weights_pull =>
        {
            error
        }
        Err(error) => return Err(error.into()),
    };
    tracing::warn!("{missing}; downloading them now (STENO_WEIGHTS_PULL)");
    let mut logged = (None, 0);
    steno_weights::pull(cache, &config.model, &mut |progress| {
        let percent = progress
            .bytes_total
            .map_or(0, |total| progress.bytes_done * 100 / total.max(1));
        let step = percent / LOG_EVERY_PERCENT;
        if logged != (Some(progress.stage), step) {
            logged = (Some(progress.stage), step);
            let verb = match progress.stage {
                Stage::Download => "downloading",
                Stage::Convert => "converting",
                Stage::Verify => "verifying",
            };
            tracing::info!("{verb} the weights {}: {percent} %", config.model);
        }
    })?;
    Ok(cache.open_verified(&config.model)?)
}
