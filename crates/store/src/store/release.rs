//! Releasing: a worker that is asked to stop gives its task back unharmed.

use rusqlite::named_params;

use super::Store;
use super::types::Claim;
use crate::StoreError;

impl Store {
    /// Makes a claimed task ready again. Costs none of its budgets. Returns whether the claim still stood.
    pub fn release_task(&self, claim: &Claim) -> Result<bool, StoreError> {
        self.write(|tx, effects| {
            let released = tx
                .prepare_cached(include_str!("../sql/release_task.sql"))?
                .execute(named_params! {":task": claim.task_id, ":claim_id": claim.id.as_bytes()})?;
            effects.work = released > 0 || claim.is_alone;
            Ok(released > 0)
        })
    }
}
