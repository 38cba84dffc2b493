//! Retrieval: the first complete delivery of a result starts the clock of its deletion.

use rusqlite::named_params;
use steno_models::{JobId, TombstoneReason};

use super::Store;
use crate::{Now, StoreError};

impl Store {
    /// Notes that a result was delivered in full. Only the first time counts. Without a grace period the job is deleted
    /// at once.
    pub fn mark_retrieved(&self, now: Now, job_id: JobId) -> Result<(), StoreError> {
        let grace_ms = self.settings.retrieval_grace.as_millis() as i64;
        self.follow_clock(now)?;
        let first = self.write(|tx, effects| {
            let marked = tx.prepare_cached(include_str!("../sql/mark_retrieved.sql"))?.execute(named_params! {
                ":id": job_id.as_bytes(),
                ":now": now.wall.ms(),
                ":grace_end": now.wall.plus_ms(grace_ms).ms(),
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
