//! The form of a transcription as OpenAI's clients send it.

use steno_models::openai::Granularities;
use steno_models::{FieldProblem, OptionFields, Task, TranscribeRequest};

use crate::problem::ApiError;
use crate::upload::Form;

/// OpenAI's name for the default weights.
pub(super) const DEFAULT_MODEL: &str = "whisper-1";

/// How the client wants its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseFormat {
    Json,
    VerboseJson(Granularities),
    Text,
    Srt,
    Vtt,
    /// `stream=true`: deltas as they come.
    Stream,
}

/// A transcription that was asked for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) options: TranscribeRequest,
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
    has_language: bool,
    prompt: Option<String>,
    keywords: Vec<String>,
}

/// Checks the fields that come before the recording, and returns the weights they name. Fields that need each other are checked
/// when all are there.
pub(super) fn check_first_fields(form: &Form) -> Result<Option<String>, ApiError> {
    let mut reading = Reading::of(&form.fields);
    let model = reading.model.take().filter(|name| name != DEFAULT_MODEL);
    if let Some(name) = &model {
        reading.options.set("model", name);
    }
    let problems = reading.options.so_far().err().map(<[_]>::to_vec);
    problems.map_or(Ok(model), |problems| Err(ApiError::invalid_options(problems)))
}

/// Reads and checks the fields of a form. `task` is that of the address.
pub(super) fn read(form: &Form, task: Task) -> Result<Request, ApiError> {
    let mut reading = Reading::of(&form.fields);
    if form.files > 1 {
        reading.options.refuse("file", "given more than once; send one recording at a time");
    }
    reading.finish(task).map_err(ApiError::invalid_options)
}

impl Reading {
    fn of(fields: &[(String, Result<String, String>)]) -> Self {
        let mut reading = Self::default();
        for (name, value) in fields {
            // Clients write lists as `name[]`, repeated.
            let name = name.strip_suffix("[]").unwrap_or(name);
            let outcome = value.clone().and_then(|value| reading.take(name, value));
            if let Err(detail) = outcome {
                reading.options.refuse(name, detail);
            }
        }
        reading
    }

    fn take(&mut self, name: &str, value: String) -> Result<(), String> {
        if value.contains('\0') {
            return Err("contains a NUL character".to_owned());
        }
        match name {
            "model" => set_once(&mut self.model, value)?,
            "response_format" => set_once(&mut self.format, value)?,
            "prompt" => set_once(&mut self.prompt, value)?,
            "language" => {
                self.has_language = true;
                self.options.set("language", &value);
            }
            "temperature" => self.options.set("temperature", &value),
            "stream" => self.stream = parse_bool(&value)?,
            "timestamp_granularities" => self.granularities.push(known(value, &["word", "segment"])?),
            "languages" => self.languages.push(value),
            "keywords" => self.keywords.push(value),
            // Taken and without effect: log probabilities are in verbose_json, and long audio is always cut at pauses.
            "include" => drop(known(value, &["logprobs"])?),
            "chunking_strategy" => {}
            _ => return Err("unknown field".to_owned()),
        }
        Ok(())
    }

    fn finish(mut self, task: Task) -> Result<Request, Vec<FieldProblem>> {
        match self.model.take() {
            None => self.options.refuse("model", format!("missing; send {DEFAULT_MODEL} for the default weights")),
            Some(name) if name == DEFAULT_MODEL => {}
            Some(name) => self.options.set("model", &name),
        }
        // Several languages: the one that is spoken is found out.
        if let ([language], false) = (self.languages.as_slice(), self.has_language) {
            self.options.set("language", language);
        }
        let prompt = [self.prompt.take(), Some(self.keywords.join(", "))];
        let prompt: Vec<_> = prompt.into_iter().flatten().filter(|text| !text.is_empty()).collect();
        if !prompt.is_empty() {
            self.options.set("prompt", &prompt.join(" "));
        }
        let format = self.format();
        let wants_words = matches!(format, Ok(ResponseFormat::VerboseJson(Granularities { words: true, .. })));
        if wants_words {
            self.options.set("word_timestamps", "true");
        }
        let format = format.unwrap_or_else(|(name, detail)| {
            self.options.refuse(name, detail);
            ResponseFormat::Json
        });
        let mut options = self.options.finish()?;
        options.task = task;
        Ok(Request { options, format })
    }

