//! `GET /transcribe`: the jobs there are, a page at a time.

use actix_web::{HttpRequest, HttpResponse, web};
use steno_models::{JobList, Problem};

use crate::auth::Owner;
use crate::extract;
use crate::openapi::ListQuery;
use crate::problem::ApiError;
use crate::state::ApiState;

/// List jobs.
///
/// Newest first, without transcripts and without places in the queue.
#[utoipa::path(
    get,
    path = "/transcribe",
    tag = "jobs",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of jobs", body = JobList),
        (status = 400, description = "`malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_options`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list_jobs(
    request: HttpRequest,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let query = extract::page(&request)?;
    let (now, owner) = (state.now(), Owner::of(&request));
    let page = state
        .call_store(move |store| {
            store.list_jobs(now, owner.mark(), query.status, query.cursor, query.limit)
        })
        .await?;
    Ok(HttpResponse::Ok().json(JobList {
        jobs: page.jobs,
        next_cursor: page.next.map(|next| next.to_string()),
    }))
}
