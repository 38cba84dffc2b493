//! Speech to text for one span of audio. Called by the tasks; never sees the store, so that it is tested from files alone.
//!
//! [`WeightsPool`] implements [`Engine`] with whisper.cpp.

mod alignment;
mod first_token;
mod ggml;
mod guards;
mod hook;
mod log;
mod overlap;
mod pace;
mod pauses;
mod pool;
mod repetition;
mod rest;
mod retry;
mod text;
mod whisper;
mod words;

use steno_models::{Gap, Segment, Task, TranscribeRequest};

pub(crate) use ggml::VERSION;
pub use log::log_engine;
pub use pool::{PoolSettings, WeightsPool};
pub use whisper::{ComputeType, LoadError, Whisper};

use crate::Control;

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
    /// Beams; 1 is greedy decoding.
    pub beam_size: u8,
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
            beam_size: options.beam_size.unwrap_or(1),
            word_timestamps: options.word_timestamps,
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

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The control asked to stop.
    #[error("transcription was stopped")]
    Stopped,
    /// ggml uses instructions without asking whether the processor has them.
    #[error("this build needs {} of the processor, which it lacks: build on this machine", .0.join(", "))]
    Processor(Vec<&'static str>),
    /// There is no memory to run in.
    #[error("cannot make a state to run in: not enough memory")]
    NoState,
    /// Weights that are installed could not be loaded; the log says why.
    #[error("cannot load the weights {model}")]
    NotLoaded {
        /// Their name.
        model: String,
    },
    /// The weights a job asks for are not installed here, or damaged.
    #[error("the weights {model} cannot be used: {reason}")]
    ModelUnavailable {
        /// Their name.
        model: String,
        /// Why, for the client.
        reason: String,
    },
    /// The head of the weights' file could not be read.
    #[error("cannot read the head of the weights")]
    Header(#[source] std::io::Error),
    /// whisper.cpp failed; its log says more.
    #[error("whisper failed to {action}")]
    Whisper {
        /// What it was doing, as a verb.
        action: &'static str,
        /// What whisper-rs said.
        source: whisper_rs::WhisperError,
    },
}

impl EngineError {
    /// Whether the machine or its set-up is at fault, and not what was to be transcribed.
    pub(crate) fn is_of_machine(&self) -> bool {
        matches!(
            self,
            Self::NoState | Self::NotLoaded { .. } | Self::Header(_) | Self::Processor(_)
        )
    }
}
