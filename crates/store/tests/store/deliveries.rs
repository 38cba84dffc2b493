//! Webhooks: written when their job ends, claimed by couriers, and a reason for their job to stay.

use std::time::Duration;

use steno_models::{CallbackEvent, DeliveryStatus, JobId, Timestamp, TranscribeRequest};
use steno_store::{
    ClaimedDelivery, DeliveryOutcome, JobLookup, Redelivery, RunRole, RunSettings, StoreSettings,
    WorkerRun,
};

use crate::support::{Fixture, settings};

fn options(url: &str, events: &[CallbackEvent]) -> TranscribeRequest {
    TranscribeRequest {
        callback_url: Some(url.parse().unwrap()),
        callback_events: events.to_vec(),
        ..TranscribeRequest::default()
    }
}

fn outcome(status: DeliveryStatus, next_at: Option<Timestamp>) -> DeliveryOutcome {
    DeliveryOutcome {
        status,
        next_at,
        response_status: None,
        reason: None,
    }
}

impl Fixture {
    fn courier(&self) -> WorkerRun {
        let run = self.store.begin_run().unwrap();
        let settings = RunSettings {
            role: RunRole::Courier,
            ..RunSettings::default()
        };
        self.store
            .register_run(self.now(), &run, &settings)
            .unwrap();
        run
    }

    fn completed(&self, options: TranscribeRequest) -> JobId {
        let job = self.submit_with(options);
        let run = self.worker();
        let claim = self.claim(&run);
        assert!(self.complete(&claim, "hello"));
        job
    }

    fn due(&self, courier: &WorkerRun) -> Vec<ClaimedDelivery> {
        let claimed = self.store.claim_deliveries(self.now(), courier.id(), 100);
        claimed.unwrap()
    }

    fn finish_delivery(&self, delivery: &ClaimedDelivery, outcome: &DeliveryOutcome) -> bool {
        let finished = self.store.finish_delivery(self.now(), delivery, outcome);
        finished.unwrap().is_stored()
    }

    fn is_there(&self, job: JobId) -> bool {
        let found = self.store.get_job(self.now(), None, job).unwrap();
        matches!(found, Some(JobLookup::Job(..)))
    }
}

#[test]
fn a_job_that_ends_has_its_webhook_in_the_same_commit() {
    let fixture = Fixture::new();
    let courier = fixture.courier();
    let job = fixture.completed(options("https://example.org:8443/hook?token=secret", &[]));
    fixture.completed(TranscribeRequest::default());

    let due = fixture.due(&courier);
    assert_eq!(due.len(), 1);
    let delivery = &due[0];
    assert_eq!(delivery.job_id(), job);
    assert_eq!(
        delivery.address.as_str(),
        "https://example.org:8443/hook?token=secret"
    );
    assert_eq!(delivery.body.event, CallbackEvent::Completed);
    assert!(delivery.webhook_id.starts_with("msg_"));
    assert!(fixture.due(&courier).is_empty(), "it is claimed");
}

#[test]
fn what_a_courier_has_claimed_without_knowing_it_is_due_again_at_no_charge() {
    let fixture = Fixture::new();
    let (courier, other) = (fixture.courier(), fixture.courier());
    let claim_of = |courier: &WorkerRun| {
        fixture.completed(options("https://example.org/", &[]));
        fixture.due(courier).pop().unwrap()
    };
    let (lost, held, foreign) = (claim_of(&courier), claim_of(&courier), claim_of(&other));

    let release = || {
        let released = fixture
            .store
            .release_deliveries(courier.id(), &[held.claim_id()]);
        released.unwrap()
    };
    assert_eq!(release(), 1);
    assert_eq!(release(), 0);

    let due = fixture.due(&courier);
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].job_id(), due[0].attempts), (lost.job_id(), 0));
    let delivered = outcome(DeliveryStatus::Delivered, None);
    assert!(!fixture.finish_delivery(&lost, &delivered));
    for claim in [&held, &foreign, &due[0]] {
        assert!(fixture.finish_delivery(claim, &delivered));
    }
}

#[test]
fn only_the_events_that_were_asked_for_are_reported() {
    let fixture = Fixture::new();
    let courier = fixture.courier();
    fixture.completed(options("https://example.org/", &[CallbackEvent::Failed]));
    assert!(fixture.due(&courier).is_empty());

    fixture.completed(options("https://example.org/", &[CallbackEvent::Completed]));
    assert_eq!(fixture.due(&courier).len(), 1);
}

#[test]
fn a_job_stays_until_its_webhook_is_delivered() {
    let fixture = Fixture::new();
    let courier = fixture.courier();
    let job = fixture.completed(options("https://example.org/", &[]));
    let now = fixture.now();
    fixture.store.mark_retrieved(now, now.wall, job).unwrap();
    fixture.clock.advance_ms(3_600 * 1_000);

    assert_eq!(fixture.store.sweep(fixture.now()).unwrap().retrieved, 0);
    assert!(fixture.is_there(job));
    let listed = fixture.store.list_jobs(fixture.now(), "", None, None, 10);
    assert_eq!(listed.unwrap().jobs.len(), 1);

    let due = fixture.due(&courier);
    assert!(fixture.finish_delivery(&due[0], &outcome(DeliveryStatus::Delivered, None)));
    assert!(!fixture.is_there(job));
    assert_eq!(fixture.store.sweep(fixture.now()).unwrap().retrieved, 1);
}

