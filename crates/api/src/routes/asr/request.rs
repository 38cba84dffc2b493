//! The parameters of whisper-asr-webservice's calls, and the form with the recording.

use steno_models::{Format, OptionFields, TranscribeRequest, parse_bool};
use steno_store::EarlierJob;

use crate::extract::QueryPairs;
use crate::problem::ApiError;
use crate::submission::Endpoint;
use crate::upload::{Expected, Form};

/// Bytes of 30 seconds of bare samples: what a language is detected from.
const DETECTION_BYTES: u64 = 30 * 16_000 * 2;

/// How `/asr` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// A rendering.
    Text(Format),
    /// Segments with text and language.
    Json,
}

/// Takes a form with the recording in `audio_file`; options in the query. Other names in the query have no effect.
#[derive(Debug)]
pub(super) struct AsrEndpoint {
    options: TranscribeRequest,
    output: Output,
    is_bare: bool,
    detects_only: bool,
}

impl AsrEndpoint {
    /// Reads the query.
    pub(super) fn of(query: &QueryPairs) -> Result<Self, ApiError> {
        let mut options = OptionFields::default();
        let mut output = Output::Text(Format::Text);
        let mut is_bare = false;
        let mut names_words = false;

        for (name, value) in query.iter() {
            if value.trim().is_empty() {
                continue;
            }
            match name.as_str() {
                "task" | "language" => options.set(name, value),
                "word_timestamps" => {
                    names_words = true;
                    options.set(name, value);
                }
                "initial_prompt" => options.set("prompt", value),
                "encode" => match parse_bool(value) {
                    Some(encode) => is_bare = !encode,
                    None => options.refuse(name, "neither true nor false"),
                },
                "output" => match output_of(value) {
                    Some(found) => output = found,
                    None => options.refuse(name, "not one of txt, vtt, srt, tsv, json"),
                },
                _ => {}
            }
        }
        // Subtitles begin and end with their words.
        let is_subtitle = matches!(output, Output::Text(Format::Srt | Format::Vtt));
        if is_subtitle && !names_words {
            options.set("word_timestamps", "true");
        }
        Ok(Self {
            options: options.finish().map_err(ApiError::invalid_options)?,
            output,
            is_bare,
            detects_only: false,
        })
    }

    /// For a call that wants the language alone. The options of a transcription have no effect on it.
    pub(super) fn for_detection(self) -> Self {
        Self {
            options: TranscribeRequest {
                detect_only: true,
                ..TranscribeRequest::default()
            },
            detects_only: true,
            ..self
        }
    }
}

impl Endpoint for AsrEndpoint {
    type Wanted = Output;

    fn expected(&self) -> Expected {
        let is_enough = self.is_bare && self.detects_only;
        Expected {
            fields: &["audio_file", "file"],
            takes_raw: false,
            takes_url: false,
            advice: "send multipart/form-data with the recording in the field audio_file",
            is_bare: self.is_bare,
            kept_bytes: if is_enough { DETECTION_BYTES } else { u64::MAX },
        }
    }

    fn earlier(&self) -> EarlierJob {
        // A detection deletes its job, so it shares none.
        if self.detects_only {
            EarlierJob::None
        } else {
            EarlierJob::Shared
        }
    }

    async fn check(&self, _: &Form) -> Result<(), ApiError> {
        Ok(())
    }

    async fn read(&self, form: &Form) -> Result<(TranscribeRequest, Output), ApiError> {
        if form.received == 0 {
            let detail =
                "there is no recording in the field audio_file: it is missing or has no bytes";
            return Err(ApiError::invalid_option("audio_file", detail));
        }
        Ok((self.options.clone(), self.output))
    }
}

fn output_of(name: &str) -> Option<Output> {
    match name {
        "txt" => Some(Output::Text(Format::Text)),
        "vtt" => Some(Output::Text(Format::Vtt)),
        "srt" => Some(Output::Text(Format::Srt)),
        "tsv" => Some(Output::Text(Format::Tsv)),
        "json" => Some(Output::Json),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use steno_models::Task;

    use super::*;

    fn check(query: &str) -> Option<AsrEndpoint> {
        let request = TestRequest::with_uri(&format!("/asr?{query}")).to_http_request();
        AsrEndpoint::of(&QueryPairs::of(&request).unwrap()).ok()
    }

    #[test]
    fn the_query_is_read_as_that_service_reads_it() {
        let request =
            check("task=translate&language=fr&initial_prompt=a&encode=false&vad_filter=true&output=srt&video_file=x")
                .unwrap();
        assert_eq!(
            (request.options.task, request.options.language.as_deref()),
            (Task::Translate, Some("fr"))
        );
        assert_eq!(
            (request.output, request.is_bare),
            (Output::Text(Format::Srt), true)
        );
        assert!(
            request.options.word_timestamps,
            "subtitles are timed by their words"
        );
        let unasked = check("output=srt&word_timestamps=false").unwrap();
        assert!(!unasked.options.word_timestamps);
        let request = check("language=&output=json&word_timestamps=True").unwrap();
        assert_eq!(
            (request.options.language, request.output),
            (None, Output::Json)
        );
        assert!(request.options.word_timestamps && !request.is_bare);
        assert_eq!(check("").unwrap().output, Output::Text(Format::Text));

        for query in [
            "output=docx",
            "encode=perhaps",
            "task=summarise",
            "language=klingon",
        ] {
            assert!(check(query).is_none(), "{query}");
        }
    }
}
