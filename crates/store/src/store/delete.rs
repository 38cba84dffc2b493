//! Deleting: a job becomes a tombstone in one transaction, then its files go.

use rusqlite::{Transaction, named_params};
use steno_models::{JobId, TombstoneReason};

use super::complete::{list_files, other_claims};
use super::counters::{Counter, count};
use super::{Effects, Store};
use crate::{Now, StoreError};

/// How long the tombstone of an expired job stays beyond its deadline, at most; otherwise as long as the job lived.
const EXPIRED_TOMBSTONE_MS: i64 = 3_600_000;

impl Store {
    /// Deletes a job whatever its status; a worker on it is told to stop. Returns whether there was a job or its
    /// tombstone, so that deleting twice is no error. A job of another than `owner`, if one is named, is not there.
    pub fn delete_job(
        &self,
        now: Now,
        owner: Option<&str>,
        job_id: JobId,
        reason: TombstoneReason,
    ) -> Result<bool, StoreError> {
        let known = self.write(|tx, effects| {
            let job = named_params! {":id": job_id.as_bytes(), ":owner": owner};
            let seq = tx
                .prepare_cached("SELECT seq FROM jobs WHERE id = :id AND (:owner IS NULL OR owner = :owner)")?
                .query_row(job, |row| row.get(0));
            match seq {
                Ok(seq) => bury(tx, effects, now, seq, reason, &self.settings).map(|()| true),
                Err(rusqlite::Error::QueryReturnedNoRows) => Ok(tx
                    .prepare_cached(include_str!("../sql/get_tombstone.sql"))?
                    .exists(named_params! {":id": job_id.as_bytes(), ":owner": owner, ":now": now.wall.ms()})?),
                Err(error) => Err(error.into()),
            }
        })?;
        Ok(known)
    }
}

/// Turns a job into a tombstone inside a transaction. Rows of inputs, results and tasks go with the job's.
pub(super) fn bury(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    job_seq: i64,
    reason: TombstoneReason,
    settings: &super::StoreSettings,
) -> Result<(), StoreError> {
    let longer_ms = match reason {
        TombstoneReason::Expired => EXPIRED_TOMBSTONE_MS.min(settings.ttl.as_millis() as i64),
        TombstoneReason::Retrieved | TombstoneReason::Deleted => 0,
    };
    count(tx, Counter::Deletions(reason.as_str()), 1.0)?;
    list_files(tx, job_seq)?;
    effects.cancelled.extend(other_claims(tx, job_seq)?);
    let id: [u8; 16] = tx
        .prepare_cached(include_str!("../sql/insert_tombstone.sql"))?
        .query_row(
            named_params! {
                ":job": job_seq,
                ":reason": reason.as_str(),
                ":now": now.wall.ms(),
                ":longer_ms": longer_ms,
            },
            |row| row.get(0),
        )?;
    tx.prepare_cached("DELETE FROM jobs WHERE seq = :job")?
        .execute(named_params! {":job": job_seq})?;
    effects.changed.insert(JobId::from_bytes(id));
    effects.files_to_delete = true;
    Ok(())
}
