//! Invariant: a task of a dead worker goes back, a task of a live one does not, and a late result is dropped.

use crate::support::Fixture;
use steno_models::{FailureCode, Status, TranscribeRequest};
use steno_store::{Diarization, Reclaimed, StoreError, TaskInput, TaskOutput};

#[test]
fn tasks_of_a_dead_worker_go_back_without_waiting_for_its_lease() {
    let f = Fixture::new();
    let job = f.submit();
    let dead = f.worker();
    f.claim(&dead);
    // The kernel drops the lock when a process dies; so does the drop.
    drop(dead);
    let reclaimed = f.reclaim();
    assert_eq!(
        reclaimed,
        Reclaimed {
            runs: 1,
            tasks: 1,
            failed_jobs: 0
        }
    );
    let run = f.worker();
    let claim = f.claim(&run);
    assert_eq!((claim.job_id, claim.attempt), (job, 2));
    assert_eq!(f.status(job).attempts, 2);
}

#[test]
fn tasks_of_a_live_worker_stay() {
    let f = Fixture::new();
    f.submit();
    let live = f.worker();
    f.claim(&live);
    f.clock.advance_ms(29_000);
    f.store.heartbeat(f.now(), &live).unwrap();
    f.clock.advance_ms(29_000);
    assert_eq!(f.reclaim(), Reclaimed::default());
    assert_eq!(f.store.standing_claims(&live).unwrap().len(), 1);
}

#[test]
fn a_wall_clock_jump_ends_no_lease() {
    let f = Fixture::new();
    f.submit();
    let live = f.worker();
    f.claim(&live);
    f.clock.jump_wall_ms(3_600_000);
    assert_eq!(f.reclaim(), Reclaimed::default());
    f.clock.jump_wall_ms(-7_200_000);
    assert_eq!(f.reclaim(), Reclaimed::default());
}

#[test]
fn a_result_after_the_lease_is_dropped() {
    let f = Fixture::new();
    let job = f.submit();
    let stopped = f.worker();
    let late = f.claim(&stopped);
    f.clock.advance_ms(31_000);
    assert_eq!(
        f.reclaim().tasks,
        0,
        "it may have been kept from its heartbeat"
    );
    f.clock.advance_ms(10_000);
    assert_eq!(f.reclaim().tasks, 1);
    let other = f.worker();
    assert!(f.complete(&f.claim(&other), "in time"));
    assert!(!f.complete(&late, "too late"));
    assert_eq!(f.status(job).result.unwrap().text, "in time");
    assert!(matches!(
        f.store.heartbeat(f.now(), &stopped),
        Err(StoreError::RunLost)
    ));
}

#[test]
fn a_worker_that_was_kept_from_its_heartbeat_keeps_its_tasks() {
    let f = Fixture::new();
    f.submit();
    let live = f.worker();
    f.claim(&live);
    // Like a machine that slept, or a database locked by another process.
    f.clock.advance_ms(3_600_000);
    assert_eq!(f.reclaim(), Reclaimed::default());
    f.store.heartbeat(f.now(), &live).unwrap();
    f.clock.advance_ms(20_000);
    assert_eq!(f.reclaim(), Reclaimed::default());
    // A second time it has the same patience.
    f.clock.advance_ms(20_000);
    assert_eq!(f.reclaim(), Reclaimed::default());
    assert_eq!(f.store.standing_claims(&live).unwrap().len(), 1);
}

#[test]
fn a_recording_on_which_three_workers_died_fails() {
    let f = Fixture::new();
    let job = f.submit();
    for crash in 1..=3 {
        let run = f.worker();
        f.claim(&run);
        drop(run);
        let reclaimed = f.reclaim();
        assert_eq!(
            (reclaimed.tasks, reclaimed.failed_jobs),
            if crash < 3 { (1, 0) } else { (0, 1) }
        );
    }
    let failed = f.status(job);
    assert_eq!(
        (failed.status, failed.error.unwrap().code),
        (Status::Failed, FailureCode::WorkerCrashed)
    );
    assert_eq!(f.files(), Vec::<String>::new());
}

