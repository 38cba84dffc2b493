//! What each owner may have in the queue.
//!
//! Triggers keep the sums in `owners`, so that no way into or out of the queue is forgotten. Uploads in progress have rows of
//! their own.

use steno_models::JobId;

use crate::{Store, StoreError};

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
    pub(crate) fn check(&self, usage: Usage, bytes: u64) -> QuotaCheck {
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
pub(crate) struct Usage {
    /// Unfinished, with uploads in progress.
    pub(crate) jobs: u64,
    /// With ended ones.
    pub(crate) stored_jobs: u64,
    pub(crate) stored_bytes: u64,
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
        self.read_statements(|tx| Ok(quota.check(tx.usage(owner, None)?, bytes)))
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
        let process = self.liveness.boot_or_lock();
        self.write_in_free_space(|tx, _| {
            let check = quota.check(tx.usage(owner, Some(upload))?, bytes);
            if check == QuotaCheck::Within {
                tx.reserve_upload(upload, owner, bytes, process)?;
            }
            Ok(check)
        })
    }

    /// Removes the reservation of an upload that does not become a job. Without one, nothing is written.
    pub fn release_upload(&self, upload: JobId) -> Result<(), StoreError> {
        if self.read_statements(|tx| tx.any_upload(upload))? {
            self.write(|tx, _| tx.delete_upload(upload))?;
        }
        Ok(())
    }

    /// Removes reservations whose upload no process receives. Part of the sweep.
    pub(crate) fn release_abandoned_uploads(&self) -> Result<(), StoreError> {
        let uploads = self.read_statements(|tx| tx.list_uploads())?;
        let (here, elsewhere): (Vec<_>, Vec<_>) = uploads
            .into_iter()
            .partition(|upload| self.liveness.is_here(&upload.process));

        for upload in here {
            if !self.files.is_being_written(upload.id)? {
                self.release_upload(upload.id)?;
            }
        }

        let processes = elsewhere.iter().map(|upload| upload.process.clone());
        let gone = self
            .liveness
            .gone_uploaders(processes.collect(), &self.settings);
        for upload in elsewhere {
            if gone.contains(&upload.process) {
                self.release_upload(upload.id)?;
            }
        }
        Ok(())
    }
}
