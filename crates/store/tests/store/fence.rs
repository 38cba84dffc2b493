//! Invariant: an operation whose claim was lost changes nothing, and says so.

use steno_models::FailureCode;
use steno_store::{
    Claim, Failure, Postponement, Settled, StoreError, TaskKind, TaskOutput, WorkerRun,
};

use crate::support::{Fixture, KINDS, output, prepared};

fn failure(retryable: bool) -> Failure {
    Failure {
        code: FailureCode::EngineError,
        message: "no luck".into(),
        retryable,
        reason: None,
    }
}

/// A claim that another worker has taken over, and the other worker's run and claim.
fn lost_claim(f: &Fixture, is_span: bool) -> (Claim, WorkerRun, Claim) {
    f.submit();
    let frozen = f.worker();
    if is_span {
        f.plan(&f.claim(&frozen), 2);
    }
    let lost = f.claim(&frozen);

    f.clock.advance_ms(40_000);
    f.reclaim();
    f.clock.advance_ms(40_000);
    f.reclaim();
    let other = f.worker();
    let held = f.claim(&other);
    assert_ne!(lost.id, held.id);
    (lost, other, held)
}

fn span_output() -> TaskOutput {
    TaskOutput::Span {
        output: output("late"),
        model: "base".to_owned(),
    }
}

fn whole_text() -> TaskOutput {
    TaskOutput::Plan(Box::new(prepared(1, Some(vec![output("late")]))))
}

fn plan() -> TaskOutput {
    TaskOutput::Plan(Box::new(prepared(3, None)))
}

#[test]
fn a_lost_claim_finishes_fails_postpones_and_releases_nothing() {
    for is_span in [false, true] {
        let f = Fixture::new();
        let (lost, _other, _held) = lost_claim(&f, is_span);
        let before = (f.dump(), counters(&f), f.store.version().unwrap());

        let outputs = if is_span {
            vec![span_output()]
        } else {
            vec![whole_text(), plan()]
        };
        for output in outputs {
            let finished = f.store.finish_task(f.now(), &lost, &output, &[]).unwrap();
            assert_eq!(finished.settled, Settled::ClaimLost);
        }
        for retryable in [true, false] {
            let failed = f.fail(&lost, &failure(retryable));
            assert_eq!(failed.settled, Settled::ClaimLost);
        }
        let postponed = f
            .store
            .postpone_task(f.now(), &lost, Postponement::DiskFull);
        assert_eq!(postponed.unwrap(), Settled::ClaimLost);
        let released = f.store.release_task(&lost).unwrap();
        assert_eq!(released, Settled::ClaimLost);

        assert_eq!(
            (f.dump(), counters(&f), f.store.version().unwrap()),
            before,
            "not a row has changed"
        );
    }
}

fn counters(f: &Fixture) -> Vec<(String, String, f64)> {
    f.store.statistics(f.now()).unwrap().counters
}

#[test]
fn the_claim_of_a_deleted_job_is_lost() {
    let f = Fixture::new();
    let job = f.submit();
    let run = f.worker();
    let claim = f.claim(&run);
    let reason = steno_models::TombstoneReason::Deleted;
    f.store.delete_job(f.now(), None, job, reason).unwrap();

    assert!(!f.finish(&claim, &whole_text()));
    assert_eq!(f.fail(&claim, &failure(true)).settled, Settled::ClaimLost);
    assert_eq!(f.dump(), "");
}

#[test]
fn a_worker_whose_claim_was_lost_gets_its_next_task_all_the_same() {
    let f = Fixture::new();
    f.submit();
    let next = f.submit();
    let run = f.worker();
    let claim = f.claim(&run);
    let reason = steno_models::TombstoneReason::Deleted;
    f.store
        .delete_job(f.now(), None, claim.job_id, reason)
        .unwrap();

    let finished = f
        .store
        .finish_task(f.now(), &claim, &whole_text(), KINDS)
        .unwrap();
    assert_eq!(finished.settled, Settled::ClaimLost);
    assert_eq!(finished.next.unwrap().job_id, next);
}

#[test]
fn a_postponed_task_is_counted_once() {
    let f = Fixture::new();
    f.submit();
    let claim = f.claim(&f.worker());
    let expected = [(Settled::Stored, 1.0), (Settled::ClaimLost, 1.0)];
    for (settled, count) in expected {
        let postponed = f.store.postpone_task(f.now(), &claim, Postponement::Files);
        assert_eq!(postponed.unwrap(), settled);
        let counted = counters(&f)
            .into_iter()
            .find(|(name, label, _)| (name.as_str(), label.as_str()) == ("postponed", "files"));
        assert_eq!(counted, Some(("postponed".into(), "files".into(), count)));
    }
    assert_eq!(
        f.dump(),
        "processing attempts=1\n  prepare waiting failures=0 crashes=0\n"
    );
}

#[test]
fn a_task_takes_only_the_output_of_its_kind() {
    let f = Fixture::new();
    f.submit();
    let run = f.worker();
    let claim = f.claim(&run);
    let refused = f.store.finish_task(f.now(), &claim, &span_output(), &[]);
    assert!(matches!(refused, Err(StoreError::WrongOutput { .. })));
    assert_eq!(
        f.dump(),
        "processing attempts=1\n  prepare claimed failures=0 crashes=0\n"
    );
}

#[test]
fn a_worker_claims_only_the_kinds_that_it_names() {
    let f = Fixture::new();
    f.submit();
    let run = f.worker();
    let claim = |kinds: &[TaskKind]| f.store.claim_task(f.now(), &run, kinds).unwrap();
    assert!(claim(&[]).is_none());
    assert!(claim(&[TaskKind::Transcribe]).is_none());
    let prepare = claim(&[TaskKind::Prepare]).expect("its kind is named");

    f.plan(&prepare, 1);
    assert!(claim(&[TaskKind::Prepare]).is_none());
    let span = claim(&[TaskKind::Transcribe]).expect("its kind is named");
    assert_eq!(span.task.kind(), TaskKind::Transcribe);
}
