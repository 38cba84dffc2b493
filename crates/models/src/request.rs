//! The options of a job, in the form in which the store keeps them and workers read them.
//!
//! `options.rs` reads and checks what clients send; `stored_options.rs` compares releases.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{CallbackEvent, Channels, Layout, SpeakerReference, WebAddress};

/// What to do with the speech.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Write down what is said, in its language.
    #[default]
    Transcribe,
    /// Write down what is said, in English.
    Translate,
}

/// The options of a job. Stored with it as JSON: defaults are left out, and absent fields take them again.
///
/// A new option needs `skip_serializing_if` and a row in [`OPTIONS`](crate::OPTIONS).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TranscribeRequest {
    /// Code of the language spoken; `None` detects it (`auto` on the wire).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Codes of the languages that may be spoken; empty for all. Only where `language` is `None`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Transcribe or translate.
    #[serde(skip_serializing_if = "is_default")]
    pub task: Task,
    /// Name of the weights; `None` is the server's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Text that sets style and spelling, at most 2048 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Sampling temperature to begin with, 0 to 1. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Beams of the search, 1 to 8; 1 is greedy decoding. Default: 5 with the native engine, 1 with whisper.cpp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beam_size: Option<u8>,
    /// Whether each segment comes with its words and their times.
    #[serde(skip_serializing_if = "is_default")]
    pub word_timestamps: bool,
    /// Columns of a line of subtitles, 8 to 200 (a CJK character takes two); `None` is 42, and 0 makes every segment one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_line_width: Option<u16>,
    /// Lines of a subtitle, 1 to 10; `None` is 2. Not with a `max_line_width` of 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_line_count: Option<u8>,
    /// Jobs of a higher priority go first, -10 to 10. Default 0.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i8,
    /// Which audio track of the recording, counted from 1; `None` takes the default track, or the first with sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<u16>,
    /// What becomes of the channels of the recording.
    #[serde(skip_serializing_if = "is_default")]
    pub channels: Channels,
    /// Names of the channels, or of the speakers in the order of their first words; others are `A`, `B` and so on. Only with
    /// `diarize` or `channels=split`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub speaker_names: Vec<String>,
    /// Whether to label who speaks.
    #[serde(skip_serializing_if = "is_default")]
    pub diarize: bool,
    /// How many speakers there are. Only with `diarize`, and without the two bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speakers: Option<u8>,
    /// There are at least so many speakers. Only with `diarize`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_speakers: Option<u8>,
    /// There are at most so many speakers. Only with `diarize`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_speakers: Option<u8>,
    /// Names of the people whose voices are recognised. Only with `diarize`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub known_speaker_names: Vec<String>,
    /// A recording of each of them, in the same order. The store keeps them apart, and only tasks that label speakers get them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub known_speaker_references: Vec<SpeakerReference>,
    /// Whether only the language is wanted: a little of the speech is decoded, and nothing is transcribed. Set by the api for
    /// `/detect-language`; clients cannot.
    #[serde(skip_serializing_if = "is_default")]
    pub detect_only: bool,
    /// Any JSON object of at most 4096 bytes; comes back with the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Where to send webhooks; `None` sends none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<WebAddress>,
    /// What webhooks report; empty for everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callback_events: Vec<CallbackEvent>,
    /// Options of a later release that this one does not know. Kept, and never acted on.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Whether an option needs not be written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TranscribeRequest {
    /// Whether workers find out when each word is spoken.
    pub fn needs_words(&self) -> bool {
        self.word_timestamps || self.names_speakers()
    }

    /// Whether the result names who speaks.
    pub fn names_speakers(&self) -> bool {
        self.diarize || self.splits_channels()
    }

    /// Whether each channel is transcribed by itself.
    pub fn splits_channels(&self) -> bool {
        self.channels == Channels::Split
    }

    /// The least and the most speakers that there may be.
    pub fn speaker_bounds(&self) -> (Option<u8>, Option<u8>) {
        (
            self.speakers.or(self.min_speakers),
            self.speakers.or(self.max_speakers),
        )
    }

    /// How subtitles of the transcript are laid out.
    pub fn layout(&self) -> Layout {
        Layout {
            max_line_width: self.max_line_width,
            max_line_count: self.max_line_count,
        }
    }
}
