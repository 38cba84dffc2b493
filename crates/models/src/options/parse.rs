//! Readers of single values: text in, value or an explanation out.

use std::str::FromStr;

use serde_json::{Map, Value};

use crate::speakers::MAX_NAME_CHARS;
use crate::{CallbackEvent, Channels, LanguageChoice, Task, WebAddress};

/// Longest prompt in bytes; Whisper reads at most 224 tokens of it.
pub(super) const MAX_PROMPT_BYTES: usize = 2048;
/// Largest `metadata` in bytes of JSON.
pub(super) const MAX_METADATA_BYTES: usize = 4096;
/// Deepest metadata. Far below what JSON parsers read, which also have to read the answers that it is part of.
const MAX_METADATA_DEPTH: usize = 32;
/// Most names of speakers.
const MAX_NAMES: usize = 100;
/// Longest value that an error repeats.
const MAX_QUOTED_CHARS: usize = 40;

pub(super) fn language(value: &str) -> Result<Option<String>, String> {
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
pub(super) fn languages(value: &str) -> Result<Vec<String>, String> {
    let mut codes = Vec::new();

    for name in value.split(',').filter(|name| !name.trim().is_empty()) {
        let Some(code) = language(name)? else {
            return Err("auto is for language alone; leave languages out to detect any".to_owned());
        };
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    Ok(codes)
}

pub(super) fn task(value: &str) -> Result<Task, String> {
    match value {
        "transcribe" => Ok(Task::Transcribe),
        "translate" => Ok(Task::Translate),
        _ => Err(format!(
            "{} is not one of transcribe, translate",
            quoted(value)
        )),
    }
}

pub(super) fn channels(value: &str) -> Result<Channels, String> {
    match value {
        "mix" => Ok(Channels::Mix),
        "split" => Ok(Channels::Split),
        _ => Err(format!("{} is not one of mix, split", quoted(value))),
    }
}

/// Names with commas between them, each once.
pub(super) fn speaker_names(value: &str) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for name in value.split(',').map(str::trim) {
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
            return Err(format!(
                "a name of a speaker has 1 to {MAX_NAME_CHARS} characters; names have commas between them"
            ));
        }
        if name.chars().any(char::is_control) {
            return Err("a name of a speaker has no control characters".to_owned());
        }
        if names.iter().any(|known| known == name) {
            return Err(format!("{} is given more than once", quoted(name)));
        }
        names.push(name.to_owned());
    }
    if names.len() > MAX_NAMES {
        return Err(format!("at most {MAX_NAMES} names are allowed"));
    }
    Ok(names)
}

pub(super) fn model(value: &str) -> Result<String, String> {
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if value.is_empty() || value.len() > 64 || !value.chars().all(named) {
        return Err(
            "a model name has 1 to 64 letters, digits, dots, dashes and underscores".to_owned(),
        );
    }
    Ok(value.to_owned())
}

pub(super) fn prompt(value: &str) -> Result<Option<String>, String> {
    if value.len() > MAX_PROMPT_BYTES {
        return Err(format!(
            "{} bytes long; at most {MAX_PROMPT_BYTES} are allowed",
            value.len()
        ));
    }
    Ok(Some(value.to_owned()).filter(|prompt| !prompt.trim().is_empty()))
}

/// The error repeats nothing: an address may hold a secret.
pub(super) fn callback_url(value: &str) -> Result<WebAddress, String> {
    let read = value.trim().parse::<WebAddress>();
    read.map_err(|error| error.to_string())
}

/// Events with commas between them, without repetitions.
pub(super) fn callback_events(value: &str) -> Result<Vec<CallbackEvent>, String> {
    let mut events = Vec::new();
    for word in value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        let event = CallbackEvent::from_word(word).ok_or_else(|| {
            format!(
                "{} is not one of transcription.completed, transcription.failed",
                quoted(word)
            )
        })?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok(events)
}

pub(super) fn number(value: &str, min: u8, max: u8) -> Result<(), String> {
    match value.trim().parse::<f32>() {
        // NaN fails the comparison and is refused as well.
        Ok(number) if (f32::from(min)..=f32::from(max)).contains(&number) => Ok(()),
        _ => Err(format!(
            "{} is not a number from {min} to {max}",
            quoted(value)
        )),
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

pub(super) fn flag(value: &str) -> Result<bool, String> {
    parse_bool(value).ok_or_else(|| format!("{} is neither true nor false", quoted(value)))
}

pub(super) fn integer(value: &str, min: i64, max: i64) -> Result<(), String> {
    match value.trim().parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(()),
        _ => Err(format!(
            "{} is not a whole number from {min} to {max}",
            quoted(value)
        )),
    }
}

/// 0, or a width that a line of words fits in.
pub(super) fn line_width(value: &str) -> Result<u16, String> {
    if value.trim() == "0" {
        return Ok(0);
    }
    integer(value, 8, 200).map_err(|detail| format!("{detail}, nor 0"))?;
    checked(value)
}

/// Reads a number whose range was checked.
pub(super) fn checked<N: FromStr>(value: &str) -> Result<N, String> {
    value
        .trim()
        .parse()
        .map_err(|_| format!("{} is not a number of the range", quoted(value)))
}

pub(super) fn metadata(value: &str) -> Result<Map<String, Value>, String> {
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
