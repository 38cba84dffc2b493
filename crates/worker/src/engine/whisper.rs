//! whisper.cpp through whisper-rs: one context for the process, a fresh state for each span.

use std::path::Path;

use steno_models::{LANGUAGES, Segment, Task};
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperState};

use super::abort::AbortHook;
use super::{DetectedLanguage, Engine, EngineError, EngineRequest, Session, text};
use crate::audio::Control;

/// Encoder frames of a second of audio.
const FRAMES_PER_SECOND: usize = 50;
/// Encoder frames beyond the audio's end. Measured over 57 clips in 13 languages: with fewer, words get lost.
const MARGIN_FRAMES: usize = 256;
/// Samples of a second.
const SAMPLE_RATE: usize = 16_000;
/// Shortest audio whisper.cpp takes; what is shorter is filled up with silence.
const MIN_SAMPLES: usize = SAMPLE_RATE / 5;
/// Below this `full` returns before it notes the context. Source: `delta_min` in whisper.cpp.
const SHORTEST_RUN_MS: i32 = 100;
/// Audio that is enough to tell a language.
const DETECTION_SAMPLES: usize = 15 * SAMPLE_RATE;
/// Temperatures of the tries that follow a distressed one. Source: `temperature` of openai/whisper.
const RETRY_TEMPERATURES: [f32; 5] = [0.2, 0.4, 0.6, 0.8, 1.0];

/// Whisper weights in memory.
pub struct Whisper {
    context: WhisperContext,
    model: String,
}

struct WhisperSession<'a> {
    whisper: &'a Whisper,
}

/// How much of its window the encoder looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// The audio and a margin: less work for short audio.
    Fitted,
    /// The whole window of 30 s.
    Full,
}

impl Whisper {
    /// Loads weights from a ggml file, which must have been verified: the loader of whisper.cpp 1.8.3 trusts its header.
    pub fn load(path: &Path, model: &str) -> Result<Self, EngineError> {
        let mut parameters = WhisperContextParameters::default();
        // Measured on a CPU: flash attention makes both encoder and decoder slower.
        parameters.use_gpu(false).flash_attn(false);
        let context = WhisperContext::new_with_params(path, parameters)
            .map_err(|source| EngineError::Whisper { action: "load the weights", source })?;
        Ok(Self { context, model: model.to_owned() })
    }

    fn audio_ctx(&self, samples: usize, context: Context) -> i32 {
        let window = self.context.n_audio_ctx();
        let fitted = samples.div_ceil(SAMPLE_RATE / FRAMES_PER_SECOND) + MARGIN_FRAMES;
        match context {
            Context::Fitted => window.min(fitted as i32),
            Context::Full => window,
        }
    }

    /// A state whose random generator and caches have seen nothing: equal audio yields equal text.
    fn new_state(&self) -> Result<WhisperState, EngineError> {
        self.context.create_state().map_err(|source| EngineError::Whisper { action: "make a state", source })
    }
}

impl Engine for Whisper {
    fn model(&self) -> &str {
        &self.model
    }

    fn session(&self) -> Box<dyn Session + '_> {
        Box::new(WhisperSession { whisper: self })
    }
}

