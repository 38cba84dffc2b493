//! The form of a transcription as OpenAI's clients send it.
//!
//! As lenient as OpenAI's server: a field it does not know has no effect, unless it is an option of `POST /transcribe` with a
//! valid value, and an empty field is one that is not there. Fields of OpenAI's with a wrong value are refused.

use steno_models::openai::Granularities;
use steno_models::{FieldProblem, OptionFields, Task, TranscribeRequest, parse_bool};

use crate::problem::ApiError;
use crate::upload::{FieldValue, Form};

/// Longest prompt that is passed on, in bytes. Whisper reads the end of a longer one, so that is what is kept.
const MAX_PROMPT_BYTES: usize = 2048;

/// How the client wants its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseFormat {
    Json,
    VerboseJson(Granularities),
    Text,
    Srt,
    Vtt,
    /// The segments with their speakers.
    DiarizedJson,
    /// `stream=true`: deltas as they come.
    Stream,
    /// The same with the segments and their speakers, at the end.
    DiarizedStream,
}

/// A transcription that was asked for.
#[derive(Debug)]
pub(super) struct Request {
    /// The options of the job, without its weights.
    pub(super) options: TranscribeRequest,
    /// What the client calls the weights; empty for the default.
    pub(super) model: String,
    pub(super) format: ResponseFormat,
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    options: OptionFields,
    model: Option<String>,
    format: Option<String>,
    stream: bool,
    granularities: Vec<String>,
    languages: Vec<String>,
    language: Option<String>,
    prompt: Option<String>,
    keywords: Vec<String>,
    known_speaker_names: Vec<String>,
    known_speaker_references: Vec<String>,
    /// Native options with a valid value.
    native: Vec<(String, String)>,
}

/// Checks the fields that come before the recording, and returns what they call the weights, if they do. Fields that need each
/// other are checked when all are there.
pub(super) fn check_first_fields(form: &Form) -> Result<Option<String>, ApiError> {
    let reading = Reading::of(form);
    match reading.options.so_far() {
        Ok(_) => Ok(reading.model),
        Err(problems) => Err(ApiError::invalid_options(problems.to_vec())),
    }
}

/// Reads and checks the fields of a form. `task` is that of the address.
pub(super) fn read(form: &Form, task: Task) -> Result<Request, ApiError> {
    let mut reading = Reading::of(form);
    if form.files > 1 {
        reading
            .options
            .refuse("file", "given more than once; send one recording at a time");
    }
    reading.finish(task).map_err(ApiError::invalid_options)
}

impl Reading {
    fn of(form: &Form) -> Self {
        let mut reading = Self::default();
        for (name, value) in &form.fields {
            // Clients write lists and members as name[], name[0] and name[member].
            let name = name.split('[').next().unwrap_or_default();
            if let Err(detail) = reading.take(name, value) {
                reading.options.refuse(name, detail);
            }
        }
        reading
    }

    fn take(&mut self, name: &str, value: &FieldValue) -> Result<(), String> {
        // The end of a text that is too long is all that Whisper would read of it.
        if let ("prompt" | "keywords", FieldValue::TooLong { end, .. }) = (name, value) {
            return self.take(name, &FieldValue::Text(end.clone()));
        }
        if !is_of_openai(name) {
            if let FieldValue::Text(value) = value {
                self.take_native(name, value);
            }
            return Ok(());
        }
        let value = value.text()?;
        if value.contains('\0') {
            return Err("contains a NUL character".to_owned());
        }
        if value.trim().is_empty() {
            return Ok(());
        }

        match name {
            "model" => set_once(&mut self.model, value)?,
            "response_format" => set_once(&mut self.format, value)?,
            "prompt" => set_once(&mut self.prompt, value)?,
            "language" => {
                set_once(&mut self.language, value)?;
                self.options.set("language", value);
            }
            "temperature" => self.options.set("temperature", value),
            "stream" => self.stream = parse_bool(value).ok_or("neither true nor false")?,
            "timestamp_granularities" => {
                self.granularities.push(known(value, &["word", "segment"])?);
            }
            "languages" => {
                check_language(value)?;
                self.languages.push(value.to_owned());
            }
            "keywords" => self.keywords.push(value.to_owned()),
            "known_speaker_names" if value.contains(',') => {
                return Err("a name of a speaker must not have a comma; send each name as a field of its own".to_owned());
            }
            "known_speaker_names" => self.known_speaker_names.push(value.to_owned()),
            "known_speaker_references" => self.known_speaker_references.push(value.to_owned()),
            // Without effect: log probabilities are in verbose_json.
            "include" => drop(known(value, &["logprobs"])?),
            _ => {}
        }
        Ok(())
    }

    /// Applies a field that is an option of `POST /transcribe`. Unknown fields and invalid values are ignored.
    fn take_native(&mut self, name: &str, value: &str) {
        let mut trial = OptionFields::default();
        trial.set(name, value);
        let is_new = self.native.iter().all(|(known, _)| known != name);
        if is_new && !value.trim().is_empty() && trial.so_far().is_ok() {
            self.native.push((name.to_owned(), value.to_owned()));
        }
    }

