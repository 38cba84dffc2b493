//! What operators do to a queue: check it, and hurry tasks that wait.

use steno_models::{FailureCode, Status};
use steno_store::Failure;

use crate::support::Fixture;

#[test]
fn a_check_reports_what_is_not_steno_s() {
    let f = Fixture::new();
    std::fs::create_dir(f.folder("audio").join("lost+found")).unwrap();
    std::fs::write(f.folder("spool").join("notes.txt"), "mine").unwrap();
    let problems = f.store.check().unwrap().join("; ");
    assert!(
        problems.contains("audio/lost+found") && problems.contains("spool/notes.txt"),
        "{problems}"
    );
}

#[test]
fn a_check_finds_what_does_not_fit() {
    let f = Fixture::new();
    let run = f.worker();
    f.submit();
    f.submit();
    f.complete(&f.claim(&run), "text");
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
    for name in f.files() {
        std::fs::remove_file(f.folder("audio").join(name)).unwrap();
    }
    f.connect()
        .try_run("DELETE FROM results; UPDATE owners SET unfinished_jobs = 7")
        .unwrap();
    let problems = f.store.check().unwrap().join("; ");
    for expected in [
        "is missing",
        "is completed and has no result",
        "is counted wrong",
    ] {
        assert!(problems.contains(expected), "{problems}");
    }
    f.store.vacuum().unwrap();
}

#[test]
fn tasks_that_wait_for_another_try_can_be_hurried() {
    let f = Fixture::new();
    let run = f.worker();
    let job = f.submit();
    let failure = Failure {
        code: FailureCode::EngineError,
        message: "no".to_owned(),
        retryable: true,
        reason: None,
    };
    for _ in 0..2 {
        f.fail(&f.claim(&run), &failure);
        assert!(f.try_claim(&run).is_none());
        assert_eq!(f.store.retry_tasks(Some(job)).unwrap(), 1);
    }
    // Its budget is whole again: it would have failed for good the third time.
    f.fail(&f.claim(&run), &failure);
    assert_eq!(f.status(job).status, Status::Processing);
    assert_eq!(f.store.retry_tasks(None).unwrap(), 1);
    f.complete(&f.claim(&run), "text");
    assert_eq!(f.store.retry_tasks(None).unwrap(), 0);
}
