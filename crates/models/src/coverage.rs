//! How much of the speech in a recording the transcript covers, and what a client should know about the result.
//!
//! Computed by the store when a job completes, part of every result. Codes and reasons are open lists: a program
//! that meets one it does not know passes it on unchanged, because neighbouring versions share one queue.

use serde::{Deserialize, Serialize};

/// Seconds of speech that were found, and seconds that have text. All times are in seconds.
///
/// `speech_seconds` is `transcribed_seconds` plus the length of all gaps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Coverage {
    /// Speech that was found, including the short silence that is kept around it.
    pub speech_seconds: f64,
    /// Speech that has text.
    pub transcribed_seconds: f64,
    /// Speech without text, in order and disjoint.
    pub gaps: Vec<Gap>,
}

/// A stretch of speech that has no text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Gap {
    /// Seconds from the start of the recording.
    pub start: f64,
    /// Seconds from the start of the recording, after `start`.
    pub end: f64,
    /// Why there is no text.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "no_words"))]
    pub reason: GapReason,
}

/// Something about the result that its client should know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Warning {
    /// The stable code, for programs.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "speech_not_transcribed"))]
    pub code: WarningCode,
    /// What happened, for people. Never contains words of the transcript.
    pub detail: String,
    /// Where it begins, in seconds, if it is in one place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// Where it ends, in seconds, if it is in one place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<f64>,
}

impl Warning {
    /// A warning about the whole recording.
    pub fn new(code: WarningCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            start: None,
            end: None,
        }
    }

    /// A warning about one place.
    pub fn at(code: WarningCode, detail: impl Into<String>, start: f64, end: f64) -> Self {
        Self {
            code,
            detail: detail.into(),
            start: Some(start),
            end: Some(end),
        }
    }
}

/// Why speech has no text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum GapReason {
    /// The engine found no words in it.
    NoWords,
    /// Whisper itself considered it no speech, and its words were unlikely.
    NoSpeech,
    /// The text repeated itself over and over; all repetitions but the first were dropped.
    Repetition,
    /// The words were so unlikely that they were dropped as hallucinated.
    Hallucination,
    /// A reason of another version.
    Other(String),
}

impl GapReason {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::NoWords => "no_words",
            Self::NoSpeech => "no_speech",
            Self::Repetition => "repetition",
            Self::Hallucination => "hallucination",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for GapReason {
    fn from(word: String) -> Self {
        match word.as_str() {
            "no_words" => Self::NoWords,
            "no_speech" => Self::NoSpeech,
            "repetition" => Self::Repetition,
            "hallucination" => Self::Hallucination,
            _ => Self::Other(word),
        }
    }
}

impl From<GapReason> for String {
    fn from(reason: GapReason) -> Self {
        reason.as_str().to_owned()
    }
}

/// What a warning is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum WarningCode {
    /// Speech was found that has no text; `coverage.gaps` lists where.
    SpeechNotTranscribed,
    /// Parts of the file could not be decoded; silence took their place.
    DamagedAudio,
    /// The file ends before its announced end.
    Truncated,
    /// Much of the text is unlikely to be what was said.
    LowConfidence,
    /// More than one language is spoken; each segment names its own.
    SeveralLanguages,
    /// Speech was transcribed in another language than the request named.
    LanguageMismatch,
    /// Speakers were requested and could not be distinguished.
    DiarizationFailed,
    /// The recording of a known speaker cannot be used. It is ignored.
    KnownSpeakerUnusable,
    /// Channels were to be split, and there is only one, or all hold the same sound.
    SingleChannel,
    /// The weights do not know the language that the request named.
    LanguageUnknown,
    /// A code of another version.
    Other(String),
}

impl WarningCode {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::SpeechNotTranscribed => "speech_not_transcribed",
            Self::DamagedAudio => "damaged_audio",
            Self::Truncated => "truncated",
            Self::LowConfidence => "low_confidence",
            Self::SeveralLanguages => "several_languages",
            Self::LanguageMismatch => "language_mismatch",
            Self::DiarizationFailed => "diarization_failed",
            Self::KnownSpeakerUnusable => "known_speaker_unusable",
            Self::SingleChannel => "single_channel",
            Self::LanguageUnknown => "language_unknown",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for WarningCode {
    fn from(word: String) -> Self {
        match word.as_str() {
            "speech_not_transcribed" => Self::SpeechNotTranscribed,
            "damaged_audio" => Self::DamagedAudio,
            "truncated" => Self::Truncated,
            "low_confidence" => Self::LowConfidence,
            "several_languages" => Self::SeveralLanguages,
            "language_mismatch" => Self::LanguageMismatch,
            "diarization_failed" => Self::DiarizationFailed,
            "known_speaker_unusable" => Self::KnownSpeakerUnusable,
            "single_channel" => Self::SingleChannel,
            "language_unknown" => Self::LanguageUnknown,
            _ => Self::Other(word),
        }
    }
}

impl From<WarningCode> for String {
    fn from(code: WarningCode) -> Self {
        code.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_reasons_keep_their_words_known_or_not() {
        for word in [
            "speech_not_transcribed",
            "damaged_audio",
            "truncated",
            "low_confidence",
            "several_languages",
            "language_mismatch",
            "diarization_failed",
            "single_channel",
            "language_unknown",
            "a_code_of_a_later_version",
        ] {
            let code: WarningCode = serde_json::from_value(word.into()).unwrap();
            assert_eq!(serde_json::to_value(&code).unwrap(), word);
            assert_eq!(
                matches!(code, WarningCode::Other(_)),
                word.starts_with("a_code")
            );
        }

        for word in [
            "no_words",
            "no_speech",
            "repetition",
            "hallucination",
            "a_later_reason",
        ] {
            let reason: GapReason = serde_json::from_value(word.into()).unwrap();
            assert_eq!(serde_json::to_value(&reason).unwrap(), word);
            assert_eq!(
                matches!(reason, GapReason::Other(_)),
                word.starts_with("a_later")
            );
        }
    }

    #[test]
    fn a_warning_without_a_place_has_two_fields() {
        let warning = Warning::new(WarningCode::Truncated, "the file is cut off");
        let json = serde_json::to_value(&warning).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"code": "truncated", "detail": "the file is cut off"})
        );
        assert_eq!(serde_json::from_value::<Warning>(json).unwrap(), warning);
    }
}
