//! Runs of our own engine over audio.

use std::sync::Arc;

use steno_engine::{Engine, Head, Request, RunError, Strategy, TextToken, Transcript};
use steno_models::{LANGUAGES, Segment, Task};

use crate::Control;
use crate::audio::SAMPLE_RATE;
use crate::engine::text::{self, Decoded, Piece, SpokenToken, Try, Window};
use crate::engine::{DetectedLanguage, EngineError, EngineRequest, Model, SpanText};

/// Encoder frames of a second of audio.
const FRAMES_PER_SECOND: usize = 50;
/// Encoder frames beyond the audio's end, as for whisper.cpp: docs/PERFORMANCE.md has the table.
const MARGIN_FRAMES: usize = 256;
/// Audio of more encoder frames than this (15 s) gets a smaller margin.
const LONG_FRAMES: usize = 15 * FRAMES_PER_SECOND;
/// Encoder frames beyond the end of long audio.
const LONG_MARGIN_FRAMES: usize = 144;
/// Frames come in so many, and fill vectors.
const FRAME_STEP: usize = 16;
/// Shorter audio (200 ms) is padded with silence.
const MIN_SAMPLES: usize = SAMPLE_RATE as usize / 5;
/// Seconds between two timestamp tokens.
const TIMESTAMP_STEP: f64 = 0.02;
/// Five beams take half as long again as greedy decoding and make a tenth fewer errors: docs/PERFORMANCE.md has the table.
const DEFAULT_BEAMS: u8 = 5;
/// Draws the same tokens in every run of equal audio.
const SEED: u64 = 0;

/// Weights in memory, as our own engine has them.
pub(super) struct Native {
    engine: Arc<Engine>,
    /// Heads for the times of tokens, if runs return them.
    heads: Option<Arc<[Head]>>,
}

impl Native {
    pub(super) fn new(engine: Arc<Engine>, heads: Option<Arc<[Head]>>) -> Self {
        Self { engine, heads }
    }

    fn frames(&self, samples: usize, window: Window) -> usize {
        let most = self.engine.model().dimensions().audio_context / FRAME_STEP * FRAME_STEP;
        let length = samples.div_ceil(SAMPLE_RATE as usize / FRAMES_PER_SECOND);
        let margin = if length > LONG_FRAMES {
            LONG_MARGIN_FRAMES
        } else {
            MARGIN_FRAMES
        };
        match window {
            Window::Fitted => most.min((length + margin).next_multiple_of(FRAME_STEP)),
            Window::Full => most,
        }
    }

    fn first_token(
        &self,
        samples: &[f32],
        control: &dyn Control,
    ) -> Result<steno_engine::FirstToken, EngineError> {
        let samples = padded(samples);
        let frames = self.frames(samples.len(), Window::Fitted);
        self.engine
            .first_token(&samples, frames, &|| control.should_stop())
            .map_err(|error| failed(error, "detect the language"))
    }

    fn run_once(
        &self,
        samples: &[f32],
        asked: &EngineRequest,
        attempt: Try,
        control: &dyn Control,
    ) -> Result<Vec<Segment>, EngineError> {
        let vocabulary = self.engine.model().vocabulary();
        let prompt = asked.prompt.as_deref().map(|prompt| {
            let prompt = format!(" {}", prompt.trim());
            vocabulary.tokenize(&prompt)
        });
        let request = Request {
            language: self.language(&asked.language),
            translate: asked.task == Task::Translate,
            prompt: prompt.unwrap_or_default(),
            strategy: strategy(attempt),
            frames: self.frames(samples.len(), attempt.window),
            alignment: self.heads.clone(),
        };
        let transcript = self
            .engine
            .transcribe(samples, &request, &|| control.should_stop())
            .map_err(|error| failed(error, "transcribe"))?;

        Ok(text::segments(Decoded {
            samples,
            temperature: attempt.temperature,
            is_aligned: self.heads.is_some(),
            no_speech_prob: transcript.no_speech_probability,
            pieces: self.pieces(&transcript),
        }))
    }

