//! What a client may ask for: the options of a job, read from form fields or query parameters and checked.
//!
//! Called by the api for every submission. Never touches the audio.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{FieldProblem, LanguageChoice, Layout};

/// Longest prompt in bytes; Whisper reads at most 224 tokens of it.
const MAX_PROMPT_BYTES: usize = 2048;
/// Largest `metadata` in bytes of JSON.
const MAX_METADATA_BYTES: usize = 4096;
/// Deepest metadata. Far below what JSON parsers read, which also have to read the answers that it is part of.
const MAX_METADATA_DEPTH: usize = 32;
/// Longest value shown back in an error.
const MAX_QUOTED_CHARS: usize = 40;

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
/// A new option needs `skip_serializing_if` and a place in one of the lists of `stored_options.rs`.
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
    /// Beams of the search, 1 to 8; 1, the default, is greedy decoding.
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
    /// Any JSON object of at most 4096 bytes; comes back with the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Options of a later release that this one does not know. Kept, and never acted on.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Whether an option needs not be written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Collects option fields one by one, in any order, and every problem with them.
///
/// ```
/// let mut fields = steno_models::OptionFields::default();
/// fields.set("language", "fr");
/// assert_eq!(fields.finish().unwrap().language.as_deref(), Some("fr"));
/// ```
#[derive(Debug, Default)]
pub struct OptionFields {
    request: TranscribeRequest,
    seen: BTreeSet<String>,
    problems: Vec<FieldProblem>,
}

impl TranscribeRequest {
    /// How subtitles of the transcript are laid out.
    pub fn layout(&self) -> Layout {
        Layout {
            max_line_width: self.max_line_width,
            max_line_count: self.max_line_count,
        }
    }
}

impl OptionFields {
    /// Takes one field. What is wrong with it is kept for [`OptionFields::finish`].
    pub fn set(&mut self, name: &str, value: &str) {
        if !self.seen.insert(name.to_owned()) {
            self.refuse(name, "given more than once");
        } else if value.contains('\0') {
            self.refuse(name, "contains a NUL character");
        } else if let Err(detail) = self.assign(name, value) {
            self.refuse(name, detail);
        }
    }

