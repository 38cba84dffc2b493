//! Releasing: a courier gives back webhooks that it has claimed without knowing it.

use crate::{ClaimId, Store, StoreError};

impl Store {
    /// Makes the webhooks of a run due again that are claimed by other claims than those in `held`: commits whose answer was lost
    /// have claimed them. Returns how many there were.
    pub fn release_deliveries(&self, run_id: &str, held: &[ClaimId]) -> Result<usize, StoreError> {
        self.write(|tx, _| {
            let mut released = 0;
            for (id, claim) in tx.deliveries_of_run(run_id)? {
                if !held.contains(&claim) {
                    released += tx.release_delivery(id, claim)?;
                }
            }
            Ok(released)
        })
    }
}
