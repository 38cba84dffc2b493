//! The loop that sends webhooks: it claims those that are due, sends them, and stores the outcomes.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use steno_models::DeliveryStatus;
use steno_store::{
    ClaimId, ClaimedDelivery, Clock, DeliveryOutcome, Now, Settled, Store, StoreError, WakeListener,
};
use tokio::runtime::Handle;

use crate::outbound::Outbound;
use crate::retry_schedule::next_attempt;
use crate::secrets_file::SecretsFile;
use crate::webhook::{Message, Outcome, WebhookLimits, send_webhook};

/// Webhooks that are sent at the same time.
const MAX_AT_A_TIME: usize = 64;
/// Pause before a store operation is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Time for webhooks in flight to finish: one attempt and its commit.
const DRAIN_LIMIT: Duration = Duration::from_secs(18);

/// What every attempt needs.
pub(crate) struct Dispatch {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) secrets: SecretsFile,
    pub(crate) limits: WebhookLimits,
    pub(crate) run_id: String,
    /// Claims of the webhooks that are being sent.
    pub(crate) in_flight: Mutex<Vec<ClaimId>>,
    /// An attempt met an error after which the process has to end.
    pub(crate) is_broken: AtomicBool,
}

/// Sends webhooks until `stop` is set, then waits for what is being sent. An error means that the process has to end.
pub(crate) fn run(
    dispatch: &Arc<Dispatch>,
    runtime: &Handle,
    listener: &WakeListener,
    stop: &AtomicBool,
) -> Result<(), StoreError> {
    let mut has_failed = false;
    while !stop.load(Ordering::SeqCst) && !dispatch.is_broken.load(Ordering::SeqCst) {
        // 1. Claim webhooks that are due, up to the limit.
        let claimed = match dispatch.claim(&mut has_failed) {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "cannot claim webhooks");
                Vec::new()
            }
            Ok(claimed) => claimed,
        };

        // 2. Send each in a task of its own.
        for delivery in claimed {
            let claim = delivery.claim_id();
            dispatch.in_flight().push(claim);
            let dispatch = Arc::clone(dispatch);
            runtime.spawn(async move {
                dispatch.attempt(delivery).await;
                dispatch.in_flight().retain(|other| *other != claim);
            });
        }

        // 3. Wait until a job changes. An attempt that ends changes its job. Retries become due by time, so do not wait long.
        listener.receive(dispatch.store.poll_interval());
    }

    drain(dispatch);
    Ok(())
}

fn drain(dispatch: &Dispatch) {
    let began = Instant::now();
    while !dispatch.in_flight().is_empty() && began.elapsed() < DRAIN_LIMIT {
        thread::sleep(Duration::from_millis(20));
    }
}

impl Dispatch {
    fn in_flight(&self) -> MutexGuard<'_, Vec<ClaimId>> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims webhooks that are due. `has_failed` says whether the last claim failed: its commit may be complete all the same, with
    /// webhooks that no attempt sends, so they are given back first.
    fn claim(&self, has_failed: &mut bool) -> Result<Vec<ClaimedDelivery>, StoreError> {
        let held = self.in_flight().clone();
        if std::mem::replace(has_failed, true) {
            let released = self.store.release_deliveries(&self.run_id, &held)?;
            if released > 0 {
                tracing::warn!(
                    "gave back {released} webhooks that were claimed without an answer of the database"
                );
            }
        }

        let free = MAX_AT_A_TIME.saturating_sub(held.len());
        let now = self.clock.now();
        let claimed = self.store.claim_deliveries(now, &self.run_id, free)?;
        *has_failed = false;
        Ok(claimed)
    }

    /// One attempt, and the commit of its outcome.
    async fn attempt(self: &Arc<Self>, delivery: ClaimedDelivery) {
        let outcome = self.send(&delivery).await;
        let now = self.clock.now();
        let stored = stored_outcome(outcome, &delivery, now, fastrand::f64());
        log(&delivery, &stored);

        let dispatch = Arc::clone(self);
        let finish = move || dispatch.finish(now, &delivery, &stored);
        if !matches!(tokio::task::spawn_blocking(finish).await, Ok(Ok(()))) {
            self.is_broken.store(true, Ordering::SeqCst);
        }
    }

