//! Deleting: a job becomes a tombstone in one transaction, then its files go.

use steno_models::{JobId, TombstoneReason};

use crate::effects::Effects;
use crate::tx::Tx;
use crate::upkeep::counters::{Counter, count};
use crate::{Now, Store, StoreError, StoreSettings};

/// How long the tombstone of an expired job stays beyond its deadline, at most; otherwise as long as the job lived.
const EXPIRED_TOMBSTONE_MS: i64 = 3_600_000;

impl Store {
    /// Deletes a job in any status; a worker that works on it is stopped. Returns whether there was a job or its
    /// tombstone, so that deleting twice is no error. A job of another than `owner`, if one is named, is not found.
    pub fn delete_job(
        &self,
        now: Now,
        owner: Option<&str>,
        job_id: JobId,
        reason: TombstoneReason,
    ) -> Result<bool, StoreError> {
        self.write(|tx, effects| match tx.job_seq(owner, job_id)? {
            Some(seq) => bury(tx, effects, now, seq, reason, &self.settings).map(|()| true),
            None => Ok(tx.get_tombstone(owner, job_id, now.wall)?.is_some()),
        })
    }
}

/// Turns a job into a tombstone inside a transaction. Rows of inputs, results and tasks go with the job's.
pub(crate) fn bury(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    job_seq: i64,
    reason: TombstoneReason,
    settings: &StoreSettings,
) -> Result<(), StoreError> {
    let longer_ms = match reason {
        TombstoneReason::Expired => EXPIRED_TOMBSTONE_MS.min(settings.ttl.as_millis() as i64),
        TombstoneReason::Retrieved | TombstoneReason::Deleted => 0,
    };
    count(tx, Counter::Deletions(reason.as_str()), 1.0)?;

    tx.list_job_files(job_seq)?;
    effects.cancelled.extend(tx.claims_of_job(job_seq)?);
    let job_id = tx.insert_tombstone(job_seq, reason.as_str(), now.wall, longer_ms)?;
    tx.delete_job(job_seq)?;

    effects.changed.insert(job_id);
    effects.files_to_delete = true;
    Ok(())
}