impl Session for WhisperSession<'_> {
    fn detect_language(&mut self, samples: &[f32], control: &dyn Control) -> Result<DetectedLanguage, EngineError> {
        if !self.whisper.context.is_multilingual() {
            return Ok(DetectedLanguage { code: "en".to_owned(), probability: 1.0 });
        }
        let samples = padded(&samples[..samples.len().min(DETECTION_SAMPLES)]);
        let mut state = self.whisper.new_state()?;
        let mut params = parameters(1, 0.0);
        params.set_language(Some("en"));
        params.set_audio_ctx(self.whisper.audio_ctx(samples.len(), Context::Fitted));
        // A run over the shortest stretch whisper.cpp accepts ends before its encoder starts. It leaves the spectrogram and
        // the fitted context behind, which detection has no parameter for.
        params.set_duration_ms(SHORTEST_RUN_MS);
        run(&mut state, params, &samples, control)?;
        let (best, probabilities) =
            state.lang_detect(0, 1).map_err(|source| EngineError::Whisper { action: "detect the language", source })?;
        let index = best.max(0) as usize;
        let code = LANGUAGES.get(index).map_or("en", |(code, _)| code);
        Ok(DetectedLanguage {
            code: code.to_owned(),
            probability: probabilities.get(index).copied().unwrap_or_default(),
        })
    }

    fn transcribe(
        &mut self,
        samples: &[f32],
        request: &EngineRequest,
        control: &dyn Control,
    ) -> Result<Vec<Segment>, EngineError> {
        if samples.is_empty() {
            return Ok(Vec::new());
        }
        let samples = padded(samples);
        let prompt = self.prompt_tokens(request)?;
        let mut best = self.run_once(&samples, request, &prompt, request.temperature, Context::Fitted, control)?;
        // A fitted context may itself be the cause: the first retry only widens it.
        let mut retries = vec![(request.temperature, Context::Full)];
        retries.extend(RETRY_TEMPERATURES.into_iter().filter(|t| *t > request.temperature).map(|t| (t, Context::Full)));
        let mut retries = retries.into_iter();
        while text::is_distressed(&best) {
            let Some((temperature, context)) = retries.next() else { break };
            tracing::debug!(temperature, "decoding again: the text repeats itself or is doubtful");
            best = self.run_once(&samples, request, &prompt, temperature, context, control)?;
        }
        Ok(text::without_invented(best))
    }
}

impl WhisperSession<'_> {
    fn run_once(
        &self,
        samples: &[f32],
        request: &EngineRequest,
        prompt: &[i32],
        temperature: f32,
        context: Context,
        control: &dyn Control,
    ) -> Result<Vec<Segment>, EngineError> {
        let mut state = self.whisper.new_state()?;
        let mut params = parameters(request.beam_size, temperature);
        params.set_audio_ctx(self.whisper.audio_ctx(samples.len(), context));
        params.set_tokens(prompt);
        params.set_translate(request.task == Task::Translate);
        let language = if self.whisper.context.is_multilingual() { request.language.as_str() } else { "en" };
        // whisper-rs never frees this copy: three bytes for each run.
        params.set_language(Some(language));
        run(&mut state, params, samples, control)?;
        Ok(text::segments(&self.whisper.context, &state, samples.len(), temperature))
    }

    /// The prompt as tokens: a text set on the parameters would be copied and never freed.
    fn prompt_tokens(&self, request: &EngineRequest) -> Result<Vec<i32>, EngineError> {
        let Some(prompt) = &request.prompt else { return Ok(Vec::new()) };
        self.whisper
            .context
            .tokenize(&format!(" {}", prompt.trim()), prompt.len() + 32)
            .map_err(|source| EngineError::Whisper { action: "read the prompt", source })
    }
}

/// What all runs have in common. One thread: parallelism comes from slots, and whisper.cpp's threads wait by spinning.
fn parameters<'p>(beam_size: u8, temperature: f32) -> FullParams<'p, 'p> {
    let strategy = match beam_size {
        0 | 1 => SamplingStrategy::Greedy { best_of: 5 },
        beam_size => SamplingStrategy::BeamSearch { beam_size: i32::from(beam_size), patience: -1.0 },
    };
    let mut params = FullParams::new(strategy);
    params.set_n_threads(1);
    params.set_temperature(temperature.clamp(0.0, 1.0));
    // Retries are ours: they start from a fresh state, and the temperature that was used is known.
    params.set_temperature_inc(0.0);
    params.set_no_context(true);
    params.set_suppress_blank(true);
    params.set_suppress_nst(true);
    params.set_print_special(false);
    params.set_print_progress(false);
    params.set_print_realtime(false);
    params.set_print_timestamps(false);
    params
}

fn run(
    state: &mut WhisperState,
    params: FullParams<'_, '_>,
    samples: &[f32],
    control: &dyn Control,
) -> Result<(), EngineError> {
    let hook = AbortHook::new(control);
    let outcome: Result<(), WhisperError> = hook.attach(params).run(state, samples);
    match outcome {
        Ok(()) => Ok(()),
        Err(_) if control.should_stop() => Err(EngineError::Stopped),
        Err(source) => Err(EngineError::Whisper { action: "transcribe", source }),
    }
}

fn padded(samples: &[f32]) -> Vec<f32> {
    let mut samples = samples.to_vec();
    if samples.len() < MIN_SAMPLES {
        samples.resize(MIN_SAMPLES, 0.0);
    }
    samples
}
