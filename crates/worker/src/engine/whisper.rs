//! whisper.cpp through whisper-rs: weights in memory, and runs over audio. The pool keeps one [`Whisper`] of each weights for all slots.

use std::sync::{Mutex, PoisonError};

use steno_models::{LANGUAGES, Segment, Task};
use steno_weights::{Precision, Verified, WeightsError, requantised};
use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError,
    WhisperState,
};

use super::hook::RunHook;
use super::rest;
use super::retry::{self, Context, Try};
use super::{EngineError, EngineRequest, SpanText, alignment, ggml, text};
use crate::Control;

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
/// Samples of a second.
const SAMPLE_RATE: usize = 16_000;
/// Audio shorter than this (2.5 s) is transcribed after some silence: whisper mistakes words that are cut off tightly.
const SHORT_SAMPLES: usize = 5 * SAMPLE_RATE / 2;
/// That silence: a quarter of a second. docs/PERFORMANCE.md has the table.
const LEADING_SILENCE: usize = SAMPLE_RATE / 4;
/// Shortest audio whisper.cpp takes; what is shorter is filled up with silence.
const MIN_SAMPLES: usize = SAMPLE_RATE / 5;
/// Tokens of multilingual weights that are no language's. Source: `whisper_vocab::num_languages` in whisper.cpp.
const TOKENS_BESIDE_LANGUAGES: i32 = 51_766;

/// Whisper weights in memory.
pub struct Whisper {
    pub(super) context: WhisperContext,
    precision: Option<Precision>,
    /// Whether runs also tell when each token was spoken.
    aligns: bool,
    /// States that no run uses, to be used again where a run leaves nothing behind that the next one sees.
    idle: Mutex<Vec<WhisperState>>,
}

/// How the matrices of the weights are kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ComputeType {
    /// `bf16` where build and processor multiply it, else what the file has.
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
    /// weights, runs also tell when each token was spoken; that costs a few percent of a run.
    pub fn load(
        weights: &Verified,
        compute_type: ComputeType,
        align_as: Option<&str>,
    ) -> Result<Self, LoadError> {
        let missing = ggml::missing_extensions();
        if !missing.is_empty() {
            return Err(EngineError::Processor(missing).into());
        }
        let mut parameters = WhisperContextParameters::default();
        // Measured on a CPU: flash attention makes both encoder and decoder slower.
        parameters.use_gpu(false).flash_attn(false);
        if let Some(name) = align_as {
            parameters.dtw_parameters(alignment::parameters(name, weights.path())?);
        }
        let wanted = compute_type.precision();
        let rewritten = match wanted {
            Some(precision) => requantised(weights, precision, &ggml::quantise)?,
            None => None,
        };
        let precision = wanted.filter(|_| rewritten.is_some());
        let context = match &rewritten {
            Some(bytes) => WhisperContext::new_from_buffer_with_params(bytes, parameters),
            None => WhisperContext::new_with_params(weights.path(), parameters),
        };
        let context = context.map_err(|source| EngineError::Whisper {
            action: "load the weights",
            source,
        })?;
        Ok(Self {
            context,
            precision,
            aligns: align_as.is_some(),
            idle: Mutex::default(),
        })
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

    pub(super) fn audio_ctx(&self, samples: usize, context: Context) -> i32 {
        let whole = self.context.n_audio_ctx() as usize;
        let window = whole / FRAME_STEP * FRAME_STEP;
        let length = samples.div_ceil(SAMPLE_RATE / FRAMES_PER_SECOND);
        if self.aligns && length > window {
            // The alignment ends the process if the context is shorter than the audio.
            return whole as i32;
        }
        let fitted = length
            + if length > LONG_FRAMES {
                LONG_MARGIN_FRAMES
            } else {
                MARGIN_FRAMES
            };
        let frames = match context {
            Context::Fitted => window.min(fitted.next_multiple_of(FRAME_STEP)),
            Context::Full => window,
        };
        frames as i32
    }

    /// The language to decode in. whisper.cpp does not check that the weights have a token for it: the one of Cantonese is
    /// "translate" in weights older than large-v3. Those were trained on Cantonese as Chinese.
    fn known_language<'a>(&self, asked: &'a str) -> &'a str {
        let languages = self.context.n_vocab() - TOKENS_BESIDE_LANGUAGES;
        match asked {
            _ if !self.context.is_multilingual() => "en",
            "yue" if (languages as usize) < LANGUAGES.len() => "zh",
            _ => asked,
        }
    }

    pub(super) fn new_state(&self) -> Result<WhisperState, EngineError> {
        // whisper.cpp says why in its own log; it is memory.
        self.context
            .create_state()
            .map_err(|_| EngineError::NoState)
    }
}

/// Why weights are not in memory.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read the weights")]
    Weights(#[from] WeightsError),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl ComputeType {
    /// What the weights are turned into; `None` leaves them alone.
    fn precision(self) -> Option<Precision> {
        match self {
            Self::Auto => ggml::multiplies_bf16().then_some(Precision::Bf16),
            Self::File => None,
            Self::Bf16 => Some(Precision::Bf16),
            Self::Q8_0 => Some(Precision::Q8_0),
        }
    }
}

