//! Settings of steno-worker. Parsed once in `main`.

use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Parser;
use steno_settings::{LogSettings, QueueSettings, parse_bytes, parse_duration};
use steno_store::{Place, StoreError, StoreSettings};

use crate::audio::Limits;
use crate::decode_process::DecodeSettings;
use crate::engine::{
    ChosenEngine, ComputeType, Device, DeviceChoice, EngineChoice, EngineError, VERSION,
};

/// Least `STENO_DECODE_MEMORY_BYTES`. The program and a usual recording need a third of it.
const MIN_DECODE_MEMORY: u64 = 128 << 20;
/// Default slots of the native engine for each core. It decodes the spans of all slots in one batch.
const NATIVE_SLOTS_A_CORE: u32 = 4;
/// Most default slots of the native engine: with more, it is not faster. A machine with more cores than that gets one slot a core.
const MOST_SLOTS: u32 = 64;

/// Claims tasks from the queue and transcribes them.
///
/// Every setting can be given as a flag, as an environment variable, or in the TOML file that `STENO_CONFIG` names.
#[derive(Clone, Debug, Parser)]
#[command(name = "steno-worker", version = VERSION.as_str())]
pub struct Config {
    /// Where the queue is and how long it keeps things.
    #[command(flatten)]
    pub queue: QueueSettings,

    /// Free space on the disk that decoded recordings leave.
    #[arg(long, env = "STENO_DISK_RESERVE_BYTES", default_value = "256MiB", value_parser = parse_bytes)]
    pub disk_reserve_bytes: u64,

    /// Name of the weights for jobs that name none.
    #[arg(long, env = "STENO_MODEL", default_value = "base")]
    pub model: String,

    /// Folder of the weights [default: ~/.cache/steno/weights].
    #[arg(long, env = "STENO_WEIGHTS_DIR")]
    pub weights_dir: Option<PathBuf>,

    /// Whether to download weights that are missing.
    #[arg(long, env = "STENO_WEIGHTS_PULL", default_value_t = true, action = clap::ArgAction::Set)]
    pub weights_pull: bool,

    /// How whisper.cpp keeps the weights in memory; `auto` takes bf16 where the processor multiplies it, else what the file has.
    #[arg(long, env = "STENO_COMPUTE_TYPE", value_enum, default_value_t = ComputeType::Auto)]
    pub compute_type: ComputeType,

    /// Bytes of weights to keep in memory, by the size of their files; jobs may ask for any installed weights that fit.
    #[arg(long, env = "STENO_MODEL_MEMORY_BYTES", default_value = "2GiB", value_parser = parse_bytes)]
    pub model_memory_bytes: u64,

    /// Where the engine computes: `auto` takes the first GPU if this build supports one, `cpu` none, `gpu` or `gpu:N` that GPU.
    #[arg(long, env = "STENO_DEVICE", default_value = "auto", value_parser = DeviceChoice::parse)]
    pub device: DeviceChoice,

    /// Which engine computes: `whisper-cpp`, or `native`, our own for CPUs; `auto` takes the faster one for this processor.
    #[arg(long, env = "STENO_ENGINE", value_enum, default_value_t = EngineChoice::Auto)]
    pub engine: EngineChoice,

    /// Tasks to work on at a time [default: four for each core with the native engine, which decodes them in one batch; one
    /// for each core with whisper.cpp; 1 on a GPU].
    #[arg(long, env = "STENO_SLOTS", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub slots: Option<u32>,

    /// Longest recording in seconds.
    #[arg(long, env = "STENO_MAX_AUDIO_SECONDS", default_value_t = 14_400)]
    pub max_audio_seconds: u64,

    /// Memory that decoding one recording may take, in a process of its own.
    #[arg(long, env = "STENO_DECODE_MEMORY_BYTES", default_value = "512MiB", value_parser = parse_bytes)]
    pub decode_memory_bytes: u64,

    /// The ffmpeg that decodes what cannot be decoded without it: `auto` takes the one on the PATH, `off` none.
    #[arg(long, env = "STENO_FFMPEG", default_value = "auto", value_parser = Ffmpeg::parse)]
    pub ffmpeg: Ffmpeg,

    /// Time for tasks in progress to end after SIGTERM; what has not ended then goes back to the queue.
    #[arg(long, env = "STENO_DRAIN_TIMEOUT", default_value = "20s", value_parser = parse_duration)]
    pub drain_timeout: Duration,

