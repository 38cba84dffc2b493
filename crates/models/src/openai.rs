//! The bodies of OpenAI's audio API, field for field, made of our own types.
//!
//! Source: <https://platform.openai.com/docs/api-reference/audio>. Used by the api's `/v1` and by `?format=verbose_json`.

mod diarized;

use serde::{Deserialize, Serialize};

pub use diarized::{DiarizedSegment, DiarizedTranscription, SpokenSegment};

use crate::{Coverage, JobResult, Task, Warning, language_name};

/// What a transcription is billed by: the recording's length, or, at the end of a stream, tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Usage {
    /// By time.
    Duration {
        /// Length of the recording in seconds, rounded up.
        seconds: u64,
    },
    /// By tokens.
    Tokens {
        /// Of the recording.
        input_tokens: u64,
        /// The kinds of the input's tokens.
        input_token_details: InputTokens,
        /// Of the text.
        output_tokens: u64,
        /// Both.
        total_tokens: u64,
    },
}

/// The kinds of the input's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InputTokens {
    /// Of the recording: ten a second, as OpenAI counts.
    pub audio_tokens: u64,
    /// Of the prompt; not counted here.
    pub text_tokens: u64,
}

/// Tokens of a second of audio.
const AUDIO_TOKENS_A_SECOND: f64 = 10.0;

/// `response_format=json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Transcription {
    /// The whole text.
    pub text: String,
    /// The languages spoken, most spoken first; empty where there is no speech.
    #[serde(default)]
    pub languages: Vec<SpokenLanguage>,
    /// Length of the recording.
    pub usage: Usage,
}

/// A language of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SpokenLanguage {
    /// Its code.
    pub code: String,
}

/// Which pieces of `verbose_json` were asked for (`timestamp_granularities[]`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granularities {
    /// The segments.
    pub segments: bool,
    /// The words.
    pub words: bool,
}

/// `response_format=verbose_json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerboseTranscription {
    /// `transcribe` or `translate`.
    pub task: Task,
    /// English name of the language in lower case; `unknown` without speech and without a given language.
    pub language: String,
    /// Length of the recording in seconds.
    pub duration: f64,
    /// The whole text.
    pub text: String,
    /// The words, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<TimedWord>>,
    /// The segments, unless words alone were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<Vec<VerboseSegment>>,
    /// Length of the recording.
    pub usage: Usage,
    /// How much of the speech has text. Not part of OpenAI's answer; its clients ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// What the client should know about this result, if anything. Not part of OpenAI's answer; its clients ignore it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// A word of `verbose_json`. Times in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimedWord {
    /// The word with its punctuation, without space.
    pub word: String,
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
}

/// A segment of `verbose_json`, with all ten fields of OpenAI's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerboseSegment {
    /// Position in the transcript, from 0.
    pub id: u32,
    /// Always 0: spans are cut at pauses, not at Whisper's seek points.
    pub seek: u32,
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// The text.
    pub text: String,
    /// Whisper's token ids of the text.
    pub tokens: Vec<i32>,
    /// Sampling temperature the text was decoded with.
    pub temperature: f32,
    /// Mean natural logarithm of the tokens' probabilities.
    pub avg_logprob: f32,
    /// Length of the text over its length when compressed.
    pub compression_ratio: f32,
    /// Probability that there is no speech, 0 to 1.
    pub no_speech_prob: f32,
}

/// One event of `stream=true`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type")]
pub enum StreamEvent {
    /// More text. The deltas joined equal the text of the end.
    #[serde(rename = "transcript.text.delta")]
    Delta {
        /// The text to append.
        delta: String,
    },
    /// A segment with its speaker, for `diarized_json`.
    #[serde(rename = "transcript.text.segment")]
    Segment(SpokenSegment),
    /// The end.
    #[serde(rename = "transcript.text.done")]
    Done {
        /// The whole text.
        text: String,
        /// The languages spoken, most spoken first; empty where there is no speech.
        #[serde(default)]
        languages: Vec<SpokenLanguage>,
        /// Tokens of the recording and of the text.
        usage: Usage,
    },
}

