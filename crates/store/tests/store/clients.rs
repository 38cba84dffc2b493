//! What clients rely on: a submission that is repeated is one job, lists have pages, followers miss nothing.

use steno_models::{JobId, Segment, Status, TombstoneReason, TranscribeRequest};
use steno_store::{Accepted, Followed, NewJob, Sent, Submission};

use crate::support::Fixture;

fn french() -> TranscribeRequest {
    TranscribeRequest {
        language: Some("fr".into()),
        ..TranscribeRequest::default()
    }
}

fn accepted(submission: Submission) -> Accepted {
    match submission {
        Submission::Accepted(accepted) => accepted,
        other => panic!("refused: {other:?}"),
    }
}

#[test]
fn a_submission_that_is_repeated_with_its_key_is_one_job() {
    let f = Fixture::new();
    let submit = |recording, options, key| f.submission(recording, options, key, false);
    let first = accepted(submit(b"one", french(), Some("key")));
    assert!(first.is_new);
    let again = accepted(submit(b"one", french(), Some("key")));
    assert_eq!(
        (again.job_id, again.is_new, again.position),
        (first.job_id, false, Some(1))
    );
    assert_eq!(
        f.files(),
        [first.job_id.to_string()],
        "the second recording is not kept"
    );

    assert!(matches!(
        submit(b"two", french(), Some("key")),
        Submission::KeyInUse
    ));
    assert!(matches!(
        submit(b"one", TranscribeRequest::default(), Some("key")),
        Submission::KeyInUse
    ));
    assert_ne!(
        accepted(submit(b"one", french(), Some("other"))).job_id,
        first.job_id
    );
    assert_ne!(
        accepted(submit(b"one", french(), None)).job_id,
        first.job_id
    );

    assert_eq!(f.files().len(), 3);
}

#[test]
fn a_key_is_free_again_when_its_job_is_deleted() {
    let f = Fixture::new();
    let first = accepted(f.submission(b"one", french(), Some("key"), false));
    f.store
        .delete_job(f.now(), None, first.job_id, TombstoneReason::Deleted)
        .unwrap();
    assert!(accepted(f.submission(b"two", french(), Some("key"), false)).is_new);
}

#[test]
fn equal_shared_submissions_are_one_job_until_it_fails_or_goes() {
    let f = Fixture::new();
    let submit =
        |shared| accepted(f.submission(b"one", TranscribeRequest::default(), None, shared));
    let native = submit(false);
    let first = submit(true);
    assert_ne!(
        first.job_id, native.job_id,
        "a job whose client may delete it is not shared"
    );
    assert_eq!(submit(true).job_id, first.job_id);
    let run = f.worker();
    f.store
        .delete_job(f.now(), None, native.job_id, TombstoneReason::Deleted)
        .unwrap();
    assert!(f.complete(&f.claim(&run), "hello"));
    let completed = submit(true);
    assert_eq!(
        (completed.job_id, completed.status),
        (first.job_id, Status::Completed)
    );
    f.store
        .mark_retrieved(f.now(), f.now().wall, first.job_id)
        .unwrap();
    f.clock.advance_ms(54_000);
    assert_eq!(submit(true).job_id, first.job_id);
    f.clock.advance_ms(2_000);
    let second = submit(true);
    assert!(second.is_new, "its result would be gone before it is read");
    let claim = f.claim(&run);
    let failure = steno_store::Failure {
        code: steno_models::FailureCode::CorruptAudio,
        message: String::new(),
        retryable: false,
        reason: None,
    };

    f.fail(&claim, &failure);

    assert!(submit(true).is_new, "another try may succeed");
}

#[test]
fn a_list_has_every_job_once_newest_first() {
    let f = Fixture::new();
    let submit_later = |_| {
        f.clock.advance_ms(1);
        f.submit()
    };
    let jobs: Vec<_> = (0..5).map(submit_later).collect();
    let page = |status, from, limit| f.store.list_jobs(f.now(), "", status, from, limit).unwrap();
    let mut found = Vec::new();
    let mut from = None;
    loop {
        let page = page(None, from, 2);
        found.extend(page.jobs.iter().map(|job| job.job_id));
        // Jobs that come and go between pages change nothing about the others.
        f.store
            .delete_job(f.now(), None, found[0], TombstoneReason::Deleted)
            .unwrap();
        let Some(next) = page.next else { break };
        // It is passed as text over the wire.
        from = Some(next.to_string().parse().unwrap());
    }

    assert_eq!(found, jobs.iter().rev().copied().collect::<Vec<_>>());
    let run = f.worker();
    assert!(f.complete(&f.claim(&run), "secret words"));
    let completed = page(Some(Status::Completed), None, 10);
    assert_eq!((completed.jobs.len(), completed.next), (1, None));
    assert_eq!(
        (completed.jobs[0].job_id, &completed.jobs[0].result),
        (jobs[0], &None)
    );
    f.clock.advance_ms(25 * 3_600_000);

    assert_eq!(page(None, None, 10).jobs, []);
}

fn follow(f: &Fixture, job: JobId, sent: Sent) -> Followed {
    f.store
        .follow_job(f.now(), None, job, sent)
        .unwrap()
        .unwrap()
        .unwrap()
}

fn texts(segments: &[Segment]) -> Vec<(u32, &str)> {
    segments
        .iter()
        .map(|segment| (segment.id, segment.text.as_str()))
        .collect()
}

