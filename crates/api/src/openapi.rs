//! The description of the api (`OpenAPI` 3.1), put together from the handlers, and the pages that show it.

use actix_web::web;
use serde::{Deserialize, Serialize};
use steno_models::openai::{StreamEvent, Transcription, VerboseTranscription};
use steno_models::{Format, JobEvent, JobStatus, Problem, Status, Task, Tombstone};

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as OpenApiDocument, Ref, ResponseBuilder};
use utoipa::{IntoParams, Modify, OpenApi, ToSchema};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::routes::{asr, delete_job, follow_job, get_job, get_metrics, health, list_jobs, openai, submit_job};

/// Everything that can be called.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Steno",
        description = "Speech transcription that you run yourself. Submit a recording, follow the job, fetch the transcript in \
                       the format you want; then audio and text are deleted.",
        license(name = "MIT", identifier = "MIT"),
    ),
    paths(
        submit_job::submit_job,
        list_jobs::list_jobs,
        get_job::get_job,
        get_job::head_job,
        follow_job::follow_job,
        delete_job::delete_job,
        openai::create_transcription::create_transcription,
        openai::create_transcription::create_translation,
        openai::models::list_models,
        openai::models::get_model,
        asr::transcribe,
        asr::detect_language,
        health::get_health,
        get_metrics::get_metrics,
        health::get_readiness,
    ),
    // Relative to the description.
    servers((url = ".")),
    components(schemas(JobEvent, StreamEvent)),
    modifiers(&TranslationAnswers, &Access),
    security((), ("api_key" = [])),
    tags(
        (name = "jobs", description = "Recordings, their status and their transcripts"),
        (name = "openai", description = "The calls of OpenAI's audio API, for its clients"),
        (name = "whisper-asr-webservice", description = "The calls of whisper-asr-webservice, for its clients"),
        (name = "server", description = "How the server is"),
    ),
)]
pub(crate) struct ApiDoc;

/// A translation is answered as a transcription is.
struct TranslationAnswers;

impl Modify for TranslationAnswers {
    fn modify(&self, document: &mut OpenApiDocument) {
        let post = |path: &str| document.paths.paths.get(path).and_then(|item| item.post.as_ref());
        let answers = post("/v1/audio/transcriptions").map(|operation| operation.responses.clone());
        let translations = document.paths.paths.get_mut("/v1/audio/translations");
        if let (Some(answers), Some(operation)) = (answers, translations.and_then(|item| item.post.as_mut())) {
            operation.responses = answers;
        }
    }
}

/// Where keys are asked for, they are sent as bearer tokens. Every call may be refused for who makes it.
struct Access;

impl Modify for Access {
    fn modify(&self, document: &mut OpenApiDocument) {
        for (path, item) in &mut document.paths.paths {
            let (schema, kind) = if path.starts_with("/v1/") {
                ("ErrorBody", "application/json")
            } else {
                ("Problem", "application/problem+json")
            };
            let answer = |description: &str| {
                let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
                ResponseBuilder::new().description(description).content(kind, content).build()
            };
            let operations = [&mut item.get, &mut item.head, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                let answers = &mut operation.responses.responses;
                answers.insert(
                    "403".to_owned(),
                    answer("A page of another origin, or a name that is not the server's").into(),
                );
                if !matches!(path.as_str(), "/healthz" | "/readyz") {
                    answers.insert("401".to_owned(), answer("No API key, or one that is not known").into());
                    for (status, code) in [("429", "`rate_limited`"), ("503", "`too_many_connections`, `not_ready`")] {
                        answers.entry(status.to_owned()).or_insert_with(|| answer(code).into());
                    }
                }
            }
        }
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        if let Some(components) = document.components.as_mut() {
            components.add_security_scheme("api_key", SecurityScheme::Http(scheme));
        }
    }
}

/// Registers `/openapi.json` and `/docs`.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    // The badge of an outside validator would be the one request that leaves the machine.
    // The description's address is relative: a proxy may have put a prefix before ours.
    let config = Config::from("../openapi.json").validator_url("none");
    app.service(SwaggerUi::new("/docs/{_:.*}").config(config).url("/openapi.json", ApiDoc::openapi()));
}

