//! `GET /metrics`: numbers for Prometheus.

use actix_web::{HttpResponse, web};
use steno_models::Problem;

use crate::problem::ApiError;
use crate::state::ApiState;

/// The text format of Prometheus. Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Numbers for Prometheus.
///
/// Queue depth and age by status, workers, and what has happened since the database was made; calls since this process began.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    responses(
        (status = 200, description = "The numbers", body = String, content_type = "text/plain"),
        (status = 503, description = "`not_ready`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get_metrics(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let (statistics, free_bytes) = state
        .call_store(move |store| Ok((store.statistics(now)?, store.data().free_bytes()?)))
        .await?;
    let text = state
        .metrics
        .render(&statistics, state.connections.count(), free_bytes);
    Ok(HttpResponse::Ok().content_type(TEXT_FORMAT).body(text))
}
