//! The options of a submission: one table with the name, the reader, the description and the release of each.
//!
//! Called by the api, which reads submissions with [`OptionFields`] and describes them in its `OpenAPI` document, and by
//! `stored_options.rs`. Never touches the audio.
//!
//! To add an option: a field in [`TranscribeRequest`] and a row in [`OPTIONS`]. The reader, the message that lists the
//! known options, the `OpenAPI` document, the fingerprint and the workers' requirements follow from the row. What remains is
//! the documentation (`docs/API.md`, `docs/openapi.json`) and a flag of `steno transcribe`; tests name what is missing.

mod fields;
mod parse;

use serde_json::Value;

use crate::{TranscribeRequest, known_speakers};

pub use fields::OptionFields;
pub use parse::parse_bool;

/// One option.
#[derive(Debug)]
pub struct OptionSpec {
    /// Its name on the wire and in the stored options.
    pub name: &'static str,
    /// What it does, for the `OpenAPI` document.
    pub description: &'static str,
    /// Which values it takes.
    pub kind: OptionKind,
    /// An example for the `OpenAPI` document, as JSON; empty for none.
    pub example: &'static str,
    /// Since when it exists, and who acts on it.
    pub since: Since,
    /// Reads a value into the options, or says what is wrong with it. The kind's range is checked before.
    set: fn(&mut TranscribeRequest, &str) -> Result<(), String>,
}

/// Which values an option takes, as the `OpenAPI` document says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptionKind {
    /// Text.
    Text {
        /// Longest text, if there is a limit.
        max_length: Option<usize>,
        /// What it matches, if that can be said.
        pattern: Option<&'static str>,
    },
    /// A number.
    Number {
        /// Lowest value.
        min: u8,
        /// Highest value.
        max: u8,
    },
    /// A whole number.
    Integer {
        /// Lowest value.
        min: i64,
        /// Highest value.
        max: i64,
    },
    /// True or false.
    Flag,
    /// What to do with the speech.
    Task,
}

/// Since when an option exists, and who acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The first release: every worker knows it, and every fingerprint contains it.
    FirstRelease,
    /// A later release, and workers act on it. Workers that do not know it leave its jobs alone.
    LaterForWorkers,
    /// A later release, and only the api acts on it. Any worker can do such a job.
    LaterForApi,
}

const TEXT: OptionKind = OptionKind::Text {
    max_length: None,
    pattern: None,
};