    /// Notes a problem with a field that is not an option, such as a second file.
    pub fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        let name: String = name.chars().take(MAX_QUOTED_CHARS).collect();
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        self.problems.push(FieldProblem {
            pointer,
            detail: detail.into(),
        });
    }

    /// The options so far, or everything that is wrong with them. Options that need each other are checked by
    /// [`OptionFields::finish`] only.
    pub fn so_far(&self) -> Result<&TranscribeRequest, &[FieldProblem]> {
        if self.problems.is_empty() {
            Ok(&self.request)
        } else {
            Err(&self.problems)
        }
    }

    /// The checked options, or everything that is wrong with them.
    pub fn finish(mut self) -> Result<TranscribeRequest, Vec<FieldProblem>> {
        if self.request.max_line_count.is_some() && self.request.max_line_width == Some(0) {
            self.refuse("max_line_count", "has no effect with max_line_width 0");
        }
        if self.request.language.is_some() && !self.request.languages.is_empty() {
            self.refuse(
                "languages",
                "needs language left out, or auto: it says among which languages to detect",
            );
        }
        if self.problems.is_empty() {
            Ok(self.request)
        } else {
            Err(self.problems)
        }
    }

    fn assign(&mut self, name: &str, value: &str) -> Result<(), String> {
        let request = &mut self.request;
        match name {
            "language" => request.language = parse_language(value)?,
            "languages" => request.languages = parse_languages(value)?,
            "task" => request.task = parse_task(value)?,
            "model" => request.model = Some(parse_model(value)?),
            "prompt" => request.prompt = parse_prompt(value)?,
            "temperature" => request.temperature = Some(parse_temperature(value)?),
            "beam_size" => request.beam_size = Some(parse_integer(value, 1, 8)?),
            "word_timestamps" => request.word_timestamps = parse_flag(value)?,
            "max_line_width" => request.max_line_width = Some(parse_line_width(value)?),
            "max_line_count" => request.max_line_count = Some(parse_integer(value, 1, 10)?),
            "priority" => request.priority = parse_integer(value, -10, 10)?,
            "track" => request.track = Some(parse_integer(value, 1, 1000)?),
            "metadata" => request.metadata = Some(parse_metadata(value)?),
            "audio_file" | "audio" => {
                return Err("unknown field; send the recording in the field file".to_owned());
            }
            _ => {
                return Err(
                    "unknown field; known are file, language, languages, task, model, prompt, temperature, beam_size, \
                            word_timestamps, max_line_width, max_line_count, priority, track, metadata"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }
}

fn parse_language(value: &str) -> Result<Option<String>, String> {
    match LanguageChoice::parse(value) {
        Some(LanguageChoice::Known(code)) => Ok(Some(code.to_owned())),
        Some(LanguageChoice::Detect) => Ok(None),
        None => {
            let quoted = quoted(value);
            Err(format!(
                "{quoted} is not a language that Whisper knows; give a code such as en, or auto"
            ))
        }
    }
}

/// Codes with commas between them, without repetitions.
fn parse_languages(value: &str) -> Result<Vec<String>, String> {
    let mut codes = Vec::new();

    for name in value.split(',').filter(|name| !name.trim().is_empty()) {
        let Some(code) = parse_language(name)? else {
            return Err("auto is for language alone; leave languages out to detect any".to_owned());
        };
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    Ok(codes)
}

fn parse_task(value: &str) -> Result<Task, String> {
    match value {
        "transcribe" => Ok(Task::Transcribe),
        "translate" => Ok(Task::Translate),
        _ => Err(format!(
            "{} is not one of transcribe, translate",
            quoted(value)
        )),
    }
}

fn parse_model(value: &str) -> Result<String, String> {
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if value.is_empty() || value.len() > 64 || !value.chars().all(named) {
        return Err(
            "a model name has 1 to 64 letters, digits, dots, dashes and underscores".to_owned(),
        );
    }
    Ok(value.to_owned())
}

fn parse_prompt(value: &str) -> Result<Option<String>, String> {
    if value.len() > MAX_PROMPT_BYTES {
        return Err(format!(
            "{} bytes long; at most {MAX_PROMPT_BYTES} are allowed",
            value.len()
        ));
    }
    Ok(Some(value.to_owned()).filter(|prompt| !prompt.trim().is_empty()))
}

fn parse_temperature(value: &str) -> Result<f32, String> {
    match value.trim().parse::<f32>() {
        // NaN fails the comparison and is refused with the rest.
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err(format!("{} is not a number from 0 to 1", quoted(value))),
    }
}

/// Reads a yes or no as clients write it, in upper or lower case; `None` if it is neither.
pub fn parse_bool(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn parse_flag(value: &str) -> Result<bool, String> {
    parse_bool(value).ok_or_else(|| format!("{} is neither true nor false", quoted(value)))
}

fn parse_integer<N: TryFrom<i64>>(value: &str, lowest: i64, highest: i64) -> Result<N, String> {
    let refusal = || {
        format!(
            "{} is not a whole number from {lowest} to {highest}",
            quoted(value)
        )
    };
    let number = value.trim().parse::<i64>().map_err(|_| refusal())?;
    if !(lowest..=highest).contains(&number) {
        return Err(refusal());
    }
    N::try_from(number).map_err(|_| refusal())
}

/// 0, or a width that a line of words fits in.
fn parse_line_width(value: &str) -> Result<u16, String> {
    if value.trim() == "0" {
        return Ok(0);
    }
    parse_integer(value, 8, 200).map_err(|detail| format!("{detail}, nor 0"))
}

fn parse_metadata(value: &str) -> Result<Map<String, Value>, String> {
    if value.len() > MAX_METADATA_BYTES {
        return Err(format!(
            "{} bytes long; at most {MAX_METADATA_BYTES} are allowed",
            value.len()
        ));
    }
    if value.contains("\\u0000") {
        return Err("contains a NUL character".to_owned());
    }
    match serde_json::from_str(value) {
        Ok(object @ Value::Object(_)) if depth(&object) > MAX_METADATA_DEPTH => {
            Err(format!("nested more than {MAX_METADATA_DEPTH} deep"))
        }
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("not a JSON object".to_owned()),
        Err(error) => Err(format!(
            "not JSON: error at line {}, column {}",
            error.line(),
            error.column()
        )),
    }
}

/// How deep objects and arrays lie in each other; 0 for what is neither.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// A value as it may be shown back: short, and with control characters escaped.
fn quoted(value: &str) -> String {
    let short: String = value.chars().take(MAX_QUOTED_CHARS).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Result<TranscribeRequest, String> {
        let mut fields = OptionFields::default();
        fields.set(name, value);
        fields.finish().map_err(|problems| {
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].pointer, format!("/{name}"));
            problems[0].detail.clone()
        })
    }

    #[test]
    fn every_option_is_read() {
        let mut fields = OptionFields::default();
        for (name, value) in [
            ("language", "FR"),
            ("task", "translate"),
            ("model", "large-v3-turbo-q5_0"),
            ("prompt", "Steno, Whisper"),
            ("temperature", "0.5"),
            ("beam_size", "5"),
            ("priority", "-3"),
            ("track", "2"),
            ("metadata", r#"{"a":[1]}"#),
        ] {
            fields.set(name, value);
        }
        let request = fields.finish().unwrap();
        assert_eq!(request.language.as_deref(), Some("fr"));
        assert_eq!(request.task, Task::Translate);
        assert_eq!(request.temperature, Some(0.5));
        assert_eq!(
            (request.beam_size, request.priority, request.track),
            (Some(5), -3, Some(2))
        );
        let stored = serde_json::to_string(&request).unwrap();
        assert_eq!(
            serde_json::from_str::<TranscribeRequest>(&stored).unwrap(),
            request
        );
    }

    #[test]
    fn values_outside_their_range_are_refused_with_a_pointer() {
        for (name, value) in [
            ("temperature", "NaN"),
            ("temperature", "1.01"),
            ("temperature", "-0.1"),
            ("temperature", "warm"),
            ("beam_size", "0"),
            ("beam_size", "9"),
            ("beam_size", "99999999999999999999"),
            ("priority", "11"),
            ("priority", "1.5"),
            ("track", "0"),
            ("word_timestamps", "maybe"),
            ("max_line_width", "7"),
            ("max_line_count", "0"),
            ("language", "klingon"),
            ("languages", "fr,klingon"),
            ("languages", "fr,auto"),
            ("task", "summarise"),
            ("model", "../etc/passwd"),
            ("model", ""),
            ("prompt", "a\0b"),
            ("metadata", "[]"),
            ("metadata", "{"),
            ("metadata", r#"{"a":"\u0000"}"#),
            ("colour", "red"),
        ] {
            assert!(check(name, value).is_err(), "{name}={value:?} was taken");
        }
        assert!(check("prompt", &"a".repeat(MAX_PROMPT_BYTES + 1)).is_err());
    }

    #[test]
    fn auto_and_empty_languages_mean_detection() {
        assert_eq!(check("language", "auto").unwrap().language, None);
        assert_eq!(check("language", "").unwrap().language, None);
    }

    #[test]
    fn a_yes_or_no_is_read_in_any_spelling() {
        for (value, expected) in [
            ("True", true),
            ("TRUE", true),
            ("1", true),
            ("on", true),
            ("False", false),
            ("0", false),
        ] {
            assert_eq!(
                check("word_timestamps", value).unwrap().word_timestamps,
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn languages_to_choose_from_are_codes_with_commas() {
        assert_eq!(
            check("languages", " FR, en,fr,").unwrap().languages,
            ["fr", "en"]
        );
        assert!(check("languages", "").unwrap().languages.is_empty());
        let mut fields = OptionFields::default();
        fields.set("languages", "fr");
        fields.set("language", "fr");
        assert_eq!(fields.finish().unwrap_err()[0].pointer, "/languages");
    }

    #[test]
    fn a_field_given_twice_is_refused() {
        let mut fields = OptionFields::default();
        fields.set("language", "en");
        fields.set("language", "en");
        assert_eq!(
            fields.finish().unwrap_err()[0].detail,
            "given more than once"
        );
    }

    #[test]
    fn long_and_hostile_values_are_not_echoed_whole() {
        let detail = check("task", &"x\r\n".repeat(10_000)).unwrap_err();
        assert!(detail.len() < 200 && !detail.contains('\n'));
        let mut fields = OptionFields::default();
        fields.set(&"y".repeat(10_000), "");
        assert!(fields.finish().unwrap_err()[0].pointer.len() < 100);
    }
}
