//! Claiming webhooks that are due.

use steno_models::{JobId, Timestamp, WebAddress, WebhookBody};

use crate::tx::Tx;
use crate::{ClaimId, Now, Store, StoreError};

/// A webhook that a courier has claimed, for one attempt.
#[derive(Clone, Debug)]
pub struct ClaimedDelivery {
    /// The header `webhook-id`.
    pub webhook_id: String,
    /// Where to send it.
    pub address: WebAddress,
    /// What to send.
    pub body: WebhookBody,
    /// Name of the API key of the job, empty where no key is asked for: it decides which secret signs.
    pub owner: String,
    /// Attempts that have failed so far.
    pub attempts: u32,
    /// The call that submitted the job, for the log.
    pub request_id: String,
    pub(crate) id: i64,
    pub(crate) claim_id: ClaimId,
    pub(crate) run_id: String,
}

impl ClaimedDelivery {
    /// The claim.
    pub fn claim_id(&self) -> ClaimId {
        self.claim_id
    }

    /// The job it reports on.
    pub fn job_id(&self) -> JobId {
        self.body.data.job_id
    }

    /// The end of the job's life, and of all attempts.
    pub fn deadline(&self) -> Timestamp {
        self.body.data.ttl_deadline
    }
}

impl Store {
    /// Claims at most `limit` webhooks that are due, for the courier of that run.
    pub fn claim_deliveries(
        &self,
        now: Now,
        run_id: &str,
        limit: usize,
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        // Read without the write lock first: most polls find nothing.
        if self
            .read_statements(|tx| tx.due_delivery(now.wall))?
            .is_none()
        {
            return Ok(Vec::new());
        }

        self.write(|tx, _| {
            let mut claimed = Vec::new();
            while claimed.len() < limit {
                let Some(id) = tx.due_delivery(now.wall)? else {
                    break;
                };
                claimed.extend(claim(tx, id, run_id)?);
            }
            Ok(claimed)
        })
    }
}

/// `None`, and the delivery failed, if what is stored of it cannot be read.
fn claim(tx: &Tx<'_>, id: i64, run_id: &str) -> Result<Option<ClaimedDelivery>, StoreError> {
    let claim_id = ClaimId::random();
    tx.claim_delivery(id, claim_id, run_id)?;

    match tx.load_delivery(id, claim_id, run_id) {
        Err(error @ StoreError::Content { .. }) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a webhook cannot be read and is not sent"
            );
            tx.fail_unreadable_delivery(id).map(|()| None)
        }
        loaded => loaded.map(Some),
    }
}
