//! Statements about webhooks.

use steno_models::{
    CallbackEvent, Delivery, JobError, JobId, Timestamp, TranscribeRequest, WebAddress,
    WebhookBody, WebhookJob,
};

use crate::deliveries::claim::ClaimedDelivery;
use crate::deliveries::finish::DeliveryOutcome;
use crate::tx::rows::{json, word};
use crate::tx::{Row, Tx, parameters, sql};
use crate::{ClaimId, StoreError};

/// Webhooks that one receiver is sent at a time.
const PER_ORIGIN: u32 = 8;

impl Tx<'_> {
    /// The webhook to send next.
    pub(crate) fn due_delivery(&self, now: Timestamp) -> Result<Option<i64>, StoreError> {
        let parameters = parameters! {":now": now.ms(), ":per_origin": PER_ORIGIN};
        self.first(sql!("due_delivery"), parameters, |row| row.get(0))
    }

    pub(crate) fn claim_delivery(
        &self,
        id: i64,
        claim_id: ClaimId,
        run_id: &str,
    ) -> Result<(), StoreError> {
        let parameters =
            parameters! {":id": id, ":claim_id": claim_id.as_bytes(), ":run_id": run_id};
        self.run(sql!("claim_delivery"), parameters)
    }

    /// The webhooks that a run has claimed, with their claims.
    pub(crate) fn deliveries_of_run(
        &self,
        run_id: &str,
    ) -> Result<Vec<(i64, ClaimId)>, StoreError> {
        let parameters = parameters! {":run_id": run_id};
        self.all(sql!("deliveries_of_run"), parameters, |row| {
            Ok((row.get(0)?, ClaimId::from_bytes(row.get(1)?)))
        })
    }

    pub(crate) fn release_delivery(&self, id: i64, claim_id: ClaimId) -> Result<usize, StoreError> {
        let parameters = parameters! {":id": id, ":claim_id": claim_id.as_bytes()};
        self.execute(sql!("release_delivery"), parameters)
    }

    /// [`StoreError::Content`] if what is stored of it cannot be read.
    pub(crate) fn load_delivery(
        &self,
        id: i64,
        claim_id: ClaimId,
        run_id: &str,
    ) -> Result<ClaimedDelivery, StoreError> {
        self.one(sql!("load_delivery"), parameters! {":id": id}, |row| {
            let options: TranscribeRequest = json(row, "options")?;
            Ok(ClaimedDelivery {
                webhook_id: row.get("webhook_id")?,
                address: callback_url(&options)?,
                body: body(row, options)?,
                owner: row.get("owner")?,
                attempts: row.get("delivery_attempts")?,
                request_id: row.get("request_id")?,
                id,
                claim_id,
                run_id: run_id.to_owned(),
            })
        })
    }

    pub(crate) fn fail_unreadable_delivery(&self, id: i64) -> Result<(), StoreError> {
        self.run(sql!("fail_unreadable_delivery"), parameters! {":id": id})
    }

    /// Ends the attempt of a claim. Returns the job; `None` if the claim was lost.
    pub(crate) fn end_delivery_attempt(
        &self,
        claim: &ClaimedDelivery,
        outcome: &DeliveryOutcome,
        now: Timestamp,
    ) -> Result<Option<JobId>, StoreError> {
        let parameters = parameters! {
            ":id": claim.id,
            ":claim_id": claim.claim_id.as_bytes(),
            ":run_id": claim.run_id,
            ":status": outcome.status.as_str(),
            ":next_at": outcome.next_at.map(Timestamp::ms),
            ":now": now.ms(),
            ":response_status": outcome.response_status,
            ":reason": outcome.reason,
        };
        self.first(sql!("end_delivery_attempt"), parameters, |row| {
            Ok(JobId::from_bytes(row.get(0)?))
        })
    }

    /// The webhooks of a job, as its client sees them.
    pub(crate) fn list_deliveries(&self, job: i64) -> Result<Vec<Delivery>, StoreError> {
        self.all(
            sql!("select_deliveries"),
            parameters! {":job": job},
            |row| {
                let time = |column: &str| -> Result<Option<Timestamp>, StoreError> {
                    Ok(row.get::<Option<i64>>(column)?.map(Timestamp::from_ms))
                };
                Ok(Delivery {
                    webhook_id: row.get("webhook_id")?,
                    event: word(row, "event")?,
                    status: word(row, "status")?,
                    attempts: row.get("attempts")?,
                    last_attempt_at: time("last_attempt_at")?,
                    next_attempt_at: time("next_at")?,
                    response_status: row.get("response_status")?,
                    reason: row.get("reason")?,
                })
            },
        )
    }

    pub(crate) fn has_pending_deliveries(&self, job: JobId) -> Result<bool, StoreError> {
        self.exists(
            sql!("has_pending_deliveries"),
            parameters! {":id": job.as_bytes()},
        )
    }

    pub(crate) fn redeliver(&self, job: i64, now: Timestamp) -> Result<(), StoreError> {
        let parameters = parameters! {":job": job, ":now": now.ms()};
        self.run(sql!("redeliver"), parameters)
    }

    /// Webhooks that are still to be sent, and when the oldest was written.
    pub(crate) fn open_deliveries(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        self.one(sql!("open_deliveries"), &[], |row| {
            let oldest = row.get::<Option<i64>>(1)?.map(Timestamp::from_ms);
            Ok((row.get::<i64>(0)? as u64, oldest))
        })
    }
}

fn callback_url(options: &TranscribeRequest) -> Result<WebAddress, StoreError> {
    let url = options.callback_url.clone();
    url.ok_or_else(|| StoreError::Content {
        what: "callback_url",
        source: serde::de::Error::missing_field("callback_url"),
    })
}

fn body(row: &Row<'_>, options: TranscribeRequest) -> Result<WebhookBody, StoreError> {
    let event: CallbackEvent = word(row, "event")?;
    let created_at = Timestamp::from_ms(row.get("created_at")?);
    let finished_at = row.get::<Option<i64>>("finished_at")?;
    let finished_at = finished_at.map(Timestamp::from_ms);
    let duration_ms: Option<i64> = row.get("duration_ms")?;

    Ok(WebhookBody {
        event,
        timestamp: finished_at.unwrap_or(created_at),
        data: WebhookJob {
            job_id: JobId::from_bytes(row.get("job_id")?),
            status: word(row, "status")?,
            language: row.get("language")?,
            duration_seconds: duration_ms.map(|ms| ms as f64 / 1000.0),
            created_at,
            finished_at,
            ttl_deadline: Timestamp::from_ms(row.get("ttl_deadline")?),
            error: error(row)?,
            metadata: options.metadata,
        },
    })
}

fn error(row: &Row<'_>) -> Result<Option<JobError>, StoreError> {
    if row.get::<Option<String>>("error_code")?.is_none() {
        return Ok(None);
    }
    let message: Option<String> = row.get("error_message")?;

    Ok(Some(JobError {
        code: word(row, "error_code")?,
        reason: row.get("error_reason")?,
        message: message.unwrap_or_default(),
    }))
}
