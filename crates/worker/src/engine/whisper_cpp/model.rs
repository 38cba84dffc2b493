//! Weights in memory, as whisper.cpp has them. The pool keeps one [`Whisper`] of each weights for all slots.

use std::sync::{Mutex, MutexGuard, PoisonError};

use steno_models::LANGUAGES;
use steno_weights::{Precision, Verified, requantised};
use whisper_rs::{WhisperContext, WhisperContextParameters, WhisperState};

use super::{alignment, ggml};
use crate::audio::SAMPLE_RATE;
use crate::engine::text::Window;
use crate::engine::{Device, EngineError, LoadError};

/// Encoder frames of a second of audio.
const FRAMES_PER_SECOND: usize = 50;
/// Encoder frames beyond the audio's end (5 s). With fewer than 32 whisper finds no end; with 96 short clips came out as
/// loops. Chosen together with the detector and its padding: docs/PERFORMANCE.md has the table.
const MARGIN_FRAMES: usize = 256;
/// Audio of more encoder frames than this (15 s) is long: it gets a smaller margin, which costs less of its time.
const LONG_FRAMES: usize = 15 * FRAMES_PER_SECOND;
/// Encoder frames beyond the end of long audio.
const LONG_MARGIN_FRAMES: usize = 144;
/// ggml's fast kernels take rows that are a multiple of this; others cost a sixth of the whole time. The window of 1500 frames
/// is not one.
const FRAME_STEP: usize = 16;
/// Tokens of multilingual weights that are no language's. Source: `whisper_vocab::num_languages` in whisper.cpp.
const TOKENS_BESIDE_LANGUAGES: i32 = 51_766;

/// Whisper weights in memory.
pub struct Whisper {
    pub(super) context: WhisperContext,
    precision: Option<Precision>,
    /// Whether runs also yield the time of each token.
    pub(super) aligns: bool,
    /// States that no run uses. Reused where a run leaves nothing behind that the next one reads.
    idle: Mutex<Vec<WhisperState>>,
}

/// How the matrices of the weights are kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ComputeType {
    /// `bf16` where build and processor multiply it, else what the file has, as on a GPU.
    Auto,
    /// What the file has: half precision in the published files.
    File,
    /// bfloat16.
    Bf16,
    /// 8-bit integers with a scale for each block of 32: half the memory.
    #[value(name = "q8_0")]
    Q8_0,
}

impl Whisper {
    /// Loads verified weights: the loader of whisper.cpp 1.8.3 trusts a file's header. With `align_as`, the name of the
    /// weights, runs also return the times of tokens, which costs a few percent of a run.
    pub fn load(
        weights: &Verified,
        compute_type: ComputeType,
        device: Device,
        align_as: Option<&str>,
    ) -> Result<Self, LoadError> {
        let missing = ggml::missing_extensions();
        if !missing.is_empty() {
            return Err(EngineError::Processor(missing).into());
        }
        let mut parameters = WhisperContextParameters::default();
        match device {
            // Measured on a CPU: flash attention makes both encoder and decoder slower.
            Device::Cpu => parameters.use_gpu(false).flash_attn(false),
            // The alignment reads attention that flash attention does not compute.
            Device::Gpu(number) => parameters
                .use_gpu(true)
                .gpu_device(number as i32)
                .flash_attn(align_as.is_none()),
        };

        if let Some(name) = align_as {
            parameters.dtw_parameters(alignment::parameters(name, weights.path())?);
        }
        let wanted = compute_type.precision(device);
        let rewritten = match wanted {
            Some(precision) => requantised(weights, precision, &ggml::quantise)?,
            None => None,
        };
        let precision = wanted.filter(|_| rewritten.is_some());
        let bytes = if let Some(bytes) = &rewritten {
            bytes.len() as u64
        } else {
            let metadata = weights.path().metadata();
            metadata.map_err(EngineError::Header)?.len()
        };
        device.check_memory(bytes)?;

        let context = match &rewritten {
            Some(bytes) => WhisperContext::new_from_buffer_with_params(bytes, parameters),
            None => WhisperContext::new_with_params(weights.path(), parameters),
        };
        let context = context.map_err(EngineError::failed("load the weights"))?;

        let whisper = Self {
            context,
            precision,
            aligns: align_as.is_some(),
            idle: Mutex::default(),
        };
        if device != Device::Cpu {
            // If a GPU has no memory for a run, its worker ends at start and not in the first task.
            let state = whisper.new_state()?;
            whisper.idle_states().push(state);
        }
        Ok(whisper)
    }

    /// What the matrices are kept in, in words of the setting.
    pub fn precision(&self) -> &'static str {
        match self.precision {
            None | Some(Precision::F16) => "file",
            Some(Precision::Bf16) => "bf16",
            Some(Precision::Q8_0) => "q8_0",
        }
    }

    /// Whether whisper.cpp was built with its fast kernels.
    pub fn has_fast_kernels() -> bool {
        ggml::has_tiny_blas()
    }

    /// Encoder frames of a run over so many samples: whisper.cpp's `audio_ctx`.
    pub(super) fn audio_ctx(&self, samples: usize, window: Window) -> i32 {
        let whole = self.context.n_audio_ctx() as usize;
        let most = whole / FRAME_STEP * FRAME_STEP;
        let length = samples.div_ceil(SAMPLE_RATE as usize / FRAMES_PER_SECOND);
        if self.aligns && length > most {
            // The alignment ends the process if the context is shorter than the audio.
            return whole as i32;
        }

        let margin = if length > LONG_FRAMES {
            LONG_MARGIN_FRAMES
        } else {
            MARGIN_FRAMES
        };
        let frames = match window {
            Window::Fitted => most.min((length + margin).next_multiple_of(FRAME_STEP)),
            Window::Full => most,
        };
        frames as i32
    }

    /// The language to decode in. whisper.cpp does not check that the weights have a token for it: the one of Cantonese is
    /// "translate" in weights older than large-v3. Those were trained on Cantonese as Chinese.
    pub(super) fn known_language<'a>(&self, asked: &'a str) -> &'a str {
        let languages = self.context.n_vocab() - TOKENS_BESIDE_LANGUAGES;
        match asked {
            _ if !self.context.is_multilingual() => "en",
            "yue" if (languages as usize) < LANGUAGES.len() => "zh",
            _ => asked,
        }
    }

    /// Frees the states that no run uses.
    pub(super) fn forget_idle_states(&self) {
        self.idle_states().clear();
    }

    pub(super) fn idle_states(&self) -> MutexGuard<'_, Vec<WhisperState>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn new_state(&self) -> Result<WhisperState, EngineError> {
        // whisper.cpp says why in its own log; it is memory.
        self.context
            .create_state()
            .map_err(|_| EngineError::NoState)
    }
}

impl ComputeType {
    /// What the weights are turned into; `None` leaves them alone.
    fn precision(self, device: Device) -> Option<Precision> {
        match self {
            Self::Auto if device != Device::Cpu => None,
            Self::Auto => ggml::multiplies_bf16().then_some(Precision::Bf16),
            Self::File => None,
            Self::Bf16 => Some(Precision::Bf16),
            Self::Q8_0 => Some(Precision::Q8_0),
        }
    }
}
