//! `/transcribe`: the service's own calls.

pub(crate) mod delete_job;
pub(crate) mod deliveries;
pub(crate) mod follow_job;
pub(crate) mod get_job;
pub(crate) mod list_jobs;
pub(crate) mod render_result;
pub(crate) mod submit_job;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use super::{get_or_head, resource};
use crate::group::NATIVE;

/// The description of these calls.
#[derive(OpenApi)]
#[openapi(paths(
    submit_job::submit_job,
    list_jobs::list_jobs,
    get_job::get_job,
    get_job::head_job,
    follow_job::follow_job,
    delete_job::delete_job,
    render_result::render_result,
    deliveries::list_deliveries,
    deliveries::redeliver_webhooks,
))]
pub(crate) struct Described;

/// Registers the addresses.
pub(crate) fn configure(app: &mut ServiceConfig) {
    app.service(
        resource("/transcribe", "GET, HEAD, POST", &NATIVE)
            .route(get_or_head().to(list_jobs::list_jobs))
            .route(web::post().to(submit_job::submit_job)),
    )
    .service(
        resource("/transcribe/{job_id}", "GET, HEAD, DELETE", &NATIVE)
            .route(web::get().to(get_job::get_job))
            .route(web::head().to(get_job::head_job))
            .route(web::delete().to(delete_job::delete_job)),
    )
    .service(
        resource("/transcribe/{job_id}/events", "GET, HEAD", &NATIVE)
            .route(web::get().to(follow_job::follow_job))
            .route(web::head().to(follow_job::head_events)),
    )
    .service(
        resource("/render", "POST", &NATIVE).route(web::post().to(render_result::render_result)),
    )
    .service(
        resource("/transcribe/{job_id}/deliveries", "GET, HEAD", &NATIVE)
            .route(get_or_head().to(deliveries::list_deliveries)),
    )
    .service(
        resource("/transcribe/{job_id}/deliveries/redeliver", "POST", &NATIVE)
            .route(web::post().to(deliveries::redeliver_webhooks)),
    );
}
