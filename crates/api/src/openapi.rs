//! The description of the api (`OpenAPI` 3.1), put together from the handlers, and the pages that show it.

mod inputs;

use actix_web::web;
use serde::Serialize;
use steno_models::openai::{StreamEvent, Transcription, VerboseTranscription};
use steno_models::{JobEvent, JobStatus, Problem, Tombstone};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as OpenApiDocument, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::routes::{
    asr, delete_job, follow_job, get_job, get_metrics, health, list_jobs, openai, submit_job,
};
pub(crate) use inputs::{
    AsrForm, AsrQuery, DetectQuery, ListQuery, Recording, RecordingForm, SubmitQuery,
    TranscriptionForm, ViewQuery,
};

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
        let post = |path: &str| {
            document
                .paths
                .paths
                .get(path)
                .and_then(|item| item.post.as_ref())
        };
        let answers = post("/v1/audio/transcriptions").map(|operation| operation.responses.clone());
        let translations = document.paths.paths.get_mut("/v1/audio/translations");
        if let (Some(answers), Some(operation)) =
            (answers, translations.and_then(|item| item.post.as_mut()))
        {
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
                let content = ContentBuilder::new()
                    .schema(Some(Ref::from_schema_name(schema)))
                    .build();
                ResponseBuilder::new()
                    .description(description)
                    .content(kind, content)
                    .build()
            };
            let operations = [
                &mut item.get,
                &mut item.head,
                &mut item.post,
                &mut item.delete,
            ];
            for operation in operations.into_iter().flatten() {
                let answers = &mut operation.responses.responses;
                answers.insert(
                    "403".to_owned(),
                    answer("A page of another origin, or a name that is not the server's").into(),
                );
                if !matches!(path.as_str(), "/healthz" | "/readyz") {
                    answers.insert(
                        "401".to_owned(),
                        answer("No API key, or one that is not known").into(),
                    );
                    for (status, code) in [
                        ("429", "`rate_limited`"),
                        ("503", "`too_many_connections`, `not_ready`"),
                    ] {
                        answers
                            .entry(status.to_owned())
                            .or_insert_with(|| answer(code).into());
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
    app.service(
        SwaggerUi::new("/docs/{_:.*}")
            .config(config)
            .url("/openapi.json", ApiDoc::openapi()),
    );
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
    #[schema(
        pattern = "^(status|segment|progress|completed|failed)$",
        example = "segment"
    )]
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
