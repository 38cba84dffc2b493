//! What each owner may have in the queue. Its rows are kept by triggers, so that no way out of the queue is forgotten.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::Store;
use crate::StoreError;

/// What the unfinished jobs of an owner may come to; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// How many there may be.
    pub jobs: Option<u64>,
    /// Bytes of their recordings together.
    pub stored_bytes: Option<u64>,
}

/// A limit that a submission would go beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaExceeded {
    /// The owner has this many unfinished jobs already.
    Jobs(u64),
    /// With this recording, the owner's would have more bytes than these.
    StoredBytes(u64),
}

impl Quota {
    /// Whether an owner who has `usage` may submit a recording of `bytes`.
    pub(super) fn check(&self, usage: Usage, bytes: u64) -> Result<(), QuotaExceeded> {
        match (self.jobs, self.stored_bytes) {
            (Some(limit), _) if usage.jobs >= limit => Err(QuotaExceeded::Jobs(limit)),
            (_, Some(limit)) if usage.stored_bytes.saturating_add(bytes) > limit => {
                Err(QuotaExceeded::StoredBytes(limit))
            }
            _ => Ok(()),
        }
    }
}

/// What an owner has in the queue.
#[derive(Clone, Copy, Default)]
pub(super) struct Usage {
    jobs: u64,
    stored_bytes: u64,
}

impl Store {
    /// Whether an owner may submit a recording of `bytes`. The submission itself asks again.
    pub fn check_quota(
        &self,
        owner: &str,
        quota: Quota,
        bytes: u64,
    ) -> Result<Result<(), QuotaExceeded>, StoreError> {
        if quota == Quota::default() {
            return Ok(Ok(()));
        }
        self.read(|connection| Ok(quota.check(usage(connection, owner)?, bytes)))
    }
}

pub(super) fn usage(connection: &Connection, owner: &str) -> Result<Usage, StoreError> {
    let usage = connection
        .prepare_cached("SELECT unfinished_jobs, stored_bytes FROM owners WHERE owner = :owner")?
        .query_row(named_params! {":owner": owner}, |row| {
            Ok(Usage {
                jobs: row.get::<_, i64>(0)? as u64,
                stored_bytes: row.get::<_, i64>(1)? as u64,
            })
        })
        .optional()?;
    Ok(usage.unwrap_or_default())
}