#[test]
fn segments_are_sent_once_and_in_order_while_a_job_runs_and_after() {
    let f = Fixture::new();
    let job = f.submit();
    let run = f.worker();
    f.plan(&f.claim(&run), 3);
    let claims = [f.claim(&run), f.claim(&run), f.claim(&run)];
    assert!(f.finish_span(&claims[1], "two"));
    let nothing = follow(&f, job, Sent::default());
    assert_eq!(
        (texts(&nothing.segments), nothing.sent),
        (vec![], Sent::default()),
        "one comes before two"
    );

    assert!(f.finish_span(&claims[0], "one"));
    let two = follow(&f, job, nothing.sent);
    assert_eq!(texts(&two.segments), [(0, "one"), (1, "two")]);
    assert_eq!(texts(&follow(&f, job, two.sent).segments), []);
    let reconnected = Sent {
        segments: 1,
        spans: 0,
        ..Sent::default()
    };
    assert_eq!(texts(&follow(&f, job, reconnected).segments), [(1, "two")]);
    assert!(f.finish_span(&claims[2], "three"));
    for sent in [
        two.sent,
        Sent {
            segments: 2,
            spans: 0,
            ..Sent::default()
        },
    ] {
        let rest = follow(&f, job, sent);
        assert_eq!(
            (rest.status.status, texts(&rest.segments)),
            (Status::Completed, vec![(2, "three")])
        );
    }

    assert_eq!(
        texts(
            &follow(
                &f,
                job,
                Sent {
                    segments: 99,
                    spans: 0,
                    ..Sent::default()
                }
            )
            .segments
        ),
        []
    );

    f.store
        .delete_job(f.now(), None, job, TombstoneReason::Deleted)
        .unwrap();
    assert!(
        f.store
            .follow_job(f.now(), None, job, Sent::default())
            .unwrap()
            .unwrap()
            .is_err()
    );

    assert!(
        f.store
            .follow_job(f.now(), None, JobId::random(), Sent::default())
            .unwrap()
            .is_none()
    );
}

#[test]
fn announced_weights_are_those_of_the_last_announcement() {
    let f = Fixture::new();
    assert_eq!(f.store.announced_models().unwrap(), Vec::<String>::new());
    f.store
        .announce_models(&["small".into(), "base".into()])
        .unwrap();
    assert_eq!(f.store.announced_models().unwrap(), ["base", "small"]);
    f.store.announce_models(&["base".into()]).unwrap();
    assert_eq!(f.store.announced_models().unwrap(), ["base"]);
}

#[test]
fn the_jobs_of_another_key_are_not_there() {
    let f = Fixture::new();
    let submit = |owner: &str| {
        let mut upload = f.store.files().begin_upload(JobId::random(), 0).unwrap();
        upload.write(b"one").unwrap();
        let (audio, options) = (upload.store().unwrap(), TranscribeRequest::default());
        let (owner, idempotency_key) = (owner.to_owned(), Some("key".to_owned()));
        accepted(
            f.store
                .submit_job(
                    f.now(),
                    NewJob {
                        options,
                        owner,
                        idempotency_key,
                        shared: true,
                        ..NewJob::of(audio)
                    },
                )
                .unwrap(),
        )
    };

    let (alice, bob) = (submit("alice"), submit("bob"));
    assert_ne!(
        alice.job_id, bob.job_id,
        "neither key nor fingerprint leads to another's job"
    );
    assert_eq!(submit("alice").job_id, alice.job_id);
    let of = |owner| f.store.get_job(f.now(), owner, alice.job_id).unwrap();
    assert!(of(Some("alice")).is_some() && of(None).is_some() && of(Some("bob")).is_none());
    assert!(
        f.store
            .follow_job(f.now(), Some("bob"), alice.job_id, Sent::default())
            .unwrap()
            .is_none()
    );

    let list = |owner| {
        f.store
            .list_jobs(f.now(), owner, None, None, 10)
            .unwrap()
            .jobs
            .len()
    };

    assert_eq!([list("alice"), list("bob"), list("")], [1, 1, 0]);
    let delete = |owner| {
        f.store
            .delete_job(f.now(), owner, alice.job_id, TombstoneReason::Deleted)
            .unwrap()
    };

    assert!(!delete(Some("bob")) && of(None).is_some());
    assert!(delete(Some("alice")) && delete(Some("alice")) && !delete(Some("bob")));

    assert!(
        of(Some("bob")).is_none() && of(Some("alice")).is_some(),
        "a tombstone has an owner, too"
    );
}

#[test]
fn what_happens_is_counted_once() {
    let f = Fixture::new();
    let run = f.worker();
    let job = f.submit();
    f.plan(&f.claim(&run), 2);
    let claims = [f.claim(&run), f.claim(&run)];
    f.clock.advance_ms(2_000);
    assert!(f.finish_span(&claims[0], "one"));
    assert!(!f.finish_span(&claims[0], "again"), "a claim ends once");
    assert!(f.finish_span(&claims[1], "two"));
    f.submit();
    f.store
        .delete_job(f.now(), None, job, TombstoneReason::Deleted)
        .unwrap();
    f.clock.advance_ms(3_000);
    let statistics = f.store.statistics(f.now()).unwrap();
    let value = |name: &str, label: &str| {
        let found = statistics
            .counters
            .iter()
            .find(|counter| counter.0 == name && counter.1 == label);
        found.map_or(0.0, |counter| counter.2)
    };

    assert_eq!(
        (
            value("jobs_submitted", ""),
            value("jobs_ended", "completed"),
            value("deletions", "deleted")
        ),
        (2.0, 1.0, 1.0)
    );

    assert_eq!(
        (value("claims", "prepare"), value("claims", "transcribe")),
        (1.0, 2.0)
    );
    assert_eq!(
        (
            value("task_seconds", "transcribe"),
            value("speech_seconds", ""),
            value("audio_seconds", "")
        ),
        (4.0, 2.0, 2.0)
    );

    assert_eq!(
        (statistics.jobs.as_slice(), statistics.workers),
        (&[(Status::Pending, 1, 3.0)][..], 1)
    );
}
