//! `GET /healthz` and `GET /readyz`.

use actix_web::{HttpResponse, web};
use serde_json::json;
use steno_models::ProblemCode;

use crate::problem::ApiError;
use crate::state::ApiState;

/// The process lives and its event loop turns.
pub(crate) async fn get_health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// The database takes writes and the disk has room. Migrations are current, or the process would not have started.
pub(crate) async fn get_readiness(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let free = state
        .call_store(|store| {
            store.check_writable()?;
            store.data().free_bytes()
        })
        .await?;
    if free < state.config.disk_reserve_bytes {
        let detail = format!(
            "{free} bytes are free on the data disk, below the reserve of {} (STENO_DISK_RESERVE_BYTES)",
            state.config.disk_reserve_bytes
        );
        return Err(ApiError::new(ProblemCode::NotReady, detail).retry_after(60));
    }
    Ok(HttpResponse::Ok().json(json!({"status": "ready"})))
}