impl StreamEvent {
    /// The name of the event, which is its type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delta { .. } => "transcript.text.delta",
            Self::Segment(_) => diarized::SEGMENT_TYPE,
            Self::Done { .. } => "transcript.text.done",
        }
    }
}

/// Weights that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Model {
    /// The name to ask for.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// Unix time; 0, as the file's age says nothing of the weights.
    pub created: i64,
    /// Always `steno`.
    pub owned_by: String,
}

/// The answer to `GET /v1/models`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelList {
    /// Always `list`.
    pub object: String,
    /// The weights, the default first.
    pub data: Vec<Model>,
}

/// The body of every error below `/v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong, with all four keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorDetail {
    /// What happened and what to do.
    pub message: String,
    /// OpenAI's class of errors, as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The field at fault.
    pub param: Option<String>,
    /// The stable code.
    pub code: Option<String>,
}

impl Usage {
    /// That of a recording.
    pub fn of(result: &JobResult) -> Self {
        Self::Duration {
            seconds: result.duration_seconds.ceil().max(0.0) as u64,
        }
    }

    /// That of a recording, at the end of a stream. Clients with types refuse the other form there.
    pub fn in_tokens(result: &JobResult) -> Self {
        let audio_tokens = (result.duration_seconds * AUDIO_TOKENS_A_SECOND)
            .ceil()
            .max(0.0) as u64;
        let output_tokens = result
            .segments
            .iter()
            .map(|segment| segment.tokens.len() as u64)
            .sum();
        Self::Tokens {
            input_tokens: audio_tokens,
            input_token_details: InputTokens {
                audio_tokens,
                text_tokens: 0,
            },
            output_tokens,
            total_tokens: audio_tokens + output_tokens,
        }
    }
}

impl Transcription {
    /// The body for a result.
    pub fn new(result: &JobResult) -> Self {
        Self {
            text: result.text.clone(),
            languages: languages_of(result),
            usage: Usage::of(result),
        }
    }
}

/// The languages of a result, the main one first.
pub fn languages_of(result: &JobResult) -> Vec<SpokenLanguage> {
    let several = result.languages.iter();
    let one = result
        .language
        .iter()
        .filter(|_| result.languages.is_empty());
    several
        .chain(one)
        .map(|code| SpokenLanguage { code: code.clone() })
        .collect()
}

impl VerboseTranscription {
    /// The body for a result, with the pieces that were asked for.
    pub fn new(result: &JobResult, task: Task, granularities: Granularities) -> Self {
        let language = match result.language.as_deref() {
            // The language of the text, as OpenAI's server has it.
            _ if task == Task::Translate => "english",
            Some(code) => language_name(code).unwrap_or(code),
            None => "unknown",
        };
        Self {
            task,
            language: language.to_owned(),
            duration: result.duration_seconds,
            text: result.text.clone(),
            words: granularities.words.then(|| words(result)),
            segments: granularities.segments.then(|| segments(result)),
            usage: Usage::of(result),
            coverage: result.coverage.clone(),
            warnings: result.warnings.clone(),
        }
    }
}

fn words(result: &JobResult) -> Vec<TimedWord> {
    let words = result
        .segments
        .iter()
        .flat_map(|segment| segment.words.iter().flatten());
    words
        .map(|word| TimedWord {
            word: word.word.clone(),
            start: word.start,
            end: word.end,
        })
        .collect()
}

fn segments(result: &JobResult) -> Vec<VerboseSegment> {
    let verbose = result.segments.iter().map(|segment| VerboseSegment {
        id: segment.id,
        seek: 0,
        start: segment.start,
        end: segment.end,
        text: segment.text.clone(),
        tokens: segment.tokens.clone(),
        temperature: segment.temperature,
        avg_logprob: segment.avg_logprob,
        compression_ratio: segment.compression_ratio,
        no_speech_prob: segment.no_speech_prob,
    });
    verbose.collect()
}

impl Model {
    /// Weights of that name.
    pub fn named(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            object: "model".to_owned(),
            created: 0,
            owned_by: "steno".to_owned(),
        }
    }
}
