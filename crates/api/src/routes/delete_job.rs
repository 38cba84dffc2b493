//! `DELETE /transcribe/{job_id}`: cancels, acknowledges or deletes, whatever the status.

use actix_web::{HttpRequest, HttpResponse, web};
use steno_models::TombstoneReason;

use crate::extract;
use crate::problem::ApiError;
use crate::state::ApiState;

/// 204 if the job is gone now, whether this call did it or an earlier one; 404 if there never was one.
pub(crate) async fn delete_job(request: HttpRequest, state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let job_id = extract::job_id(&request)?;
    let now = state.now();
    let known = state.call_store(move |store| store.delete_job(now, job_id, TombstoneReason::Deleted)).await?;
    if !known {
        return Err(ApiError::no_such_job());
    }
    tracing::info!(job.id = %job_id, "deleted job {job_id}");
    Ok(HttpResponse::NoContent().finish())
}