#[test]
fn a_worker_does_not_reclaim_itself() {
    let f = Fixture::new();
    let run = f.worker();
    f.clock.advance_ms(100_000);
    assert_eq!(
        f.store.reclaim_tasks(f.now(), Some(run.id())).unwrap(),
        Reclaimed::default()
    );
}

#[test]
fn a_run_that_ends_gives_its_tasks_back_without_charge() {
    let f = Fixture::new();
    f.submit();
    let run = f.worker();
    f.claim(&run);
    f.store.end_run(&run).unwrap();
    assert_eq!(f.claim(&f.worker()).attempt, 1);
}

#[test]
fn a_task_on_which_a_worker_died_is_done_alone_and_its_neighbours_never_fail_for_it() {
    let f = Fixture::new();
    let (poison, neighbour) = (f.submit(), f.submit());
    // It is unknown which of the two it was.
    let first = f.worker();
    f.claim(&first);
    f.claim(&first);
    drop(first);
    f.reclaim();
    for death in 2..=3 {
        let run = f.worker();
        assert_eq!(f.claim(&run).job_id, poison);
        assert!(f.try_claim(&run).is_none(), "nothing is begun beside it");
        drop(run);
        let reclaimed = f.reclaim();
        assert_eq!(reclaimed.failed_jobs, u32::from(death == 3));
    }
    assert_eq!(
        f.status(poison).error.unwrap().code,
        FailureCode::WorkerCrashed
    );
    let run = f.worker();
    let claim = f.claim(&run);
    let later = f.submit();
    assert!(f.try_claim(&run).is_none());
    assert!(f.complete(&claim, "text"));
    assert_eq!((claim.job_id, f.status(neighbour).attempts), (neighbour, 2));
    assert_eq!(f.claim(&run).job_id, later);
}

#[test]
fn a_worker_that_knows_why_it_dies_charges_only_that_task() {
    let f = Fixture::new();
    let (hung, other) = (f.submit(), f.submit());
    for death in 1..=3 {
        let run = f.worker();
        let claim = f.claim(&run);
        assert_eq!(claim.job_id, hung);
        assert!(
            f.try_claim(&run).is_some(),
            "death {death}: it is known, and need not be alone"
        );
        f.store.abandon_run(f.now(), &run, &[claim.id]).unwrap();
        assert!(matches!(
            f.store.heartbeat(f.now(), &run),
            Err(StoreError::RunLost)
        ));
    }
    assert_eq!(
        f.status(hung).error.unwrap().code,
        FailureCode::WorkerCrashed
    );
    assert_eq!(f.claim(&f.worker()).job_id, other);
    assert_eq!(f.status(other).attempts, 1);
}

#[test]
fn a_job_on_whose_speakers_three_workers_died_keeps_its_text() {
    let f = Fixture::new();
    let job = f.submit_with(TranscribeRequest {
        diarize: true,
        ..TranscribeRequest::default()
    });
    let run = f.worker();
    f.plan(&f.claim(&run), 2);
    let mut labels = f.claim(&run);
    while !matches!(labels.task, TaskInput::Diarize { .. }) {
        assert!(f.finish_span(&labels, "text"));
        labels = f.claim(&run);
    }
    drop(run);

    for death in 1..=3 {
        assert!(!labels.has_spent_its_tries(), "attempt {}", labels.attempt);
        assert_eq!(f.reclaim().failed_jobs, 0, "death {death}");
        let run = f.worker();
        labels = f.claim(&run);
        assert!(matches!(labels.task, TaskInput::Diarize { .. }));
        if death < 3 {
            drop(run);
            continue;
        }

        assert!(labels.has_spent_its_tries());
        let given_up = TaskOutput::Speakers {
            diarization: Diarization {
                failed: Some("no labels".to_owned()),
                ..Diarization::default()
            },
            model: "base".to_owned(),
        };
        assert!(f.finish(&labels, &given_up));
        while let Some(span) = f.try_claim(&run) {
            assert!(f.finish_span(&span, "text"));
        }
    }
    let ended = f.status(job);
    assert_eq!(ended.status, Status::Completed);
    assert_eq!(ended.result.unwrap().text, "text text");
}
