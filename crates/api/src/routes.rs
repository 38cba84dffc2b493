//! Every address of the api. What is not here is a 404 problem, what is here with another method a 405 problem.

mod delete_job;
mod get_job;
mod health;
mod submit_job;

use actix_web::{HttpRequest, Resource, web};
use steno_models::ProblemCode;

use crate::problem::ApiError;

/// Registers the addresses.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.service(resource("/transcribe", "POST").route(web::post().to(submit_job::submit_job)))
        .service(
            resource("/transcribe/{job_id}", "GET, HEAD, DELETE")
                .route(web::get().to(get_job::get_job))
                .route(web::head().to(get_job::get_job))
                .route(web::delete().to(delete_job::delete_job)),
        )
        .service(
            resource("/healthz", "GET, HEAD")
                .route(web::get().to(health::get_health))
                .route(web::head().to(health::get_health)),
        )
        .service(
            resource("/readyz", "GET, HEAD")
                .route(web::get().to(health::get_readiness))
                .route(web::head().to(health::get_readiness)),
        )
        .default_service(web::to(no_such_address));
}

/// An address that answers other methods with a 405 problem naming `allow`.
fn resource(path: &'static str, allow: &'static str) -> Resource {
    web::resource(path)
        .default_service(web::to(move || async move { Err::<&str, _>(ApiError::method_not_allowed(allow)) }))
}

async fn no_such_address(request: HttpRequest) -> Result<&'static str, ApiError> {
    let detail = if request.path().starts_with("/api/transcribe") {
        "the synchronous endpoint was removed: submit with POST /transcribe, then ask GET /transcribe/{job_id}?wait=60"
    } else {
        "there is nothing at this address; recordings are submitted with POST /transcribe"
    };
    Err(ApiError::new(ProblemCode::NotFound, detail))
}
