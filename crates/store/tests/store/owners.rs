//! Invariants: claims take turns between API keys, however many jobs one of them has; what a key has in the queue is counted
//! right on every way out of it, and bounded.

use steno_models::{JobId, TombstoneReason, TranscribeRequest};
use steno_store::{AudioUpload, Quota, QuotaCheck, QuotaExceeded, Submission};

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
    // A second of speech is expected to take a fifth of a second; a recording of unknown duration, two seconds.
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
    while f.store.check_quota("a", quota, 1).unwrap() != QuotaCheck::Within {
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
        reason: None,
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

fn jobs(limit: u64) -> Quota {
    Quota {
        jobs: Some(limit),
        ..Quota::default()
    }
}

fn bytes(limit: u64) -> Quota {
    Quota {
        stored_bytes: Some(limit),
        ..Quota::default()
    }
}

/// An upload that has begun, and whether its owner may have it.
fn begin(f: &Fixture, owner: &str, quota: Quota, announced: u64) -> (AudioUpload, QuotaCheck) {
    let upload = f.store.files().begin_upload(JobId::random(), 0).unwrap();
    let check = f
        .store
        .reserve_upload(owner, quota, upload.job_id(), announced);
    (upload, check.unwrap())
}

#[test]
fn uploads_in_progress_count_from_their_beginning() {
    let f = Fixture::new();
    let quota = Quota {
        jobs: Some(2),
        stored_bytes: Some(100),
    };
    let (first, check) = begin(&f, "a", quota, 60);
    assert_eq!(check, QuotaCheck::Within);
    let (_, check) = begin(&f, "a", quota, 41);
    assert_eq!(check, QuotaCheck::Exceeded(QuotaExceeded::StoredBytes(100)));
    let (second, check) = begin(&f, "a", quota, 30);
    assert_eq!(check, QuotaCheck::Within);
    let (_, check) = begin(&f, "a", quota, 1);
    assert_eq!(check, QuotaCheck::Exceeded(QuotaExceeded::Jobs(2)));
    let (_, check) = begin(&f, "b", quota, 100);
    assert_eq!(check, QuotaCheck::Within, "another key has its own");

    // More arrives than was announced.
    let grown = |bytes| {
        f.store
            .reserve_upload("a", quota, second.job_id(), bytes)
            .unwrap()
    };
    assert_eq!(grown(40), QuotaCheck::Within);
    assert_eq!(
        grown(41),
        QuotaCheck::Exceeded(QuotaExceeded::StoredBytes(100))
    );

    f.store.release_upload(first.job_id()).unwrap();
    assert_eq!(grown(41), QuotaCheck::Within);
}

#[test]
fn an_upload_that_becomes_a_job_is_not_counted_twice() {
    let f = Fixture::new();
    let quota = bytes(100);
    let (mut upload, _) = begin(&f, "a", quota, 90);
    upload.write(&[1; 90]).unwrap();
    let job = steno_store::NewJob {
        audio: upload.store().unwrap().into(),
        owner: "a".to_owned(),
        quota,
        ..f.new_job(b"unused")
    };
    accepted(f.submit_job(job));
    assert_eq!(begin(&f, "a", quota, 10).1, QuotaCheck::Within);
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_sweep_releases_uploads_of_processes_that_died() {
    let f = Fixture::new();
    let quota = bytes(100);
    let (alive, _) = begin(&f, "a", quota, 50);
    let (dead, _) = begin(&f, "a", quota, 50);
    f.store.sweep(f.now()).unwrap();
    assert_ne!(
        begin(&f, "a", quota, 1).1,
        QuotaCheck::Within,
        "both are being written"
    );

    // As after a kill: the file stays for the orphan scan, and nothing holds its lock.
    drop(dead);
    f.store.sweep(f.now()).unwrap();
    assert_eq!(begin(&f, "a", quota, 50).1, QuotaCheck::Within);
    drop(alive);
}

#[test]
fn decoded_audio_counts_until_its_job_ends() {
    let f = Fixture::new();
    let quota = bytes(100);
    let run = f.worker();
    accepted(f.submit_as("a", 60, quota));
    f.plan(&f.claim(&run), 1);
    let spool: u64 = 3;
    let within = |bytes| f.store.check_quota("a", quota, bytes).unwrap();
    assert_eq!(within(40 - spool), QuotaCheck::Within);
    assert_ne!(within(41 - spool), QuotaCheck::Within);
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());

    f.finish_span(&f.claim(&run), "text");
    assert_eq!(within(100), QuotaCheck::Within);
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn ended_jobs_are_bounded_too() {
    let f = Fixture::new();
    let quota = jobs(1);
    let run = f.worker();
    for _ in 0..100 {
        accepted(f.submit_as("a", 1, quota));
        f.complete(&f.claim(&run), "text");
    }
    let Submission::Refused(exceeded) = f.submit_as("a", 1, quota) else {
        panic!("the hundred and first is refused")
    };
    assert_eq!(exceeded, QuotaExceeded::StoredJobs(100));

    f.clock.advance_ms(25 * 3_600_000);
    f.store.sweep(f.now()).unwrap();
    accepted(f.submit_as("a", 1, quota));
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_key_transcribes_what_is_prepared_before_it_prepares_more() {
    let f = Fixture::new();
    let run = f.worker();
    let is_prepare =
        |claim: &steno_store::Claim| claim.task.kind() == steno_store::TaskKind::Prepare;
    for _ in 0..40 {
        submit(&f, "a");
    }
    // Every span is due later than every submission.
    let mut prepared = 0;
    loop {
        let claim = f.claim(&run);
        if !is_prepare(&claim) {
            break;
        }
        f.plan(&claim, 3600);
        prepared += 1;
    }
    assert_eq!(prepared, 32);

    // A more urgent job is not held up, and neither is another key.
    let urgent = steno_models::TranscribeRequest {
        priority: 5,
        ..Default::default()
    };
    f.submit_job(steno_store::NewJob {
        owner: "a".to_owned(),
        options: urgent,
        ..f.new_job(b"urgent")
    });
    submit(&f, "b");
    let next = [f.claim(&run), f.claim(&run)];
    assert!(next.iter().all(is_prepare));
}
