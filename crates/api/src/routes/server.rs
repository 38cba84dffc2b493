//! How the server is: health checks and numbers.

pub(crate) mod get_metrics;
pub(crate) mod health;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

use super::{get_or_head, resource};
use crate::group::{NATIVE, PROBE};

/// The description of the health checks.
#[derive(OpenApi)]
#[openapi(paths(health::get_health, health::get_readiness))]
pub(crate) struct DescribedProbes;

/// The description of the numbers.
#[derive(OpenApi)]
#[openapi(paths(get_metrics::get_metrics))]
pub(crate) struct Described;

/// Registers the addresses.
pub(crate) fn configure(app: &mut ServiceConfig) {
    for path in ["/health", "/healthz"] {
        app.service(
            resource(path, "GET, HEAD", &PROBE).route(get_or_head().to(health::get_health)),
        );
    }
    app.service(
        resource("/readyz", "GET, HEAD", &PROBE).route(get_or_head().to(health::get_readiness)),
    )
    .service(
        resource("/metrics", "GET, HEAD", &NATIVE)
            .route(get_or_head().to(get_metrics::get_metrics)),
    );
}