    fn finish(mut self, task: Task) -> Result<Request, Vec<FieldProblem>> {
        if self.language.is_none() && !self.languages.is_empty() {
            self.set_languages();
        }
        let prompt = self.prompt();
        if !prompt.is_empty() {
            self.options.set("prompt", &prompt);
        }
        let format = self.format().unwrap_or_else(|(name, detail)| {
            self.options.refuse(name, detail);
            ResponseFormat::Json
        });
        // Subtitles begin and end with their words.
        let wants_words = matches!(
            format,
            ResponseFormat::Srt
                | ResponseFormat::Vtt
                | ResponseFormat::VerboseJson(Granularities { words: true, .. })
        );
        if wants_words {
            self.options.set("word_timestamps", "true");
        }
        let is_diarized = matches!(
            format,
            ResponseFormat::DiarizedJson | ResponseFormat::DiarizedStream
        );
        self.set_native(wants_words, is_diarized);

        let mut options = self.options.finish()?;
        if task == Task::Translate {
            options.task = task;
        }
        Ok(Request {
            options,
            model: self.model.unwrap_or_default(),
            format,
        })
    }

    /// One language is the one that is spoken; among several it is detected.
    fn set_languages(&mut self) {
        let mut trial = OptionFields::default();
        trial.set("languages", &self.languages.join(","));
        let codes = trial
            .so_far()
            .map(|options| options.languages.clone())
            .unwrap_or_default();

        match codes.as_slice() {
            [] => {}
            [code] => self.options.set("language", code),
            codes => self.options.set("languages", &codes.join(",")),
        }
    }

    fn set_native(&mut self, has_words: bool, is_diarized: bool) {
        let native = std::mem::take(&mut self.native);
        let is_unbroken = native
            .iter()
            .any(|(name, value)| name == "max_line_width" && value.trim() == "0");
        let has = |option: &str, asked: &dyn Fn(&str) -> bool| {
            native
                .iter()
                .any(|(name, value)| name == option && asked(value))
        };
        let splits = has("channels", &|value| value == "split");
        let diarizes = !splits && (is_diarized || has("diarize", &|v| parse_bool(v) == Some(true)));
        if diarizes {
            self.options.set("diarize", "true");
            self.set_known_speakers();
        }
        for (name, value) in native {
            let has_no_effect = match name.as_str() {
                "word_timestamps" => has_words,
                "max_line_count" => is_unbroken,
                // Set above. With split channels it has no effect.
                "diarize" => true,
                "speakers" | "min_speakers" | "max_speakers" => !diarizes,
                "speaker_names" => !diarizes && !splits,
                _ => false,
            };
            if !has_no_effect {
                self.options.set(&name, &value);
            }
        }
    }

    /// Without diarization, voices of known speakers have no effect.
    fn set_known_speakers(&mut self) {
        for (name, values) in [
            ("known_speaker_names", &self.known_speaker_names),
            ("known_speaker_references", &self.known_speaker_references),
        ] {
            if !values.is_empty() {
                self.options.set(name, &values.join(","));
            }
        }
    }

    /// The prompt and the keywords, cut at the beginning if they are too long.
    fn prompt(&self) -> String {
        let keywords = self.keywords.join(", ");
        let texts = [self.prompt.clone().unwrap_or_default(), keywords];
        let texts: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        let prompt = texts.join(" ");

        let mut start = prompt.len().saturating_sub(MAX_PROMPT_BYTES);
        while !prompt.is_char_boundary(start) {
            start += 1;
        }
        prompt[start..].to_owned()
    }

    fn format(&self) -> Result<ResponseFormat, (&'static str, String)> {
        let name = self.format.as_deref().unwrap_or("json");
        let has = |granularity: &str| self.granularities.iter().any(|asked| asked == granularity);
        if has("word") && name != "verbose_json" {
            return Err((
                "timestamp_granularities",
                "word needs response_format verbose_json".to_owned(),
            ));
        }

        match name {
            "json" | "text" if self.stream => Ok(ResponseFormat::Stream),
            "diarized_json" if self.stream => Ok(ResponseFormat::DiarizedStream),
            "diarized_json" => Ok(ResponseFormat::DiarizedJson),
            "json" => Ok(ResponseFormat::Json),
            "text" => Ok(ResponseFormat::Text),
            "srt" => Ok(ResponseFormat::Srt),
            "vtt" => Ok(ResponseFormat::Vtt),
            "verbose_json" => {
                let native = self
                    .native
                    .iter()
                    .find(|(name, _)| name == "word_timestamps");
                let asks_natively =
                    native.is_some_and(|(_, value)| parse_bool(value) == Some(true));
                let segments = has("segment") || !has("word");
                Ok(ResponseFormat::VerboseJson(Granularities {
                    segments,
                    words: has("word") || asks_natively,
                }))
            }
            _ => Err((
                "response_format",
                "not one of json, text, srt, verbose_json, vtt, diarized_json".to_owned(),
            )),
        }
    }
}

/// Whether OpenAI's call has a field of that name.
fn is_of_openai(name: &str) -> bool {
    matches!(
        name,
        "model"
            | "response_format"
            | "prompt"
            | "language"
            | "temperature"
            | "stream"
            | "timestamp_granularities"
            | "languages"
            | "keywords"
            | "known_speaker_names"
            | "known_speaker_references"
            | "include"
    )
}

fn check_language(value: &str) -> Result<(), String> {
    let mut trial = OptionFields::default();
    trial.set("languages", value);
    trial
        .so_far()
        .map(drop)
        .map_err(|problems| problems[0].detail.clone())
}

fn set_once(field: &mut Option<String>, value: &str) -> Result<(), String> {
    match field.replace(value.to_owned()) {
        None => Ok(()),
        Some(_) => Err("given more than once".to_owned()),
    }
}

fn known(value: &str, values: &[&str]) -> Result<String, String> {
    if values.contains(&value) {
        Ok(value.to_owned())
    } else {
        Err(format!("not one of {}", values.join(", ")))
    }
}

#[cfg(test)]
mod tests;