impl Whisper {
    /// The text of `samples` (16 kHz mono, -1 to 1, at most 30 s), and what was left out of it.
    pub fn transcribe(
        &self,
        samples: &[f32],
        request: &EngineRequest,
        control: &dyn Control,
    ) -> Result<SpanText, EngineError> {
        if samples.is_empty() {
            return Ok(SpanText::default());
        }
        let prompt = self.prompt_tokens(request)?;
        let transcribe = |samples: &[f32]| {
            retry::transcribe(
                samples,
                request.temperature,
                request.beam_size,
                &mut |samples, attempt| {
                    rest::to_the_end(samples, &mut |samples| {
                        self.run_once(&padded(samples), request, &prompt, attempt, control)
                    })
                },
            )
        };

        if samples.len() < SHORT_SAMPLES {
            let later = [&[0.0; LEADING_SILENCE], samples].concat();
            let mut text = transcribe(&later)?;
            // Without the silence a word may be likely enough.
            if !text.segments.is_empty() {
                rest::move_earlier(&mut text, LEADING_SILENCE as f64 / SAMPLE_RATE as f64);
                return Ok(text);
            }
        }
        transcribe(samples)
    }

    fn run_once(
        &self,
        samples: &[f32],
        request: &EngineRequest,
        prompt: &[i32],
        attempt: Try,
        control: &dyn Control,
    ) -> Result<Vec<Segment>, EngineError> {
        let Try {
            temperature,
            context,
            beam_size,
        } = attempt;
        tracing::debug!(?attempt, samples = samples.len(), "runs whisper");
        // Greedy decoding draws no random number, and every run overwrites what it reads of the state. The others draw from
        // a generator that is seeded with the state: a fresh one, for equal text from equal audio.
        let is_greedy = beam_size <= 1 && temperature == 0.0;
        let kept = if is_greedy {
            self.idle_states().pop()
        } else {
            None
        };
        let mut state = match kept {
            Some(state) => state,
            None => self.new_state()?,
        };
        let mut params = parameters(beam_size, temperature);
        params.set_audio_ctx(self.audio_ctx(samples.len(), context));
        params.set_tokens(prompt);
        params.set_translate(request.task == Task::Translate);
        // whisper-rs never frees this copy: three bytes for each run.
        params.set_language(Some(self.known_language(&request.language)));
        let first_timestamp = self.aligns.then(|| self.context.token_beg());
        run(
            &mut state,
            &RunHook::new(control, first_timestamp),
            params,
            samples,
            control,
        )?;
        let decoding = text::Decoding {
            samples,
            temperature,
            aligned: self.aligns,
        };
        let segments = text::segments(&self.context, &state, &decoding);
        if is_greedy {
            self.idle_states().push(state);
        }
        Ok(segments)
    }

    /// Frees the states that no run uses.
    pub(super) fn forget_idle_states(&self) {
        self.idle_states().clear();
    }

    fn idle_states(&self) -> std::sync::MutexGuard<'_, Vec<WhisperState>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The prompt as tokens: a text set on the parameters would be copied and never freed.
    fn prompt_tokens(&self, request: &EngineRequest) -> Result<Vec<i32>, EngineError> {
        let Some(prompt) = &request.prompt else {
            return Ok(Vec::new());
        };
        self.context
            .tokenize(&format!(" {}", prompt.trim()), prompt.len() + 32)
            .map_err(|source| EngineError::Whisper {
                action: "read the prompt",
                source,
            })
    }
}

/// What all runs have in common. One thread: parallelism comes from slots, and whisper.cpp's threads wait by spinning.
pub(super) fn parameters<'p>(beam_size: u8, temperature: f32) -> FullParams<'p, 'p> {
    let strategy = match beam_size {
        0 | 1 => SamplingStrategy::Greedy { best_of: 1 },
        beam_size => SamplingStrategy::BeamSearch {
            beam_size: i32::from(beam_size),
            patience: -1.0,
        },
    };
    let mut params = FullParams::new(strategy);
    params.set_n_threads(1);
    params.set_temperature(temperature.clamp(0.0, 1.0));
    // Retries are ours: they start from a fresh state, and the temperature that was used is known.
    params.set_temperature_inc(0.0);
    params.set_no_context(true);
    // One pass over the samples, whose tokens are cut at their timestamps here. Left to itself whisper.cpp encodes a whole
    // window again for whatever follows the last timestamp.
    params.set_single_segment(true);
    params.set_suppress_blank(true);
    params.set_suppress_nst(true);
    params.set_print_special(false);
    params.set_print_progress(false);
    params.set_print_realtime(false);
    params.set_print_timestamps(false);
    params
}

pub(super) fn run(
    state: &mut WhisperState,
    hook: &RunHook<'_>,
    params: FullParams<'_, '_>,
    samples: &[f32],
    control: &dyn Control,
) -> Result<(), EngineError> {
    let outcome: Result<(), WhisperError> = hook.attach(params).run(state, samples);
    match outcome {
        Ok(()) => Ok(()),
        Err(_) if control.should_stop() => Err(EngineError::Stopped),
        Err(source) => Err(EngineError::Whisper {
            action: "transcribe",
            source,
        }),
    }
}

pub(super) fn padded(samples: &[f32]) -> Vec<f32> {
    let mut samples = samples.to_vec();
    if samples.len() < MIN_SAMPLES {
        samples.resize(MIN_SAMPLES, 0.0);
    }
    samples
}
