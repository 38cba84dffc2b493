//! Claiming and finishing: each task once, in order, fenced.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::support::{Fixture, KINDS};
use steno_models::{FailureCode, Status, TranscribeRequest};
use steno_store::{Failure, Settled, StoreError, TaskInput};

#[test]
fn a_job_of_one_span_completes_with_its_prepare_task() {
    let f = Fixture::new();
    let job = f.submit();
    let waiting = f.status(job);
    assert_eq!(
        (waiting.status, waiting.position, waiting.attempts),
        (Status::Pending, Some(1), 0)
    );
    let run = f.worker();
    let claim = f.claim(&run);
    let running = f.status(job);
    assert_eq!(
        (running.status, running.position, running.attempts),
        (Status::Processing, None, 1)
    );
    assert_eq!(running.started_at, Some(f.now().wall));
    assert!(f.complete(&claim, "hello"));
    let done = f.status(job);
    assert_eq!((done.status, done.progress), (Status::Completed, 1.0));
    assert_eq!(done.result.unwrap().text, "hello");
    assert_eq!(
        f.files(),
        Vec::<String>::new(),
        "audio goes when the job ends"
    );
}

#[test]
fn spans_are_merged_in_order_of_the_recording() {
    let f = Fixture::new();
    let job = f.submit();
    let run = f.worker();
    f.plan(&f.claim(&run), 3);
    let claims = [f.claim(&run), f.claim(&run), f.claim(&run)];
    let index = |i: usize| match &claims[i].task {
        TaskInput::Transcribe(task) => task.index,
        other => panic!("another task was claimed: {other:?}"),
    };
    assert_eq!([index(0), index(1), index(2)], [0, 1, 2]);
    assert!(f.finish_span(&claims[2], "three"));
    assert!((f.status(job).progress - 1.0 / 3.0).abs() < 1e-9);
    assert!(f.finish_span(&claims[0], "one"));
    assert_eq!(f.status(job).status, Status::Processing);
    assert!(f.finish_span(&claims[1], "two"));
    let result = f.status(job).result.unwrap();
    assert_eq!(result.text, "one two three");
    assert_eq!(
        result
            .segments
            .iter()
            .map(|segment| segment.id)
            .collect::<Vec<_>>(),
        [0, 1, 2]
    );

    assert_eq!(
        f.files(),
        Vec::<String>::new(),
        "audio and spool go when the job ends"
    );
}

#[test]
fn a_task_planned_before_stretches_were_kept_is_one_stretch() {
    let f = Fixture::new();
    f.submit();
    let run = f.worker();
    f.plan(&f.claim(&run), 2);
    let changed = f.connect().run("UPDATE tasks SET stretches = NULL");
    assert_eq!(changed, 2);
    let _first = f.claim(&run);
    let TaskInput::Transcribe(task) = f.claim(&run).task else {
        panic!("a prepare task was claimed")
    };
    assert_eq!(task.span.stretches, [(16_000, 32_000)]);
}

#[test]
fn two_workers_never_claim_one_task() {
    let f = Fixture::new();
    let jobs: HashSet<_> = (0..40).map(|_| f.submit()).collect();
    let claimed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let run = f.worker();
                while let Some(claim) = f.try_claim(&run) {
                    assert!(f.complete(&claim, "once"));
                    claimed.lock().unwrap().push(claim.job_id);
                }
            });
        }
    });
    let claimed = claimed.into_inner().unwrap();
    assert_eq!(claimed.len(), jobs.len());
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>(), jobs);
}

#[test]
fn priority_goes_first_then_the_due_time() {
    let f = Fixture::new();
    let with_priority = |priority| {
        f.submit_with(TranscribeRequest {
            priority,
            ..TranscribeRequest::default()
        })
    };
    let (low, first, second, high) = (
        with_priority(-1),
        with_priority(0),
        with_priority(0),
        with_priority(5),
    );
    assert_eq!(f.status(second).position, Some(3));
    let run = f.worker();
    let order: Vec<_> = (0..4).map(|_| f.claim(&run).job_id).collect();
    assert_eq!(order, [high, first, second, low]);
}

#[test]
fn a_short_job_passes_a_long_one_at_the_next_span() {
    let f = Fixture::new();
    let long = f.submit();
    let run = f.worker();
    f.plan(&f.claim(&run), 3600);
    assert_eq!(f.claim(&run).job_id, long);
    f.clock.advance_ms(100_000);
    let short = f.submit();
    assert_eq!(f.claim(&run).job_id, short);
    assert_eq!(f.claim(&run).job_id, long);
    // The long one's due time does not move, so newcomers cannot pass it forever.
    f.clock.advance_ms(1_000_000);
    f.submit();
    assert_eq!(f.claim(&run).job_id, long);
}