    /// Time without a sign of life from a slot after which the process ends itself, to be restarted. A decoder's process is
    /// ended after it too, and costs its own job a try.
    #[arg(long, env = "STENO_STALL_TIMEOUT", default_value = "300s", value_parser = parse_duration)]
    pub stall_timeout: Duration,

    /// What to log and how.
    #[command(flatten)]
    pub log: LogSettings,
}

impl Config {
    /// Where the queue is.
    pub fn place(&self) -> Result<Place, StoreError> {
        let QueueSettings { data, database, .. } = &self.queue;
        let password_file = database.password_file();
        Place::new(
            data,
            database.url(),
            password_file.as_deref(),
            database.ca_file(),
        )
    }

    /// What the store needs to know.
    pub fn store_settings(&self) -> StoreSettings {
        let QueueSettings {
            ttl,
            retrieval_grace,
            lease,
            ..
        } = self.queue;
        StoreSettings {
            ttl,
            retrieval_grace,
            lease,
        }
    }

    /// What decoding a recording may take.
    pub(crate) fn decode_settings(&self) -> DecodeSettings {
        DecodeSettings {
            limits: Limits {
                max_seconds: self.max_audio_seconds,
                ..Limits::default()
            },
            ffmpeg: self.ffmpeg.program(),
            memory_bytes: self.decode_memory_bytes,
            stall_timeout: self.stall_timeout,
            disk_reserve_bytes: self.disk_reserve_bytes,
        }
    }

    /// Slots as asked for, or as many as suit the engine. A GPU runs one inference faster than several side by side. The native
    /// engine decodes the spans of all slots in one batch, so more slots than cores make the batch larger.
    pub fn slots(&self) -> u32 {
        if let Some(slots) = self.slots {
            return slots;
        }
        let cores = available_parallelism().map_or(1, |cores| cores.get() as u32);
        match self.device.resolve() {
            Ok(Device::Gpu(_)) => 1,
            Ok(Device::Cpu) | Err(_) if self.is_native() => native_slots(cores),
            Ok(Device::Cpu) | Err(_) => cores,
        }
    }

    /// The engine that computes.
    pub(crate) fn chosen_engine(&self) -> Result<ChosenEngine, EngineError> {
        self.engine.resolve(self.device.resolve()?)
    }

    fn is_native(&self) -> bool {
        // Start-up reports the error.
        self.chosen_engine().is_ok_and(|chosen| chosen.is_native)
    }

    /// Every problem with the values, each naming its setting.
    pub fn problems(&self) -> Vec<&'static str> {
        let mut problems = self.queue.problems();
        if self.stall_timeout < Duration::from_secs(10) {
            problems.push("STENO_STALL_TIMEOUT must be at least 10s");
        }
        if self.decode_memory_bytes < MIN_DECODE_MEMORY {
            problems.push("STENO_DECODE_MEMORY_BYTES must be at least 128MiB");
        }
        if let Ffmpeg::At(path) = &self.ffmpeg
            && !path.is_file()
        {
            problems.push("STENO_FFMPEG names a file that is not there");
        }
        if self.max_audio_seconds == 0 {
            problems.push("STENO_MAX_AUDIO_SECONDS must be more than 0");
        }
        problems
    }
}

fn native_slots(cores: u32) -> u32 {
    (NATIVE_SLOTS_A_CORE * cores).min(MOST_SLOTS).max(cores)
}

/// Which ffmpeg to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ffmpeg {
    /// The one on the PATH, if there is one.
    Auto,
    /// None.
    Off,
    /// This one.
    At(PathBuf),
}

impl Ffmpeg {
    #[expect(clippy::unnecessary_wraps, reason = "clap calls it")]
    fn parse(value: &str) -> Result<Self, String> {
        Ok(match value {
            "auto" => Self::Auto,
            "off" => Self::Off,
            path => Self::At(path.into()),
        })
    }

    /// Where it is, without links: those lead out of the sandbox.
    #[expect(clippy::disallowed_methods, reason = "PATH is not a setting of Steno")]
    fn program(&self) -> Option<PathBuf> {
        let found = match self {
            Self::Off => None,
            Self::At(path) => Some(path.clone()),
            Self::Auto => {
                let folders = std::env::var_os("PATH").unwrap_or_default();
                std::env::split_paths(&folders)
                    .map(|folder| folder.join("ffmpeg"))
                    .find(|path| path.is_file())
            }
        };
        found.and_then(|path| path.canonicalize().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_has_a_slot_of_the_native_engine() {
        assert_eq!(native_slots(2), 8);
        assert_eq!(native_slots(16), 64);
        assert_eq!(native_slots(96), 96);
    }
}