/// Every option, in the order of the documentation.
pub const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "language",
        description: "ISO 639-1 code of the language spoken, or `auto`, the default.",
        kind: TEXT,
        example: r#""en""#,
        since: Since::FirstRelease,
        set: |request, value| parse::language(value).map(|read| request.language = read),
    },
    OptionSpec {
        name: "languages",
        description: "Codes of the languages that may be spoken, with commas between them. Only without `language`.",
        kind: TEXT,
        example: r#""en,fr""#,
        since: Since::LaterForWorkers,
        set: |request, value| parse::languages(value).map(|read| request.languages = read),
    },
    OptionSpec {
        name: "task",
        description: "`transcribe`, or `translate` into English.",
        kind: OptionKind::Task,
        example: "",
        since: Since::FirstRelease,
        set: |request, value| parse::task(value).map(|read| request.task = read),
    },
    OptionSpec {
        name: "model",
        description: "Name of installed weights; the server's default if not given.",
        kind: OptionKind::Text {
            max_length: None,
            pattern: Some("^[A-Za-z0-9._-]{1,64}$"),
        },
        example: r#""base""#,
        since: Since::FirstRelease,
        set: |request, value| parse::model(value).map(|read| request.model = Some(read)),
    },
    OptionSpec {
        name: "prompt",
        description: "Text that sets style and spelling, at most 2048 bytes.",
        kind: OptionKind::Text {
            max_length: Some(parse::MAX_PROMPT_BYTES),
            pattern: None,
        },
        example: r#""Dr. Zoé Lefèvre, Steno""#,
        since: Since::FirstRelease,
        set: |request, value| parse::prompt(value).map(|read| request.prompt = read),
    },
    OptionSpec {
        name: "temperature",
        description: "Sampling temperature to begin with.",
        kind: OptionKind::Number { min: 0, max: 1 },
        example: "0.0",
        since: Since::FirstRelease,
        set: |request, value| parse::checked(value).map(|read| request.temperature = Some(read)),
    },
    OptionSpec {
        name: "beam_size",
        description: "Beams of the search; 1 is greedy decoding. Default: 5 with the native engine, 1 with whisper.cpp.",
        kind: OptionKind::Integer { min: 1, max: 8 },
        example: "1",
        since: Since::FirstRelease,
        set: |request, value| parse::checked(value).map(|read| request.beam_size = Some(read)),
    },
    OptionSpec {
        name: "word_timestamps",
        description: "Whether segments come with their words and their times.",
        kind: OptionKind::Flag,
        example: "",
        since: Since::FirstRelease,
        set: |request, value| parse::flag(value).map(|read| request.word_timestamps = read),
    },
    OptionSpec {
        name: "max_line_width",
        description: "Columns of a line of subtitles: 42 by default; 0 makes every segment one line.",
        kind: OptionKind::Integer { min: 0, max: 200 },
        example: "42",
        since: Since::FirstRelease,
        set: |request, value| {
            parse::line_width(value).map(|read| request.max_line_width = Some(read))
        },
    },
    OptionSpec {
        name: "max_line_count",
        description: "Lines of a subtitle: 2 by default.",
        kind: OptionKind::Integer { min: 1, max: 10 },
        example: "2",
        since: Since::FirstRelease,
        set: |request, value| parse::checked(value).map(|read| request.max_line_count = Some(read)),
    },
    OptionSpec {
        name: "priority",
        description: "Jobs of a higher priority go first.",
        kind: OptionKind::Integer { min: -10, max: 10 },
        example: "0",
        since: Since::FirstRelease,
        set: |request, value| parse::checked(value).map(|read| request.priority = read),
    },
    OptionSpec {
        name: "track",
        description: "Which audio track of the recording; the default one, or the first with sound, if not given.",
        kind: OptionKind::Integer { min: 1, max: 1000 },
        example: "1",
        since: Since::LaterForWorkers,
        set: |request, value| parse::checked(value).map(|read| request.track = Some(read)),
    },
    OptionSpec {
        name: "channels",
        description: "`mix`, the default, or `split`: transcribe each channel by itself. Each is a speaker then. Not with `diarize`.",
        kind: OptionKind::Text {
            max_length: None,
            pattern: Some("^(mix|split)$"),
        },
        example: r#""split""#,
        since: Since::LaterForWorkers,
        set: |request, value| parse::channels(value).map(|read| request.channels = read),
    },
    OptionSpec {
        name: "speaker_names",
        description: "Names with commas between them: of the channels with `channels=split`, of the speakers in the order of their \
                      first words with `diarize`. Others are `A`, `B` and so on.",
        kind: TEXT,
        example: r#""Agent,Customer""#,
        since: Since::LaterForWorkers,
        set: |request, value| parse::speaker_names(value).map(|read| request.speaker_names = read),
    },
    OptionSpec {
        name: "diarize",
        description: "Whether to label who speaks.",
        kind: OptionKind::Flag,
        example: "",
        since: Since::LaterForWorkers,
        set: |request, value| parse::flag(value).map(|read| request.diarize = read),
    },
    OptionSpec {
        name: "speakers",
        description: "How many speakers there are, if that is known. Only with `diarize`.",
        kind: OptionKind::Integer { min: 1, max: 100 },
        example: "",
        since: Since::LaterForWorkers,
        set: |request, value| parse::checked(value).map(|read| request.speakers = Some(read)),
    },
    OptionSpec {
        name: "min_speakers",
        description: "There are at least so many speakers. Only with `diarize`.",
        kind: OptionKind::Integer { min: 1, max: 100 },
        example: "",
        since: Since::LaterForWorkers,
        set: |request, value| parse::checked(value).map(|read| request.min_speakers = Some(read)),
    },
    OptionSpec {
        name: "max_speakers",
        description: "There are at most so many speakers. Only with `diarize`.",
        kind: OptionKind::Integer { min: 1, max: 100 },
        example: "",
        since: Since::LaterForWorkers,
        set: |request, value| parse::checked(value).map(|read| request.max_speakers = Some(read)),
    },
    OptionSpec {
        name: "known_speaker_names",
        description: "Names of people, with commas between them, whose voices are recognised by `known_speaker_references`. At most 4.",
        kind: TEXT,
        example: r#""Anna,Ben""#,
        since: Since::LaterForWorkers,
        set: |request, value| {
            parse::speaker_names(value).map(|read| request.known_speaker_names = read)
        },
    },
    OptionSpec {
        name: "known_speaker_references",
        description: "For each of `known_speaker_names` a recording of 2 to 10 s of that voice alone, as a data URL of at most 1 MiB; \
                      with commas or spaces between them.",
        kind: TEXT,
        example: "",
        since: Since::LaterForWorkers,
        set: |request, value| {
            known_speakers::references(value).map(|read| request.known_speaker_references = read)
        },
    },
    OptionSpec {
        name: "metadata",
        description: "A JSON object of at most 4096 bytes; comes back with the status.",
        kind: OptionKind::Text {
            max_length: Some(parse::MAX_METADATA_BYTES),
            pattern: None,
        },
        example: r#""{\"episode\": 7}""#,
        since: Since::FirstRelease,
        set: |request, value| parse::metadata(value).map(|read| request.metadata = Some(read)),
    },
    OptionSpec {
        name: "callback_url",
        description: "An http or https address that is sent a signed webhook when the job ends.",
        kind: OptionKind::Text {
            max_length: Some(crate::web_address::MAX_LENGTH),
            pattern: None,
        },
        example: r#""https://example.org/hooks/steno""#,
        since: Since::LaterForApi,
        set: |request, value| {
            parse::callback_url(value).map(|read| request.callback_url = Some(read))
        },
    },
    OptionSpec {
        name: "callback_events",
        description: "What webhooks report, with commas between: `transcription.completed`, `transcription.failed`. \
                      Everything, if not given. Needs `callback_url`.",
        kind: TEXT,
        example: r#""transcription.completed,transcription.failed""#,
        since: Since::LaterForApi,
        set: |request, value| {
            parse::callback_events(value).map(|read| request.callback_events = read)
        },
    },
];

impl OptionKind {
    /// Checks a value against the range of its kind.
    fn check(self, value: &str) -> Result<(), String> {
        match self {
            Self::Integer { min, max } => parse::integer(value, min, max),
            Self::Number { min, max } => parse::number(value, min, max),
            Self::Text { .. } | Self::Flag | Self::Task => Ok(()),
        }
    }
}

impl OptionSpec {
    /// The option of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        OPTIONS.iter().find(|option| option.name == name)
    }

    /// The example as a value.
    pub fn example(&self) -> Option<Value> {
        serde_json::from_str(self.example).ok()
    }

    /// The names of the options of a release, in order.
    pub(crate) fn names(since: Since) -> impl Iterator<Item = &'static str> {
        OPTIONS
            .iter()
            .filter(move |option| option.since == since)
            .map(|option| option.name)
    }
}

#[cfg(test)]
mod tests;
