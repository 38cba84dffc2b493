//! Listing jobs, a page at a time.

use std::fmt;
use std::str::FromStr;

use steno_models::{JobId, JobStatus, Status, Timestamp};

use crate::jobs::get::job_of_row;
use crate::{Now, Store, StoreError};

/// Jobs of one page.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Newest first, without results and without places in the queue.
    pub jobs: Vec<JobStatus>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// A place in the list of an owner's jobs: after a job of that owner. It reveals nothing about jobs of other owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    created_at: Timestamp,
    id: JobId,
}

impl Cursor {
    /// Before the newest job.
    fn start() -> Self {
        Self {
            created_at: Timestamp::from_ms(i64::MAX),
            id: JobId::from_bytes([0xFF; 16]),
        }
    }

    fn after(job: &JobStatus) -> Self {
        Self {
            created_at: job.created_at,
            id: job.job_id,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.created_at.ms(), self.id)
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
        Ok(Self {
            created_at: Timestamp::from_ms(created_at.parse().map_err(|_| NoCursor)?),
            id: id.parse().map_err(|_| NoCursor)?,
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
        let from = from.unwrap_or_else(Cursor::start);
        self.read(|tx| {
            // One more, to know whether there is a next page.
            let mut rows = tx.list_jobs(
                now.wall,
                owner,
                status,
                (from.created_at, from.id),
                limit.saturating_add(1),
            )?;
            let has_more = rows.len() > limit as usize;
            rows.truncate(limit as usize);

            let jobs = rows
                .into_iter()
                .map(|row| Ok(job_of_row(row, now)?.0))
                .collect::<Result<Vec<_>, StoreError>>()?;
            let next = jobs.last().filter(|_| has_more).map(Cursor::after);
            Ok(Page { jobs, next })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let cursor = Cursor {
            created_at: Timestamp::from_ms(1_800_000_000_000),
            id: JobId::random(),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "x", "12", "12-", "-1", "1-2-3"] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