    async fn send(&self, delivery: &ClaimedDelivery) -> Outcome {
        let failed = |code| Outcome::Failed {
            code,
            status: None,
            retry_after: None,
        };
        let secrets = match self.secrets.secrets_of(&delivery.owner) {
            Ok(secrets) => secrets,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn Error,
                    "a webhook is not sent without a signature"
                );
                return failed("no_secret");
            }
        };
        let Ok(body) = serde_json::to_string(&delivery.body) else {
            return failed("unreadable");
        };
        let message = Message {
            id: delivery.webhook_id.clone(),
            body,
            secrets,
        };
        let now = wall_time(self.clock.now());

        send_webhook(
            &self.outbound,
            &delivery.address,
            &message,
            self.limits,
            now,
        )
        .await
    }

    /// Stores the outcome of an attempt that ended at `now`. Tries again while the database is locked or the disk is full.
    /// An error means that the process has to end.
    fn finish(
        &self,
        now: Now,
        delivery: &ClaimedDelivery,
        outcome: &DeliveryOutcome,
    ) -> Result<(), StoreError> {
        loop {
            match self.store.finish_delivery(now, delivery, outcome) {
                Ok(Settled::Stored | Settled::ClaimLost) => return Ok(()),
                Err(error) if error.is_fatal() => {
                    tracing::error!(error = &error as &dyn Error, "cannot store a delivery");
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn Error,
                        "cannot store a delivery; trying again"
                    );
                    thread::sleep(RETRY_PAUSE);
                }
            }
        }
    }
}

/// What to store of an outcome. A failed attempt is followed by another one while the job lives.
fn stored_outcome(
    outcome: Outcome,
    delivery: &ClaimedDelivery,
    now: Now,
    jitter: f64,
) -> DeliveryOutcome {
    match outcome {
        Outcome::Delivered { status } => DeliveryOutcome {
            status: DeliveryStatus::Delivered,
            next_at: None,
            response_status: Some(status),
            reason: None,
        },
        Outcome::GivenUp { code, status } => DeliveryOutcome {
            status: DeliveryStatus::Failed,
            next_at: None,
            response_status: status,
            reason: Some(code),
        },
        Outcome::Failed {
            code,
            status,
            retry_after,
        } => {
            let remaining_ms = (delivery.deadline().ms() - now.wall.ms()).max(0) as u64;
            let remaining = Duration::from_millis(remaining_ms);
            let pause = next_attempt(delivery.attempts + 1, retry_after, jitter, remaining);
            let next_at = pause.map(|pause| now.wall.plus_ms(pause.as_millis() as i64));

            DeliveryOutcome {
                status: match next_at {
                    Some(_) => DeliveryStatus::Pending,
                    None => DeliveryStatus::Failed,
                },
                next_at,
                response_status: status,
                reason: Some(code),
            }
        }
    }
}

/// The log names the receiver's host and never the path, which may hold a secret.
fn log(delivery: &ClaimedDelivery, outcome: &DeliveryOutcome) {
    let job = delivery.job_id();
    let attempt = delivery.attempts + 1;
    let receiver = delivery.address.origin();
    match outcome.status {
        DeliveryStatus::Delivered => tracing::info!(
            job.id = %job,
            request.id = delivery.request_id,
            attempt,
            "delivered the webhook of job {job} to {receiver}"
        ),
        DeliveryStatus::Pending | DeliveryStatus::Failed => tracing::warn!(
            job.id = %job,
            request.id = delivery.request_id,
            attempt,
            status = outcome.response_status,
            reason = outcome.reason,
            "cannot deliver the webhook of job {job} to {receiver}, {}",
            if outcome.next_at.is_some() { "trying again" } else { "given up" }
        ),
    }
}

fn wall_time(now: Now) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(now.wall.ms().max(0) as u64)
}

#[cfg(test)]
mod tests;
