//! Listing jobs, a page at a time.

use std::fmt;
use std::str::FromStr;

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
    pub next: Option<Cursor>,
}

/// A place in the list of an owner's jobs: after a job of that owner. It tells nothing about jobs of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    created_at_ms: i64,
    id: [u8; 16],
}

impl Cursor {
    /// Before the newest job.
    const START: Self = Self {
        created_at_ms: i64::MAX,
        id: [0xFF; 16],
    };

    fn after(job: &JobStatus) -> Self {
        Self {
            created_at_ms: job.created_at.ms(),
            id: *job.job_id.as_bytes(),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.created_at_ms, JobId::from_bytes(self.id))
    }
}

/// The text is no cursor of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the cursor of a list")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (created_at, id) = text.split_once('-').ok_or(NoCursor)?;
        let id: JobId = id.parse().map_err(|_| NoCursor)?;
        Ok(Self {
            created_at_ms: created_at.parse().map_err(|_| NoCursor)?,
            id: *id.as_bytes(),
        })
    }
}

impl Store {
    /// At most `limit` jobs of `owner`, newest first, from where an earlier page ended.
    pub fn list_jobs(
        &self,
        now: Now,
        owner: &str,
        status: Option<Status>,
        from: Option<Cursor>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let from = from.unwrap_or(Cursor::START);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(include_str!("../sql/list_jobs.sql"))?;
            let mut rows = statement.query(named_params! {
                ":owner": owner,
                ":created_at": from.created_at_ms,
                ":id": from.id,
                ":status": status.map(Status::as_str),
                ":now": now.wall.ms(),
                // One more, to know whether there is a next page.
                ":limit": i64::from(limit) + 1,
            })?;
            let mut jobs: Vec<JobStatus> = Vec::new();
            while let Some(row) = rows.next()? {
                if jobs.len() == limit as usize {
                    let next = jobs.last().map(Cursor::after);
                    return Ok(Page { jobs, next });
                }
                jobs.push(job_of_row(row, now, JobId::from_bytes(row.get("id")?))?.0);
            }
            Ok(Page { jobs, next: None })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let cursor = Cursor {
            created_at_ms: 1_800_000_000_000,
            id: *JobId::random().as_bytes(),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "x", "12", "12-", "-1", "1-2-3"] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