/// A recording in any format Steno decodes: wav, flac, mp3, m4a, ogg, opus, webm, mkv, aiff, caf and more.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes a body that is no JSON")]
pub(crate) struct Recording(Vec<u8>);

/// Options of a submission, as query parameters.
#[derive(Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what OptionFields reads")]
pub(crate) struct SubmitQuery {
    /// ISO 639-1 code of the language spoken, or `auto`, the default.
    #[param(example = "en")]
    language: Option<String>,
    /// Codes of the languages that may be spoken, with commas between them. Only without `language`.
    #[param(example = "en,fr")]
    languages: Option<String>,
    /// `transcribe`, or `translate` into English.
    #[param(inline)]
    task: Option<Task>,
    /// Name of installed weights; the server's default if not given.
    #[param(example = "base", pattern = "^[A-Za-z0-9._-]{1,64}$")]
    model: Option<String>,
    /// Text that sets style and spelling, at most 2048 bytes.
    #[param(max_length = 2048, example = "Dr. Zoé Lefèvre, Steno")]
    prompt: Option<String>,
    /// Sampling temperature to begin with.
    #[param(minimum = 0, maximum = 1, example = 0.0)]
    temperature: Option<f32>,
    /// Beams of the search; 1, the default, is greedy decoding.
    #[param(minimum = 1, maximum = 8, example = 1)]
    beam_size: Option<u8>,
    /// Whether segments come with their words and their times.
    word_timestamps: Option<bool>,
    /// Columns of a line of subtitles.
    #[param(minimum = 8, maximum = 200, example = 42)]
    max_line_width: Option<u16>,
    /// Lines of a subtitle; needs `max_line_width`.
    #[param(minimum = 1, maximum = 10, example = 2)]
    max_line_count: Option<u8>,
    /// Jobs of a higher priority go first.
    #[param(minimum = -10, maximum = 10, example = 0)]
    priority: Option<i8>,
    /// Which audio track of the recording; the default one, or the first with sound, if not given.
    #[param(minimum = 1, maximum = 1000, example = 1)]
    track: Option<u16>,
    /// A JSON object of at most 4096 bytes; comes back with the status.
    #[param(max_length = 4096, example = json!("{\"episode\": 7}"))]
    metadata: Option<String>,
}

/// A submission as a form. The parts come in any order.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what receive_multipart and OptionFields read")]
pub(crate) struct RecordingForm {
    /// The recording.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// ISO 639-1 code of the language spoken, or `auto`, the default.
    #[schema(example = "en")]
    language: Option<String>,
    /// Codes of the languages that may be spoken, with commas between them. Only without `language`.
    #[schema(example = "en,fr")]
    languages: Option<String>,
    /// `transcribe`, or `translate` into English.
    #[schema(inline)]
    task: Option<Task>,
    /// Name of installed weights; the server's default if not given.
    #[schema(example = "base", pattern = "^[A-Za-z0-9._-]{1,64}$")]
    model: Option<String>,
    /// Text that sets style and spelling, at most 2048 bytes.
    #[schema(max_length = 2048, example = "Dr. Zoé Lefèvre, Steno")]
    prompt: Option<String>,
    /// Sampling temperature to begin with.
    #[schema(minimum = 0, maximum = 1, example = 0.0)]
    temperature: Option<f32>,
    /// Beams of the search; 1, the default, is greedy decoding.
    #[schema(minimum = 1, maximum = 8, example = 1)]
    beam_size: Option<u8>,
    /// Whether segments come with their words and their times.
    word_timestamps: Option<bool>,
    /// Columns of a line of subtitles.
    #[schema(minimum = 8, maximum = 200, example = 42)]
    max_line_width: Option<u16>,
    /// Lines of a subtitle; needs `max_line_width`.
    #[schema(minimum = 1, maximum = 10, example = 2)]
    max_line_count: Option<u8>,
    /// Jobs of a higher priority go first.
    #[schema(minimum = -10, maximum = 10, example = 0)]
    priority: Option<i8>,
    /// Which audio track of the recording; the default one, or the first with sound, if not given.
    #[schema(minimum = 1, maximum = 1000, example = 1)]
    track: Option<u16>,
    /// A JSON object of at most 4096 bytes; comes back with the status.
    #[schema(max_length = 4096, example = "{\"episode\": 7}")]
    metadata: Option<String>,
}

