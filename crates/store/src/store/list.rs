//! Listing jobs, a page at a time.

use rusqlite::named_params;
use steno_models::{JobId, JobStatus, Status};

use super::Store;
use super::get::job_of_row;
use crate::{Now, StoreError};

/// Jobs of one page.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Newest first, without results and without places in the queue.
    pub jobs: Vec<JobStatus>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<i64>,
}

impl Store {
    /// At most `limit` jobs, newest first, from where an earlier page ended; only those of `owner`, if one is named.
    pub fn list_jobs(
        &self,
        now: Now,
        owner: Option<&str>,
        status: Option<Status>,
        from: Option<i64>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(include_str!("../sql/list_jobs.sql"))?;
            let mut rows = statement.query(named_params! {
                ":owner": owner,
                ":before": from.unwrap_or(i64::MAX),
                ":status": status.map(Status::as_str),
                ":now": now.wall.ms(),
                // One more, to know whether there is a next page.
                ":limit": i64::from(limit) + 1,
            })?;
            let mut jobs = Vec::new();
            let mut last = None;
            while let Some(row) = rows.next()? {
                if jobs.len() == limit as usize {
                    return Ok(Page { jobs, next: last });
                }
                last = Some(row.get("seq")?);
                jobs.push(job_of_row(row, now, JobId::from_bytes(row.get("id")?))?.0);
            }
            Ok(Page { jobs, next: None })
        })
    }
}
