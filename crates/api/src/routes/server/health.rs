//! `GET /healthz` and `GET /readyz`.

use actix_web::{HttpResponse, web};
use serde_json::json;
use steno_models::{Problem, ProblemCode};
use steno_store::RegisteredWorker;

use crate::openapi::{Health, Readiness, Worker};
use crate::problem::ApiError;
use crate::state::ApiState;

/// Is the process alive?
///
/// It is, and its event loop turns.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "server",
    responses((status = 200, description = "Alive", body = Health, example = json!({"status": "ok"}))),
)]
pub(crate) async fn get_health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// Can it take work?
///
/// The database takes writes and the disk has room. Migrations are current, or the process would not have started. Says also
/// which programs are at work.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "server",
    responses(
        (status = 200, description = "Ready", body = Readiness, example = json!({
            "status": "ready",
            "version": "0.1.0 (f0de877a1b, x86_64)",
            "workers": [{"slots": 2, "model": "base", "version": "0.1.0 (f0de877a1b, x86_64)"}],
            "couriers": 1,
        })),
        (status = 503, description = "`not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "`disk_reserve`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get_readiness(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let (free, workers, couriers) = state
        .call_store(|store| {
            store.check_writable()?;
            Ok((
                store.data().free_bytes()?,
                store.registered_workers()?,
                store.count_couriers()?,
            ))
        })
        .await?;

    if free < state.config.disk_reserve_bytes {
        let detail = format!(
            "{free} bytes are free on the data disk, below the reserve of {} (STENO_DISK_RESERVE_BYTES)",
            state.config.disk_reserve_bytes
        );
        return Err(ApiError::new(ProblemCode::NotReady, detail).retry_after(60));
    }

    let workers = workers.into_iter().map(
        |RegisteredWorker {
             slots,
             model,
             version,
         }| Worker {
            slots,
            model,
            version,
        },
    );

    let version = steno_settings::VERSION.clone();

    Ok(HttpResponse::Ok().json(Readiness {
        status: "ready",
        version,
        workers: workers.collect(),
        couriers,
    }))
}