/// A transcription as OpenAI's clients ask for it. Lists are repeated fields; `name[]` and `name` mean the same. Empty fields
/// are absent, and unknown fields have no effect.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the openai request reads")]
pub(crate) struct TranscriptionForm {
    /// The recording.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// A name that `GET /v1/models` lists; `whisper-1`, the default, is the server's default weights.
    #[schema(example = "whisper-1")]
    model: Option<String>,
    /// Language spoken: an ISO 639 code, a tag such as `en-US`, or the English name.
    #[schema(example = "en")]
    language: Option<String>,
    /// Text that sets style and spelling; its last 2048 bytes count.
    prompt: Option<String>,
    /// `json`, the default, `text`, `srt`, `verbose_json` or `vtt`.
    #[schema(pattern = "^(json|text|srt|verbose_json|vtt)$", example = "json")]
    response_format: Option<String>,
    /// Sampling temperature to begin with.
    #[schema(minimum = 0, maximum = 1)]
    temperature: Option<f32>,
    /// `word`, `segment` or both; `word` needs `verbose_json`.
    #[schema(rename = "timestamp_granularities[]")]
    timestamp_granularities: Option<Vec<String>>,
    /// Whether to send the text as server-sent events while it is found; without effect but with `json` or `text`.
    stream: Option<bool>,
    /// Taken and without effect: `verbose_json` has log probabilities.
    #[schema(rename = "include[]")]
    include: Option<Vec<String>>,
    /// Taken and without effect: long audio is always cut at pauses.
    chunking_strategy: Option<String>,
    /// Languages that may be spoken. One is as `language`; of several the spoken one is detected.
    #[schema(rename = "languages[]")]
    languages: Option<Vec<String>>,
    /// Words that may occur; they are added to the prompt.
    #[schema(rename = "keywords[]")]
    keywords: Option<Vec<String>>,
}

/// What to make of a recording, as clients of whisper-asr-webservice ask for it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what asr::read reads")]
pub(crate) struct AsrQuery {
    /// `transcribe`, or `translate` into English.
    #[param(inline)]
    task: Option<Task>,
    /// Language spoken; detected if not given.
    #[param(example = "en")]
    language: Option<String>,
    /// Text that sets style and spelling, at most 2048 bytes.
    #[param(max_length = 2048)]
    initial_prompt: Option<String>,
    /// `false`: the recording is bare 16-bit mono samples at 16 kHz.
    encode: Option<bool>,
    /// Without effect: only speech is transcribed.
    vad_filter: Option<bool>,
    /// Whether segments come with their words, in `json`.
    word_timestamps: Option<bool>,
    /// `txt`, the default, `vtt`, `srt`, `tsv` or `json`.
    #[param(pattern = "^(txt|vtt|srt|tsv|json)$", example = "srt")]
    output: Option<String>,
}

/// How the recording of `/detect-language` comes.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what asr::read reads")]
pub(crate) struct DetectQuery {
    /// `false`: the recording is bare 16-bit mono samples at 16 kHz, of which the first 30 s count.
    encode: Option<bool>,
}

/// A recording as clients of whisper-asr-webservice send it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what asr::submit receives")]
pub(crate) struct AsrForm {
    /// The recording.
    #[schema(value_type = String, format = Binary)]
    audio_file: Vec<u8>,
}

/// The language of a recording.
#[derive(Serialize, ToSchema)]
pub(crate) struct Detection {
    /// English name in lower case; `unknown` where there is no speech.
    #[schema(example = "english")]
    detected_language: String,
    /// Its code; `und` where there is no speech.
    #[schema(example = "en")]
    language_code: String,
    /// How sure the detection is, 0 to 1.
    confidence: f32,
}