#[test]
fn without_a_grace_period_a_job_stays_for_its_webhook_too() {
    let fixture = Fixture::with(StoreSettings {
        retrieval_grace: Duration::ZERO,
        ..settings()
    });
    let courier = fixture.courier();
    let job = fixture.completed(options("https://example.org/", &[]));
    let now = fixture.now();
    fixture.store.mark_retrieved(now, now.wall, job).unwrap();
    assert!(fixture.is_there(job));

    let due = fixture.due(&courier);
    assert!(fixture.finish_delivery(&due[0], &outcome(DeliveryStatus::Failed, None)));
    assert_eq!(fixture.store.sweep(fixture.now()).unwrap().retrieved, 1);
}

#[test]
fn no_webhook_outlives_the_deadline_or_the_deletion_of_its_job() {
    let fixture = Fixture::new();
    let courier = fixture.courier();
    fixture.completed(options("https://example.org/", &[]));
    let due = fixture.due(&courier);
    fixture.clock.advance_ms(24 * 3_600 * 1_000);
    assert_eq!(fixture.store.sweep(fixture.now()).unwrap().expired, 1);
    assert!(!fixture.finish_delivery(&due[0], &outcome(DeliveryStatus::Delivered, None)));

    let job = fixture.completed(options("https://example.org/", &[]));
    let reason = steno_models::TombstoneReason::Deleted;
    fixture
        .store
        .delete_job(fixture.now(), None, job, reason)
        .unwrap();
    assert!(fixture.due(&courier).is_empty());
}

#[test]
fn a_failed_attempt_is_repeated_when_it_is_due_with_the_same_id() {
    let fixture = Fixture::new();
    let courier = fixture.courier();
    fixture.completed(options("https://example.org/", &[]));
    let first = fixture.due(&courier).remove(0);
    let next_at = fixture.now().wall.plus_ms(5_000);
    assert!(fixture.finish_delivery(&first, &outcome(DeliveryStatus::Pending, Some(next_at))));

    assert!(fixture.due(&courier).is_empty());
    fixture.clock.advance_ms(5 * 1_000);
    let second = fixture.due(&courier).remove(0);
    assert_eq!((second.webhook_id, second.attempts), (first.webhook_id, 1));
    assert_eq!(second.body, first.body);
}

#[test]
fn the_webhook_of_a_dead_courier_is_claimed_by_another_and_its_late_answer_is_dropped() {
    let fixture = Fixture::new();
    let dead = fixture.courier();
    let job = fixture.completed(options("https://example.org/", &[]));
    let lost = fixture.due(&dead).remove(0);
    drop(dead);
    let courier = fixture.courier();
    fixture.reclaim();

    let again = fixture.due(&courier).remove(0);
    assert_eq!(again.webhook_id, lost.webhook_id);
    assert!(!fixture.finish_delivery(&lost, &outcome(DeliveryStatus::Failed, None)));
    assert!(fixture.finish_delivery(&again, &outcome(DeliveryStatus::Delivered, None)));
    let Ok(Some(JobLookup::Job(status, _))) = fixture.store.get_job(fixture.now(), None, job)
    else {
        panic!("the job is there")
    };
    assert_eq!(status.deliveries[0].status, DeliveryStatus::Delivered);
}

#[test]
fn a_receiver_that_does_not_answer_takes_a_share_of_the_courier_and_no_more() {
    let fixture = Fixture::new();
    let courier = fixture.courier();
    for index in 0..20 {
        fixture.completed(options(&format!("https://slow.example/{index}"), &[]));
    }
    fixture.clock.advance_ms(1_000);
    fixture.completed(options("https://fast.example/", &[]));

    let due = fixture.due(&courier);
    let of = |host: &str| {
        due.iter()
            .filter(|due| due.address.origin().contains(host))
            .count()
    };
    assert_eq!((of("slow.example"), of("fast.example")), (8, 1));
}

#[test]
fn a_client_has_its_webhooks_sent_again() {
    let fixture = Fixture::new();
    let courier = fixture.courier();
    let job = fixture.completed(options("https://example.org/", &[]));
    let first = fixture.due(&courier).remove(0);
    assert!(fixture.finish_delivery(&first, &outcome(DeliveryStatus::Failed, None)));
    let redeliver = |owner, job| {
        let outcome = fixture.store.redeliver_webhooks(fixture.now(), owner, job);
        outcome.unwrap()
    };

    assert!(matches!(redeliver(None, job), Redelivery::Due(due) if due.len() == 1));
    assert_eq!(fixture.due(&courier)[0].webhook_id, first.webhook_id);
    assert_eq!(redeliver(Some("another"), job), Redelivery::UnknownJob);
    assert_eq!(redeliver(None, JobId::random()), Redelivery::UnknownJob);
    let silent = fixture.completed(TranscribeRequest::default());
    assert_eq!(redeliver(None, silent), Redelivery::NoWebhooks);
}

#[test]
fn a_courier_is_not_counted_as_a_worker() {
    let fixture = Fixture::new();
    let _courier = fixture.courier();
    fixture.completed(options("https://example.org/", &[]));
    fixture.clock.advance_ms(7 * 1_000);
    let statistics = fixture.store.statistics(fixture.now()).unwrap();

    // The worker of `completed` is still registered.
    assert_eq!((statistics.workers, statistics.couriers), (1, 1));
    assert_eq!(fixture.store.registered_workers().unwrap().len(), 1);
    assert_eq!(statistics.open_deliveries, 1);
    assert!((statistics.oldest_delivery_seconds - 7.0).abs() < 0.001);
}
