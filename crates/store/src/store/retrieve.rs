//! Retrieval: the first complete delivery of a result starts the clock of its deletion.

use rusqlite::named_params;
use steno_models::{JobId, Timestamp, TombstoneReason};

use super::Store;
use crate::{Now, StoreError, StoreSettings};

impl StoreSettings {
    /// When a result is deleted whose delivery began then and ended `now`, unless its deadline comes first. However long the
    /// delivery took, half of the grace period is left.
    pub fn grace_end(&self, began: Timestamp, now: Timestamp) -> Timestamp {
        let grace_ms = self.retrieval_grace.as_millis() as i64;
        began.plus_ms(grace_ms).max(now.plus_ms(grace_ms / 2))
    }
}

impl Store {
    /// Notes that a result was delivered in full, by an answer that `began` then and said so. Only the first time counts. Without
    /// a grace period the job is deleted at once; else at least half of it is left now, however long the delivery took.
    pub fn mark_retrieved(
        &self,
        now: Now,
        began: Timestamp,
        job_id: JobId,
    ) -> Result<(), StoreError> {
        let grace_ms = self.settings.retrieval_grace.as_millis() as i64;
        self.follow_clock(now)?;
        let grace_end = self.settings.grace_end(began, now.wall);
        let first = self.write(|tx, effects| {
            let marked = tx
                .prepare_cached(include_str!("../sql/mark_retrieved.sql"))?
                .execute(named_params! {
                    ":id": job_id.as_bytes(),
                    ":began": began.ms(),
                    ":grace_end": grace_end.ms(),
                })?;
            effects.changed.insert(job_id);
            Ok(marked > 0)
        })?;
        if first && grace_ms == 0 {
            self.delete_job(now, None, job_id, TombstoneReason::Retrieved)?;
        }
        Ok(())
    }
}
