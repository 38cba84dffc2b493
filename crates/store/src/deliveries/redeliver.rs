//! Sending a job's webhooks again, because a client asks for it.

use steno_models::{Delivery, JobId};

use crate::{Now, Store, StoreError};

/// What became of the wish to send webhooks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redelivery {
    /// They are due now.
    Due(Vec<Delivery>),
    /// The job has none: it has not ended, or has no callback for the way it ended.
    NoWebhooks,
    /// There is no such job.
    UnknownJob,
}

impl Store {
    /// Makes the webhooks of a job due now, delivered or not. Their `webhook-id` stays: a receiver that has one ignores it.
    /// A job of another than `owner`, if one is named, is not there.
    pub fn redeliver_webhooks(
        &self,
        now: Now,
        owner: Option<&str>,
        job_id: JobId,
    ) -> Result<Redelivery, StoreError> {
        self.write(|tx, effects| {
            let Some(job) = tx.job_seq(owner, job_id)? else {
                return Ok(Redelivery::UnknownJob);
            };

            tx.redeliver(job, now.wall)?;
            let deliveries = tx.list_deliveries(job)?;
            if deliveries.is_empty() {
                return Ok(Redelivery::NoWebhooks);
            }
            effects.changed.insert(job_id);
            Ok(Redelivery::Due(deliveries))
        })
    }
}
