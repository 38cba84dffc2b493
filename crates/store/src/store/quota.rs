//! What each owner may have in the queue.
//!
//! Triggers keep the sums in `owners`, so that no way into or out of the queue is forgotten. Uploads in progress have rows of
//! their own.

use rusqlite::{Connection, Transaction, named_params};
use steno_models::JobId;

use super::Store;
use crate::StoreError;

/// Stored jobs for each unfinished job that an owner may have. Ended jobs wait for their retrieval or deadline; without a bound,
/// a key with few unfinished jobs could fill the database with failed ones.
const STORED_JOBS_FACTOR: u64 = 100;

/// What an owner may have in the queue; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Unfinished jobs, uploads in progress included. With ended jobs there may be a hundred times as many.
    pub jobs: Option<u64>,
    /// Bytes of recordings of unfinished jobs, as they came and decoded, and of uploads in progress.
    pub stored_bytes: Option<u64>,
}

/// A limit that a submission would go beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaExceeded {
    /// The owner has this many unfinished jobs already.
    Jobs(u64),
    /// The owner has this many jobs already, ended ones included: some have to be deleted, or retrieved.
    StoredJobs(u64),
    /// With this recording, the owner's would have more bytes than these.
    StoredBytes(u64),
}

/// Whether an owner may have what a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum QuotaCheck {
    /// It is within the quota.
    Within,
    /// It is not.
    Exceeded(QuotaExceeded),
}

impl QuotaCheck {
    /// An error where the quota is exceeded.
    pub fn into_result(self) -> Result<(), QuotaExceeded> {
        match self {
            Self::Within => Ok(()),
            Self::Exceeded(exceeded) => Err(exceeded),
        }
    }
}

impl Quota {
    /// Whether there is no limit at all.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an owner who has `usage` may add a recording of `bytes`.
    pub(super) fn check(&self, usage: Usage, bytes: u64) -> QuotaCheck {
        if let Some(limit) = self.jobs {
            if usage.jobs >= limit {
                return QuotaCheck::Exceeded(QuotaExceeded::Jobs(limit));
            }
            let stored_limit = limit.saturating_mul(STORED_JOBS_FACTOR);
            if usage.stored_jobs >= stored_limit {
                return QuotaCheck::Exceeded(QuotaExceeded::StoredJobs(stored_limit));
            }
        }
        match self.stored_bytes {
            Some(limit) if usage.stored_bytes.saturating_add(bytes) > limit => {
                QuotaCheck::Exceeded(QuotaExceeded::StoredBytes(limit))
            }
            _ => QuotaCheck::Within,
        }
    }
}

/// What an owner has in the queue.
#[derive(Clone, Copy)]
pub(super) struct Usage {
    jobs: u64,
    stored_jobs: u64,
    stored_bytes: u64,
}

impl Store {
    /// Whether an owner may submit a recording of `bytes`. The submission itself checks again.
    pub fn check_quota(
        &self,
        owner: &str,
        quota: Quota,
        bytes: u64,
    ) -> Result<QuotaCheck, StoreError> {
        if quota.is_unlimited() {
            return Ok(QuotaCheck::Within);
        }
        self.read(|connection| Ok(quota.check(usage(connection, owner, None)?, bytes)))
    }

    /// Counts an upload in progress against its owner's quota, from its beginning: `bytes` are those that the client
    /// announced. Called again with more bytes, it raises them, for uploads without a length. Where the quota is exceeded,
    /// nothing changes, and the caller ends the upload.
    ///
    /// [`Store::submit_job`] removes the reservation with the commit that makes the job; [`Store::release_upload`] removes
    /// that of an upload that was given up. Without a limit this writes nothing.
    pub fn reserve_upload(
        &self,
        owner: &str,
        quota: Quota,
        upload: JobId,
        bytes: u64,
    ) -> Result<QuotaCheck, StoreError> {
        if quota.is_unlimited() {
            return Ok(QuotaCheck::Within);
        }
        self.write_in_free_space(|tx, _| {
            let check = quota.check(usage(tx, owner, Some(upload))?, bytes);
            if check == QuotaCheck::Within {
                tx.prepare_cached(include_str!("../sqlite/sql/reserve_upload.sql"))?
                    .execute(named_params! {
                        ":id": upload.as_bytes(),
                        ":owner": owner,
                        ":bytes": i64::try_from(bytes).unwrap_or(i64::MAX),
                    })?;
            }
            Ok(check)
        })
    }

    /// Removes the reservation of an upload that does not become a job. Without one, nothing is written.
    pub fn release_upload(&self, upload: JobId) -> Result<(), StoreError> {
        let is_reserved = self.read(|connection| {
            Ok(connection
                .prepare_cached("SELECT 1 FROM uploads WHERE id = :id")?
                .exists(named_params! {":id": upload.as_bytes()})?)
        })?;
        if is_reserved {
            self.write(|tx, _| remove_upload(tx, upload))?;
        }
        Ok(())
    }

    /// Removes reservations whose upload no process is writing. Part of the sweep.
    pub(super) fn release_abandoned_uploads(&self) -> Result<(), StoreError> {
        let uploads: Vec<JobId> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT id FROM uploads")?;
            let ids = statement.query_map([], |row| row.get(0).map(JobId::from_bytes))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })?;
        for upload in uploads {
            if !crate::audio_file::is_being_written(&self.data, upload)? {
                self.release_upload(upload)?;
            }
        }
        Ok(())
    }
}

pub(super) fn remove_upload(tx: &Transaction<'_>, upload: JobId) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM uploads WHERE id = :id")?
        .execute(named_params! {":id": upload.as_bytes()})?;
    Ok(())
}

/// What an owner has, without the upload `own`.
pub(super) fn usage(
    connection: &Connection,
    owner: &str,
    own: Option<JobId>,
) -> Result<Usage, StoreError> {
    let mut statement = connection.prepare_cached(include_str!("../sqlite/sql/usage.sql"))?;
    let own = own.as_ref().map(JobId::as_bytes);
    let usage = statement.query_row(named_params! {":owner": owner, ":own": own}, |row| {
        let count = |column: &str| row.get::<_, i64>(column).map(|value| value.max(0) as u64);
        Ok(Usage {
            jobs: count("jobs")? + count("uploads")?,
            stored_jobs: count("stored_jobs")? + count("uploads")?,
            stored_bytes: count("stored_bytes")?.saturating_add(count("upload_bytes")?),
        })
    })?;
    Ok(usage)
}
