//! Webhooks that are to be sent: the outbox.
//!
//! Rows are written by the trigger `jobs_callback` (`0010_deliveries.sql`) in the transaction that ends a job. A courier
//! claims them, sends them, and stores what became of each attempt.

pub(crate) mod claim;
pub(crate) mod finish;
pub(crate) mod redeliver;
mod release;

use steno_models::{Delivery, DeliveryStatus};

/// Whether one of a job's webhooks is still to be sent: the job has to stay for it.
pub(crate) fn has_pending(deliveries: &[Delivery]) -> bool {
    deliveries
        .iter()
        .any(|delivery| delivery.status == DeliveryStatus::Pending)
}
