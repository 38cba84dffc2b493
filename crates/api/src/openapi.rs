//! The description of the api (`OpenAPI` 3.1), put together from the handlers of each subject.

mod answers;
mod inputs;
mod options;

use serde::Serialize;
use steno_models::openai::{
    DiarizedTranscription, StreamEvent, Transcription, VerboseTranscription,
};
use steno_models::{JobEvent, JobStatus, Problem, Tombstone};
use utoipa::openapi::OpenApi as OpenApiDocument;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{OpenApi, ToSchema};

use crate::group::{NATIVE, PROBE, V1};
use crate::routes::{asr, jobs, server, v1};

pub(crate) use inputs::{
    AsrForm, AsrQuery, DetectQuery, ListQuery, Recording, TranscriptionForm, ViewQuery,
};
pub(crate) use options::{RecordingForm, SubmissionByUrl, SubmitQuery};

/// The head of the description. `routes.rs` has the calls.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Steno",
        description = "Speech transcription that you run yourself. Submit a recording, follow the job, fetch the transcript in \
                       the format you want; then audio and text are deleted.",
        license(name = "MIT", identifier = "MIT"),
    ),
    // Relative to the description.
    servers((url = ".")),
    components(schemas(JobEvent, StreamEvent)),
    security((), ("api_key" = [])),
    tags(
        (name = "jobs", description = "Recordings, their status and their transcripts"),
        (name = "openai", description = "The calls of OpenAI's audio API, for its clients"),
        (name = "whisper-asr-webservice", description = "The calls of whisper-asr-webservice, for its clients"),
        (name = "server", description = "How the server is"),
    ),
)]
struct Head;

/// The whole description.
pub(crate) fn document() -> OpenApiDocument {
    let parts = [
        (jobs::Described::openapi(), &NATIVE),
        (v1::Described::openapi(), &V1),
        (asr::Described::openapi(), &NATIVE),
        (server::DescribedProbes::openapi(), &PROBE),
        (server::Described::openapi(), &NATIVE),
    ];
    let mut whole = Head::openapi();
    for (mut part, group) in parts {
        answers::add_common(&mut part, group);
        whole.merge(part);
    }
    answers::copy_to_translations(&mut whole);

    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    if let Some(components) = whole.components.as_mut() {
        components.add_security_scheme("api_key", SecurityScheme::Http(scheme));
    }
    whole
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
    /// `diarized_json`.
    Diarized(DiarizedTranscription),
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
    /// `status`, `segment`, `progress`, `speakers`, `completed` or `failed`.
    #[schema(
        pattern = "^(status|segment|progress|speakers|completed|failed)$",
        example = "segment"
    )]
    event: String,
    /// What to send as `Last-Event-ID` to get the remaining events.
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
    /// Couriers that run now. Without one, webhooks and recordings by address wait.
    pub(crate) couriers: u64,
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
    #[expect(clippy::disallowed_methods, reason = "a switch of a test")]
    fn the_description_is_as_it_was() {
        let described = document().to_pretty_json().unwrap() + "\n";
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
        let document = serde_json::to_value(document()).unwrap();
        let mut silent = Vec::new();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            for (field, property) in schema["properties"].as_object().into_iter().flatten() {
                // A reference that may be null has its words beside the reference.
                let parts = [property]
                    .into_iter()
                    .chain(property["oneOf"].as_array().into_iter().flatten());
                if !parts.into_iter().any(|part| {
                    part["description"]
                        .as_str()
                        .is_some_and(|text| !text.is_empty())
                }) {
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