    /// The language to decode in, by its place in the list. Weights older than large-v3 were trained on Cantonese as
    /// Chinese, and have no token for it.
    fn language(&self, code: &str) -> usize {
        let place = |code: &str| LANGUAGES.iter().position(|(known, _)| *known == code);
        let known = self.engine.model().vocabulary().languages();
        let found = place(code).filter(|place| *place < known);
        found
            .or_else(|| place("zh").filter(|_| code == "yue"))
            .unwrap_or(0)
    }

    /// The tokens of a run between its timestamps.
    fn pieces(&self, transcript: &Transcript) -> Vec<Piece> {
        let vocabulary = self.engine.model().vocabulary();
        let first_timestamp = vocabulary.special().first_timestamp;
        let mut pieces = vec![Piece::default()];
        let mut spoken_until = 0.0;
        for token in &transcript.tokens {
            let piece = pieces.last_mut().expect("there is always one");
            if token.token < first_timestamp {
                let bytes = vocabulary.bytes(token.token);
                spoken_until = add_token(piece, token, bytes, spoken_until);
                continue;
            }
            let time = f64::from(token.token - first_timestamp) * TIMESTAMP_STEP;
            if piece.tokens.is_empty() {
                piece.start = time;
            } else {
                piece.end = Some(time);
                pieces.push(Piece {
                    start: time,
                    ..Piece::default()
                });
            }
        }
        pieces
    }
}

impl Model for Native {
    fn detect_languages(
        &self,
        samples: &[f32],
        control: &dyn Control,
    ) -> Result<Vec<DetectedLanguage>, EngineError> {
        if !self.engine.model().vocabulary().is_multilingual() {
            return Ok(vec![DetectedLanguage {
                code: "en".to_owned(),
                probability: 1.0,
            }]);
        }

        let probabilities = self.first_token(samples, control)?.languages;
        let mut found: Vec<_> = LANGUAGES
            .iter()
            .zip(probabilities)
            .map(|((code, _), probability)| DetectedLanguage {
                code: (*code).to_owned(),
                probability,
            })
            .collect();
        found.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        Ok(found)
    }

    fn no_speech_probability(
        &self,
        samples: &[f32],
        control: &dyn Control,
    ) -> Result<f32, EngineError> {
        Ok(self.first_token(samples, control)?.no_speech_probability)
    }

    fn transcribe(
        &self,
        samples: &[f32],
        request: &EngineRequest,
        control: &dyn Control,
    ) -> Result<SpanText, EngineError> {
        text::transcribe(samples, request, DEFAULT_BEAMS, &mut |samples, attempt| {
            self.run_once(&padded(samples), request, attempt, control)
        })
    }

    fn precision(&self) -> &'static str {
        "int8"
    }
}

fn strategy(attempt: Try) -> Strategy {
    if attempt.temperature > 0.0 {
        return Strategy::Sample {
            temperature: attempt.temperature.min(1.0),
            seed: SEED,
        };
    }
    match attempt.beam_size {
        0 | 1 => Strategy::Greedy,
        beams => Strategy::Beams(usize::from(beams)),
    }
}

/// Adds a token that begins at `start`, and returns its end.
fn add_token(piece: &mut Piece, token: &TextToken, bytes: &[u8], start: f64) -> f64 {
    let end = token.end.map_or(start, |end| f64::from(end).max(start));
    piece.bytes.extend_from_slice(bytes);
    piece.spoken.push(SpokenToken {
        bytes: bytes.to_vec(),
        probability: token.logprob.exp(),
        start,
        end,
    });
    piece.tokens.push(token.token as i32);
    piece.logprob += token.logprob;
    end
}

fn padded(samples: &[f32]) -> Vec<f32> {
    let mut samples = samples.to_vec();
    if samples.len() < MIN_SAMPLES {
        samples.resize(MIN_SAMPLES, 0.0);
    }
    samples
}

fn failed(error: RunError, action: &'static str) -> EngineError {
    match error {
        RunError::Stopped => EngineError::Stopped,
        RunError::Failed => EngineError::failed(action)(error),
    }
}
