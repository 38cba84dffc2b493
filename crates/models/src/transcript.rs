//! The transcript of one recording. The workers make its parts, the store joins them, the api renders it.

use serde::{Deserialize, Serialize};

use crate::{Coverage, Speaker, Warning};

/// What a completed job yields. All times are seconds from the start of the recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobResult {
    /// The whole text, segments joined; no line breaks.
    pub text: String,
    /// ISO 639-1 code of the language spoken (three letters where Whisper uses them, as `yue`).
    /// `None` without speech and without a given language.
    pub language: Option<String>,
    /// Codes of all languages spoken, most spoken first, if there are several. The first is `language`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// How sure the detection was, 0 to 1. `None` when the request named the language.
    pub language_probability: Option<f32>,
    /// Length of the recording in seconds.
    pub duration_seconds: f64,
    /// Name of the weights that were used, as `base`.
    pub model: String,
    /// How much of the speech has text. Absent in results of versions that did not measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// What the client should know about this result; usually nothing.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// The speakers, in the order of their first words, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub speakers: Vec<Speaker>,
    /// Pieces of the transcript in order of time.
    pub segments: Vec<Segment>,
}

/// A piece of the transcript, usually a sentence or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Segment {
    /// Position in the transcript, from 0.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub id: u32,
    /// Start in seconds.
    pub start: f64,
    /// End in seconds, never before `start`.
    pub end: f64,
    /// The text, without space at either end.
    pub text: String,
    /// Code of the language spoken here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Who speaks, as named in `speakers`. A segment has one speaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// Mean natural logarithm of the tokens' probabilities. Below -1 the text is doubtful.
    pub avg_logprob: f32,
    /// Length of the text over its length when compressed (zlib). Above 2.4 the text repeats itself.
    pub compression_ratio: f32,
    /// Whisper's probability that there is no speech here, 0 to 1.
    pub no_speech_prob: f32,
    /// Sampling temperature the text was decoded with; above 0 after a retry.
    pub temperature: f32,
    /// Whisper's token ids of the text. Empty for a part of a segment that was split between speakers.
    pub tokens: Vec<i32>,
    /// Words with their times, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<Word>>,
}

/// A word and when it was spoken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Word {
    /// The word with its punctuation, without space.
    pub word: String,
    /// Start in seconds.
    pub start: f64,
    /// End in seconds, never before `start`.
    pub end: f64,
    /// Mean probability of its tokens, 0 to 1.
    pub probability: f32,
    /// Who speaks, as named in `speakers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
}

/// The separator between two pieces of a text: a space, except in scripts written without spaces.
pub fn separator(before: &str, after: &str) -> &'static str {
    let unspaced = before.ends_with(is_unspaced) && after.starts_with(is_unspaced);
    if before.is_empty() || after.is_empty() || unspaced {
        ""
    } else {
        " "
    }
}

/// Characters of scripts that put no space between words, and their punctuation.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{FF00}'..='\u{FFEF}' | '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}')
}