/// How a client wants its job.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what extract::view reads")]
pub(crate) struct ViewQuery {
    /// Seconds to hold the answer back until the job ends. It comes after 50 at the latest.
    #[param(minimum = 0, maximum = 60, example = 30)]
    wait: Option<u8>,
    /// The rendering of a completed job; without it `Accept` decides. A job that has not completed is always JSON.
    #[param(inline)]
    format: Option<Format>,
    /// Whether the delivery shall not count as retrieval.
    keep: Option<bool>,
}

/// Which jobs to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what extract::page reads")]
pub(crate) struct ListQuery {
    /// Only jobs that stand there.
    #[param(inline)]
    status: Option<Status>,
    /// Jobs on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[param(pattern = "^-?[0-9]{1,18}$", example = "1234")]
    cursor: Option<String>,
}

/// The answer to a look at a job, or at its result with `?format=verbose_json`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what get_job answers")]
pub(crate) enum JobAnswer {
    /// The job.
    Job(Box<JobStatus>),
    /// The result alone.
    Result(Box<VerboseTranscription>),
}

/// The answer in JSON, by `response_format`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what create_transcription answers")]
pub(crate) enum TranscriptionAnswer {
    /// `verbose_json`.
    Verbose(VerboseTranscription),
    /// `json`.
    Plain(Transcription),
}

/// The problem `gone`, with what is left of the job.
#[derive(Serialize, ToSchema)]
pub(crate) struct GoneProblem {
    /// The problem.
    #[serde(flatten)]
    problem: Problem,
    /// What is left of the job.
    #[serde(flatten)]
    tombstone: Tombstone,
}

/// An event of a job.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobMessage {
    /// `status`, `segment`, `progress`, `completed` or `failed`.
    #[schema(pattern = "^(status|segment|progress|completed|failed)$", example = "segment")]
    event: String,
    /// What to send as `Last-Event-ID` to be told what follows.
    #[schema(pattern = "^[0-3]-[0-9]+$", example = "2-17")]
    id: String,
    /// A `JobEvent` as JSON.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// An event of `stream=true`.
#[derive(Serialize, ToSchema)]
pub(crate) struct StreamMessage {
    /// The type of the event; none for the last.
    #[schema(example = "transcript.text.delta")]
    event: Option<String>,
    /// A `StreamEvent` as JSON; `[DONE]` at the end.
    data: String,
}

/// How the server is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok` or `ready`.
    #[schema(example = "ok")]
    pub(crate) status: &'static str,
}

/// Whether the server can take work, and which programs do it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready`.
    #[schema(example = "ready")]
    pub(crate) status: &'static str,
    /// Of the api: release, commit, and the processor it is built for.
    pub(crate) version: String,
    /// Those that run now, the first started first.
    pub(crate) workers: Vec<Worker>,
}

/// A worker.
#[derive(Serialize, ToSchema)]
pub(crate) struct Worker {
    /// Tasks it works on at a time.
    pub(crate) slots: u32,
    /// Name of its weights for jobs that name none.
    pub(crate) model: String,
    /// Release, commit, and the processor it and its engine are built for.
    pub(crate) version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_as_it_was() {
        let described = ApiDoc::openapi().to_pretty_json().unwrap() + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(path, &described).unwrap();
        }
        let known = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            known == described,
            "the api changed: UPDATE_SNAPSHOTS=1 cargo test -p steno-api writes docs/openapi.json"
        );
    }

    #[test]
    fn every_part_of_the_description_explains_itself() {
        let document = serde_json::to_value(ApiDoc::openapi()).unwrap();
        let mut silent = Vec::new();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            for (field, property) in schema["properties"].as_object().into_iter().flatten() {
                // A reference that may be null has its words beside the reference.
                let parts = [property].into_iter().chain(property["oneOf"].as_array().into_iter().flatten());
                if !parts.into_iter().any(|part| part["description"].as_str().is_some_and(|text| !text.is_empty())) {
                    silent.push(format!("{name}.{field}"));
                }
            }
        }
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                if operation["summary"].as_str().is_none_or(str::is_empty) {
                    silent.push(format!("{method} {path}"));
                }
            }
        }
        assert_eq!(silent, Vec::<String>::new());
    }
}
