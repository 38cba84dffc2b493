//! Speech to text for one span of audio. Called by the tasks; never sees the store, so that it is
//! tested from files alone.
//!
//! The tasks see [`Engine`] and [`Session`]. [`WeightsPool`] implements them over any [`Backend`], which
//! loads weights, and [`Model`], which runs over audio: `whisper_cpp` and `native`. `text` makes the text of a
//! span from single runs, whatever the engine.

mod choice;
mod device;
mod error;
mod model;
mod native;
mod pool;
mod text;
mod whisper_cpp;

use steno_models::{Gap, Segment, Task, TranscribeRequest};

use crate::Control;
pub use choice::{ChosenEngine, EngineChoice};
pub(crate) use device::advice_without_gpu;
pub use device::{Device, DeviceChoice};
pub use error::{EngineError, LoadError};
pub use model::{Backend, Model};
pub use native::NativeEngine;
pub use pool::{PoolSettings, WeightsPool};
pub use steno_engine::{Kernel, Speed};
pub(crate) use text::avg_logprob;
pub(crate) use whisper_cpp::VERSION;
pub use whisper_cpp::{ComputeType, Whisper, WhisperCpp, log_engine};

/// Weights in memory, shared by all slots of a process.
pub trait Engine: Send + Sync {
    /// Name of the weights for jobs that name none.
    fn model(&self) -> &str;

    /// Names of all weights that a job may ask for now.
    fn models(&self) -> Vec<String>;

    /// What a slot works with; each slot has its own.
    fn session(&self) -> Box<dyn Session + '_>;
}

/// The engine of one slot.
pub trait Session {
    /// Every language that the weights called `model` know, with the probability that it is spoken in `samples`
    /// (16 kHz mono, -1 to 1, at most 30 s), most probable first. Never empty.
    fn detect_languages(
        &mut self,
        samples: &[f32],
        model: &str,
        control: &dyn Control,
    ) -> Result<Vec<DetectedLanguage>, EngineError>;

    /// The probability, 0 to 1, that there is no speech in `samples` (16 kHz mono, -1 to 1, at most 30 s).
    fn no_speech_probability(
        &mut self,
        samples: &[f32],
        model: &str,
        control: &dyn Control,
    ) -> Result<f32, EngineError>;

    /// The text of `samples` (16 kHz mono, -1 to 1, at most 30 s), and what was left out of it.
    fn transcribe(
        &mut self,
        samples: &[f32],
        request: &EngineRequest,
        control: &dyn Control,
    ) -> Result<SpanText, EngineError>;
}

/// The text of one span. All times are seconds from the first sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanText {
    /// Pieces of the text, in order.
    pub segments: Vec<Segment>,
    /// Where text was decoded and then dropped, in order: hallucinations, repetitions. Sound without any text is not
    /// listed; the store finds it by what no segment covers.
    pub dropped: Vec<Gap>,
    /// Text that was dropped because it is unlikely. For callers that know that there is speech and have no other text.
    pub unlikely: Vec<Segment>,
}

/// How to transcribe.
#[derive(Clone, Debug)]
pub struct EngineRequest {
    /// Name of the weights.
    pub model: String,
    /// Code of the language spoken.
    pub language: String,
    /// Transcribe or translate.
    pub task: Task,
    /// Text that sets style and spelling.
    pub prompt: Option<String>,
    /// Sampling temperature to begin with, 0 to 1.
    pub temperature: f32,
    /// Beams, if the client asked for a number; 1 is greedy decoding.
    pub beam_size: Option<u8>,
    /// Whether segments come with their words.
    pub word_timestamps: bool,
}

impl EngineRequest {
    /// What a client asked for, in a language and with weights that are known by now.
    pub fn new(options: &TranscribeRequest, language: &str, model: &str) -> Self {
        Self {
            model: model.to_owned(),
            language: language.to_owned(),
            task: options.task,
            prompt: options.prompt.clone(),
            temperature: options.temperature.unwrap_or(0.0),
            beam_size: options.beam_size,
            word_timestamps: options.needs_words(),
        }
    }
}

/// A language, and how probable it is that it is spoken.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectedLanguage {
    /// Its code.
    pub code: String,
    /// 0 to 1.
    pub probability: f32,
}