    fn format(&self) -> Result<ResponseFormat, (&'static str, String)> {
        let name = self.format.as_deref().unwrap_or("json");
        if !self.granularities.is_empty() && name != "verbose_json" {
            return Err(("timestamp_granularities", "needs response_format verbose_json".to_owned()));
        }
        if self.stream {
            return match name {
                "json" | "text" => Ok(ResponseFormat::Stream),
                _ => Err(("stream", "needs response_format json or text".to_owned())),
            };
        }
        match name {
            "json" => Ok(ResponseFormat::Json),
            "text" => Ok(ResponseFormat::Text),
            "srt" => Ok(ResponseFormat::Srt),
            "vtt" => Ok(ResponseFormat::Vtt),
            "verbose_json" => {
                let has = |granularity: &str| self.granularities.iter().any(|asked| asked == granularity);
                let words = has("word");
                Ok(ResponseFormat::VerboseJson(Granularities { segments: has("segment") || !words, words }))
            }
            _ => Err(("response_format", "not one of json, text, srt, verbose_json, vtt".to_owned())),
        }
    }
}

fn set_once(field: &mut Option<String>, value: String) -> Result<(), String> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err("given more than once".to_owned()),
    }
}

fn known(value: String, values: &[&str]) -> Result<String, String> {
    if values.contains(&value.as_str()) { Ok(value) } else { Err(format!("not one of {}", values.join(", "))) }
}

fn parse_bool(value: &str) -> Result<bool, String> {
    match value {
        "true" | "True" | "1" => Ok(true),
        "false" | "False" | "0" => Ok(false),
        _ => Err("neither true nor false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&str, &str)]) -> Result<Request, String> {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Ok((*value).to_owned()))).collect();
        read(&Form { fields, files: 1 }, Task::Transcribe).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_mean_what_they_mean_to_openai() {
        let request = check(&[
            ("model", "whisper-1"),
            ("language", "fr"),
            ("prompt", "Bonjour."),
            ("keywords[]", "Zoé"),
            ("keywords[]", "Loïc"),
            ("temperature", "0.2"),
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "word"),
            ("include[]", "logprobs"),
            ("chunking_strategy", "auto"),
        ])
        .unwrap();
        assert_eq!(request.options.model, None);
        assert_eq!(request.options.language.as_deref(), Some("fr"));
        assert_eq!(request.options.prompt.as_deref(), Some("Bonjour. Zoé, Loïc"));
        assert!(request.options.word_timestamps);
        let words = Granularities { segments: false, words: true };
        assert_eq!(request.format, ResponseFormat::VerboseJson(words));
        let both = [("timestamp_granularities", "segment"), ("timestamp_granularities", "word")];
        let request = check(&[&both[..], &[("model", "base"), ("response_format", "verbose_json")]].concat()).unwrap();
        assert_eq!(request.format, ResponseFormat::VerboseJson(Granularities { segments: true, words: true }));
        assert_eq!(request.options.model.as_deref(), Some("base"));
        let request = check(&[("model", "whisper-1"), ("stream", "true"), ("languages[]", "de")]).unwrap();
        assert_eq!((request.format, request.options.language.as_deref()), (ResponseFormat::Stream, Some("de")));
    }

    #[test]
    fn fields_that_cannot_be_are_refused_by_name() {
        for (name, value) in [
            ("response_format", "docx"),
            ("temperature", "hot"),
            ("temperature", "NaN"),
            ("language", "klingon"),
            ("prompt", "a\0b"),
            ("stream", "maybe"),
            ("timestamp_granularities[]", "letter"),
            ("timestamp_granularities[]", "word"),
            ("include[]", "secrets"),
            ("model", "whisper-1"),
            ("colour", "red"),
        ] {
            let refusal = check(&[("model", "whisper-1"), (name, value)]).map(drop).unwrap_err();
            assert!(refusal.contains(name.trim_end_matches("[]")), "{name}={value:?}: {refusal}");
        }
        assert!(check(&[]).unwrap_err().contains("model"));
    }
}
