//! Storing what became of an attempt.

use steno_models::{DeliveryStatus, Timestamp};

use crate::deliveries::claim::ClaimedDelivery;
use crate::upkeep::counters::{Counter, count};
use crate::{Now, Settled, Store, StoreError};

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// `pending` for another attempt.
    pub status: DeliveryStatus,
    /// When the next attempt is due; only for `pending`.
    pub next_at: Option<Timestamp>,
    /// Status of the receiver's answer.
    pub response_status: Option<u16>,
    /// The stable reason of a failure.
    pub reason: Option<&'static str>,
}

impl Store {
    /// Stores what became of an attempt. The job may be deleted from then on, unless there is another attempt.
    pub fn finish_delivery(
        &self,
        now: Now,
        claim: &ClaimedDelivery,
        outcome: &DeliveryOutcome,
    ) -> Result<Settled, StoreError> {
        self.write(|tx, effects| {
            let Some(job) = tx.end_delivery_attempt(claim, outcome, now.wall)? else {
                return Ok(Settled::ClaimLost);
            };

            count(tx, Counter::DeliveryAttempts(label(outcome)), 1.0)?;
            effects.changed.insert(job);
            Ok(Settled::Stored)
        })
    }
}

/// The outcome in the metrics.
fn label(outcome: &DeliveryOutcome) -> &'static str {
    match outcome.status {
        DeliveryStatus::Pending => "retried",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Failed => "failed",
    }
}
