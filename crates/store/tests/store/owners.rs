//! Invariants: claims take turns between API keys, however many jobs one of them has; what a key has in the queue is counted
//! right on every way out of it, and bounded.

use steno_models::{JobId, TombstoneReason, TranscribeRequest};
use steno_store::{Quota, QuotaExceeded, Submission};

use crate::support::Fixture;

fn accepted(submission: Submission) -> JobId {
    let Submission::Accepted(accepted) = submission else {
        panic!("not accepted: {submission:?}")
    };
    accepted.job_id
}

fn submit(f: &Fixture, owner: &str) -> JobId {
    accepted(f.submit_as(owner, 10, Quota::default()))
}

#[test]
fn a_flood_of_one_key_does_not_delay_the_next_job_of_another() {
    let f = Fixture::new();
    let run = f.worker();
    let flood: Vec<_> = (0..1000).map(|_| submit(&f, "flood")).collect();
    // Some of the flood is done already, and time has gone by.
    for _ in 0..5 {
        let claim = f.claim(&run);
        f.complete(&claim, "text");
    }
    f.clock.advance_ms(60_000);
    let job = submit(&f, "other");
    assert_eq!(f.status(job).position, Some(1));
    assert_eq!(f.claim(&run).job_id, job);
    // From then on they take turns, and a key that was idle has no credit.
    let others: Vec<_> = (0..10).map(|_| submit(&f, "other")).collect();
    let claimed: Vec<_> = (0..10).map(|_| f.claim(&run).job_id).collect();
    let of_other = claimed.iter().filter(|job| others.contains(job)).count();
    assert!((4..=6).contains(&of_other), "{of_other} of 10");
    assert!(
        claimed
            .iter()
            .all(|job| others.contains(job) || flood.contains(job))
    );
}

#[test]
fn turns_are_taken_by_work_and_not_by_tasks() {
    let f = Fixture::new();
    let run = f.worker();
    submit(&f, "long");
    f.plan(&f.claim(&run), 100);
    for _ in 0..100 {
        submit(&f, "short");
    }
    // A second of speech is expected to take a fifth of a second; a recording that nobody has looked at, two seconds.
    let mut spans = 0;
    for _ in 0..44 {
        spans += u32::from(matches!(
            f.claim(&run).task,
            steno_store::TaskInput::Transcribe(_)
        ));
    }
    assert!((36..=42).contains(&spans), "{spans} spans of 44 tasks");
}

#[test]
fn priorities_order_the_jobs_of_a_key_and_not_those_of_others() {
    let f = Fixture::new();
    let run = f.worker();
    let (first, second) = (submit(&f, "modest"), submit(&f, "modest"));
    f.submit_with(TranscribeRequest {
        priority: 10,
        ..TranscribeRequest::default()
    });
    f.submit_with(TranscribeRequest {
        priority: 10,
        ..TranscribeRequest::default()
    });
    let claimed: Vec<_> = (0..4).map(|_| f.claim(&run).job_id).collect();
    let place = |job| claimed.iter().position(|claimed| *claimed == job).unwrap();
    assert!(
        place(first) < 2 && place(second) < 4 && place(first) < place(second),
        "{claimed:?}"
    );
}

#[test]
fn a_key_has_at_most_as_much_in_the_queue_as_it_may() {
    let f = Fixture::new();
    let run = f.worker();
    let quota = Quota {
        jobs: Some(2),
        stored_bytes: Some(100),
    };
    let one = accepted(f.submit_as("a", 50, quota));
    accepted(f.submit_as("a", 40, quota));
    let refused = f.submit_as("a", 1, quota);
    assert!(
        matches!(refused, Submission::Refused(QuotaExceeded::Jobs(2))),
        "{refused:?}"
    );
    assert_eq!(f.files().len(), 2, "a refused recording leaves no file");
    // Others are not concerned, and what has ended does not count.
    accepted(f.submit_as("b", 50, quota));
    while f.store.check_quota("a", quota, 1).unwrap().is_err() {
        let claim = f.claim(&run);
        f.complete(&claim, "text");
    }
    let refused = f.submit_as("a", 61, quota);
    assert!(
        matches!(
            refused,
            Submission::Refused(QuotaExceeded::StoredBytes(100))
        ),
        "{refused:?}"
    );
    accepted(f.submit_as("a", 10, quota));
    f.store
        .delete_job(f.now(), None, one, TombstoneReason::Deleted)
        .unwrap();
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn every_way_out_of_the_queue_is_counted() {
    let f = Fixture::new();
    let run = f.worker();
    let jobs: Vec<_> = (0..6).map(|_| submit(&f, "a")).collect();
    f.complete(&f.claim(&run), "text");
    f.plan(&f.claim(&run), 2);
    let failure = steno_store::Failure {
        code: steno_models::FailureCode::CorruptAudio,
        message: "no".to_owned(),
        retryable: false,
    };
    f.fail(&f.claim(&run), &failure);
    f.store
        .delete_job(f.now(), None, jobs[5], TombstoneReason::Deleted)
        .unwrap();
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
    f.clock.advance_ms(25 * 3_600_000);
    f.store.sweep(f.now()).unwrap();
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
    assert_eq!(
        f.store
            .inspect_jobs(&steno_store::JobFilter::default())
            .unwrap(),
        []
    );
    accepted(f.submit_as(
        "a",
        1,
        Quota {
            jobs: Some(1),
            stored_bytes: None,
        },
    ));
}
