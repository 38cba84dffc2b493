//! Runs of whisper.cpp over audio.

use steno_models::{Segment, Task};
use whisper_rs::{FullParams, SamplingStrategy, WhisperState};

use super::Whisper;
use super::hook::RunHook;
use super::tokens::pieces;
use crate::Control;
use crate::audio::SAMPLE_RATE;
use crate::engine::text::{self, Decoded, Try};
use crate::engine::{DetectedLanguage, EngineError, EngineRequest, Model, SpanText};

/// Shortest audio whisper.cpp takes (200 ms); shorter audio is padded with silence.
const MIN_SAMPLES: usize = SAMPLE_RATE as usize / 5;
/// Greedy: with whisper.cpp, five beams take 1.4 times as long.
const DEFAULT_BEAMS: u8 = 1;

impl Model for Whisper {
    fn detect_languages(
        &self,
        samples: &[f32],
        control: &dyn Control,
    ) -> Result<Vec<DetectedLanguage>, EngineError> {
        self.detect_languages(samples, control)
    }

    fn no_speech_probability(
        &self,
        samples: &[f32],
        control: &dyn Control,
    ) -> Result<f32, EngineError> {
        self.no_speech_probability(samples, control)
    }

    fn transcribe(
        &self,
        samples: &[f32],
        request: &EngineRequest,
        control: &dyn Control,
    ) -> Result<SpanText, EngineError> {
        self.transcribe(samples, request, control)
    }

    fn free_idle(&self) {
        self.forget_idle_states();
    }

    fn precision(&self) -> &'static str {
        self.precision()
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
        let prompt = self.prompt_tokens(request)?;
        text::transcribe(samples, request, DEFAULT_BEAMS, &mut |samples, attempt| {
            self.run_once(&padded(samples), request, &prompt, attempt, control)
        })
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
            window,
            beam_size,
        } = attempt;
        // Greedy decoding draws no random number, and every run overwrites what it reads of the state.
        // The others draw from a generator that is seeded with the state: they get a fresh one, so
        // that equal audio gives equal text.
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
        params.set_audio_ctx(self.audio_ctx(samples.len(), window));
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

        let (pieces, no_speech_prob) = pieces(&self.context, &state);
        let segments = text::segments(Decoded {
            samples,
            temperature,
            is_aligned: self.aligns,
            no_speech_prob,
            pieces,
        });
        if is_greedy {
            self.idle_states().push(state);
        }
        Ok(segments)
    }

    /// The prompt as tokens: a text set on the parameters would be copied and never freed.
    fn prompt_tokens(&self, request: &EngineRequest) -> Result<Vec<i32>, EngineError> {
        let Some(prompt) = &request.prompt else {
            return Ok(Vec::new());
        };
        self.context
            .tokenize(&format!(" {}", prompt.trim()), prompt.len() + 32)
            .map_err(EngineError::failed("read the prompt"))
    }
}

/// What all runs have in common. One thread: parallelism comes from slots, and whisper.cpp's threads
/// wait by spinning.
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
    // Retries are ours (`engine/text/retry.rs`).
    params.set_temperature_inc(0.0);
    params.set_no_context(true);
    // One pass over the samples; `tokens.rs` cuts its tokens at their timestamps. whisper.cpp would
    // encode a whole window again for what follows the last timestamp.
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
    match hook.attach(params).run(state, samples) {
        Ok(()) => Ok(()),
        Err(_) if control.should_stop() => Err(EngineError::Stopped),
        Err(source) => Err(EngineError::failed("transcribe")(source)),
    }
}

pub(super) fn padded(samples: &[f32]) -> Vec<f32> {
    let mut samples = samples.to_vec();
    if samples.len() < MIN_SAMPLES {
        samples.resize(MIN_SAMPLES, 0.0);
    }
    samples
}
