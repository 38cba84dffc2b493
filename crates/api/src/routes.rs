//! Every address of the api. What is not here is a 404 problem, what is here with another method a 405 problem.

pub(crate) mod asr;
pub(crate) mod delete_job;
pub(crate) mod follow_job;
pub(crate) mod get_job;
pub(crate) mod get_metrics;
pub(crate) mod health;
pub(crate) mod list_jobs;
pub(crate) mod openai;
pub(crate) mod submit_job;

use actix_web::{HttpRequest, Resource, web};
use steno_models::ProblemCode;

use crate::address;
use crate::problem::ApiError;

/// Registers the addresses.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.service(
        resource("/transcribe", "GET, HEAD, POST")
            .route(web::get().to(list_jobs::list_jobs))
            .route(web::post().to(submit_job::submit_job)),
    )
    .service(
        resource("/transcribe/{job_id}", "GET, HEAD, DELETE")
            .route(web::get().to(get_job::get_job))
            .route(web::head().to(get_job::head_job))
            .route(web::delete().to(delete_job::delete_job)),
    )
    .service(
        resource("/transcribe/{job_id}/events", "GET, HEAD")
            .route(web::get().to(follow_job::follow_job))
            .route(web::head().to(follow_job::head_events)),
    )
    .service(
        resource("/v1/audio/transcriptions", "POST")
            .route(web::post().to(openai::create_transcription::create_transcription)),
    )
    .service(
        resource("/v1/audio/translations", "POST")
            .route(web::post().to(openai::create_transcription::create_translation)),
    )
    .service(resource("/v1/models", "GET, HEAD").route(web::get().to(openai::models::list_models)))
    .service(
        resource("/v1/models/{model:.*}", "GET, HEAD")
            .route(web::get().to(openai::models::get_model)),
    )
    .service(resource("/asr", "POST").route(web::post().to(asr::transcribe)))
    .service(resource("/detect-language", "POST").route(web::post().to(asr::detect_language)))
    .service(resource("/status", "GET, HEAD").route(web::get().to(asr::status)))
    .service(resource("/metrics", "GET, HEAD").route(web::get().to(get_metrics::get_metrics)))
    // Relative, so that it also leads to the pages behind a proxy that cuts off a prefix.
    .service(web::redirect("/docs", "docs/"))
    .service(resource("/health", "GET, HEAD").route(web::get().to(health::get_health)))
    .service(resource("/healthz", "GET, HEAD").route(web::get().to(health::get_health)))
    .service(resource("/readyz", "GET, HEAD").route(web::get().to(health::get_readiness)))
    .default_service(web::to(no_such_address));
}

/// An address that answers other methods with a 405 problem naming `allow`.
fn resource(path: &'static str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move {
        Err::<&str, _>(ApiError::method_not_allowed(allow))
    }))
}

async fn no_such_address(request: HttpRequest) -> Result<&'static str, ApiError> {
    Err(ApiError::new(
        ProblemCode::NotFound,
        address::hint(request.path()),
    ))
}