#[test]
fn a_retryable_failure_waits_and_the_third_one_fails_the_job() {
    let f = Fixture::new();
    let job = f.submit();
    let run = f.worker();
    let failure = Failure {
        code: FailureCode::EngineError,
        message: "no luck".into(),
        retryable: true,
        reason: None,
    };
    for attempt in 1..=3 {
        let claim = f.claim(&run);
        assert_eq!(claim.attempt, attempt);
        f.fail(&claim, &failure);
        if attempt < 3 {
            assert!(f.try_claim(&run).is_none(), "it waits first");
            f.clock.advance_ms(40_000);
        }
    }
    let failed = f.status(job);
    assert_eq!((failed.status, failed.attempts), (Status::Failed, 3));
    assert_eq!(failed.error.unwrap().code, FailureCode::EngineError);
    assert_eq!(f.files(), Vec::<String>::new());
}

#[test]
fn bad_audio_fails_at_once() {
    let f = Fixture::new();
    let job = f.submit();
    let run = f.worker();
    let failure = Failure {
        code: FailureCode::CorruptAudio,
        message: "broken".into(),
        retryable: false,
        reason: None,
    };
    f.fail(&f.claim(&run), &failure);
    assert_eq!(f.status(job).status, Status::Failed);
}

#[test]
fn claims_that_no_slot_works_on_are_given_back_without_charge() {
    let f = Fixture::new();
    let [lost_job, kept_job] = [f.submit(), f.submit()];
    let (run, other) = (f.worker(), f.worker());
    let [lost, kept] = [f.claim(&run), f.claim(&run)];
    assert_eq!([lost.job_id, kept.job_id], [lost_job, kept_job]);

    assert_eq!(f.store.release_claims(&other, &[lost.id]).unwrap(), 0);
    assert_eq!(f.store.release_claims(&run, &[lost.id]).unwrap(), 1);
    assert_eq!(f.store.release_claims(&run, &[lost.id]).unwrap(), 0);

    assert_eq!(f.store.standing_claims(&run).unwrap(), [kept.id]);
    assert_eq!(f.store.release_task(&lost).unwrap(), Settled::ClaimLost);
    let again = f.claim(&other);
    assert_eq!((again.job_id, again.attempt), (lost_job, 1));
}

#[test]
fn a_released_task_is_claimed_again_without_charge() {
    let f = Fixture::new();
    let job = f.submit();
    let run = f.worker();
    for _ in 0..5 {
        let claim = f.claim(&run);
        assert_eq!(claim.attempt, 1);
        assert_eq!(f.store.release_task(&claim).unwrap(), Settled::Stored);
        assert_eq!(
            f.store.release_task(&claim).unwrap(),
            Settled::ClaimLost,
            "a claim is released once"
        );
    }
    assert_eq!(f.status(job).attempts, 1);
}

#[test]
fn finishing_and_claiming_is_one_step() {
    let f = Fixture::new();
    f.submit();
    let second = f.submit();
    let run = f.worker();
    let claim = f.claim(&run);
    let failure = Failure {
        code: FailureCode::CorruptAudio,
        message: "broken".into(),
        retryable: false,
        reason: None,
    };
    let finished = f.store.fail_task(f.now(), &claim, &failure, KINDS).unwrap();
    assert_eq!(finished.next.unwrap().job_id, second);
}

#[test]
fn only_registered_workers_claim() {
    let f = Fixture::new();
    f.submit();
    let run = f.store.begin_run().unwrap();
    assert!(matches!(
        f.store.claim_task(f.now(), &run, KINDS),
        Err(StoreError::RunLost)
    ));
}

#[test]
fn a_job_that_cannot_be_read_fails_and_blocks_no_other() {
    let f = Fixture::new();
    let (unreadable, next) = (f.submit(), f.submit());
    // The first job of the queue.
    let changed = f
        .connect()
        .run("UPDATE inputs SET options = '1' WHERE job = 1");
    assert_eq!(changed, 1);
    assert_eq!(
        f.store
            .list_jobs(f.now(), "", None, None, 10)
            .unwrap()
            .jobs
            .len(),
        2,
        "it is listed"
    );
    assert_eq!(f.claim(&f.worker()).job_id, next);
    let failed = f.status(unreadable);
    assert_eq!(
        (failed.status, failed.error.unwrap().code),
        (Status::Failed, FailureCode::EngineError)
    );
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn spans_are_transcribed_with_the_weights_of_their_plan() {
    let f = Fixture::new();
    f.submit();
    let run = f.worker();
    let prepare = f.claim(&run);
    assert_eq!(prepare.model, None);
    f.plan(&prepare, 2);
    // The operator changes STENO_MODEL here; the workers that come later have another default.
    assert_eq!(f.claim(&run).model.as_deref(), Some("base"));
}
