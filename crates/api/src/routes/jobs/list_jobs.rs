//! `GET /transcribe`: the jobs there are, a page at a time.

use actix_web::{HttpRequest, HttpResponse, web};
use steno_models::{JobList, Problem, Status};
use steno_store::Cursor;

use crate::auth::Owner;
use crate::extract::QueryPairs;
use crate::openapi::ListQuery;
use crate::problem::ApiError;
use crate::state::ApiState;

/// Jobs on a page, if the client names no number.
const DEFAULT_PAGE: u32 = 50;
/// Most jobs on a page.
const MAX_PAGE: u32 = 200;

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
    owner: Owner,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let query = page(&request)?;
    let now = state.now();
    let page = state
        .call_store(move |store| {
            store.list_jobs(now, owner.name(), query.status, query.cursor, query.limit)
        })
        .await?;
    Ok(HttpResponse::Ok().json(JobList {
        jobs: page.jobs,
        next_cursor: page.next.map(|next| next.to_string()),
    }))
}

/// Which jobs to list, and which page of them.
#[derive(Debug, PartialEq, Eq)]
struct PageQuery {
    /// Only jobs of this status.
    status: Option<Status>,
    /// Where an earlier page ended.
    cursor: Option<Cursor>,
    /// Jobs on the page.
    limit: u32,
}

fn page(request: &HttpRequest) -> Result<PageQuery, ApiError> {
    let mut page = PageQuery {
        status: None,
        cursor: None,
        limit: DEFAULT_PAGE,
    };

    for (name, value) in QueryPairs::distinct(request)?.iter() {
        match name.as_str() {
            "status" => {
                let status = serde_json::from_value(value.as_str().into());
                let unknown = |_| {
                    ApiError::invalid_option(
                        "status",
                        "not one of pending, processing, completed, failed",
                    )
                };
                page.status = Some(status.map_err(unknown)?);
            }
            "cursor" => {
                let cursor = value
                    .parse()
                    .map_err(|_| ApiError::invalid_option("cursor", "not a next_cursor of a list"));
                page.cursor = Some(cursor?);
            }
            "limit" => {
                let limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=MAX_PAGE).contains(limit));
                let outside = || {
                    ApiError::invalid_option(
                        "limit",
                        format!("not a whole number from 1 to {MAX_PAGE}"),
                    )
                };
                page.limit = limit.ok_or_else(outside)?;
            }
            _ => {
                return Err(ApiError::invalid_option(
                    "query",
                    "unknown parameter; known are status, cursor, limit",
                ));
            }
        }
    }

    Ok(page)
}
