//! Retrieval: the first complete delivery of a result starts the clock of its deletion.

use steno_models::{JobId, Timestamp, TombstoneReason};

use crate::{Now, Store, StoreError, StoreSettings};

impl StoreSettings {
    /// When a result is deleted whose delivery began then and ended `now`, unless its deadline comes first. However long the
    /// delivery took, half of the grace period is left.
    pub fn grace_end(&self, began: Timestamp, now: Timestamp) -> Timestamp {
        let grace_ms = self.retrieval_grace.as_millis() as i64;
        began.plus_ms(grace_ms).max(now.plus_ms(grace_ms / 2))
    }
}

impl Store {
    /// Records that a result was delivered in full, by a response that `began` at that time and announced it. Only the first
    /// time counts. Without a grace period the job is deleted at once.
    pub fn mark_retrieved(
        &self,
        now: Now,
        began: Timestamp,
        job_id: JobId,
    ) -> Result<(), StoreError> {
        self.follow_clock(now)?;
        let grace_end = self.settings.grace_end(began, now.wall);

        let may_go = self.write(|tx, effects| {
            if tx.mark_retrieved(job_id, began, grace_end)? == 0 {
                return Ok(false);
            }
            effects.changed.insert(job_id);
            if !self.settings.retrieval_grace.is_zero() {
                return Ok(false);
            }
            // A job whose webhooks are still to be sent is left to the sweep.
            Ok(!tx.has_pending_deliveries(job_id)?)
        })?;
        if may_go {
            self.delete_job(now, None, job_id, TombstoneReason::Retrieved)?;
        }
        Ok(())
    }
}
