//! What operators do to a queue: check it, copy it and go on from the copy, hurry tasks that wait.

use std::os::unix::fs::MetadataExt as _;

use rusqlite::Connection;
use steno_models::{FailureCode, Status};
use steno_store::{Clock, Failure, JobFilter, JobLookup, Store};

use crate::support::{Fixture, settings};

#[test]
fn a_backup_goes_on_where_the_queue_was() {
    let f = Fixture::new();
    let run = f.worker();
    let done = f.submit();
    f.complete(&f.claim(&run), "the text");
    let planned = f.submit();
    f.plan(&f.claim(&run), 3);
    let pending = f.submit();
    let claim = f.claim(&run);
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("backup");
    assert_eq!(
        f.store.back_up(&target).unwrap().files,
        3,
        "two recordings and a spool"
    );
    assert!(f.store.back_up(&target).is_err(), "it is not empty");
    // What happens afterwards concerns the copy no more than its loss would.
    f.complete(&claim, "one");
    drop(f.root);

    let copy = Store::open(&target, settings()).unwrap();
    assert_eq!(copy.check().unwrap(), Vec::<String>::new());
    let Some(JobLookup::Job(job, _)) = copy.get_job(f.clock.now(), None, done).unwrap() else {
        panic!("it is gone")
    };
    assert_eq!(job.result.unwrap().text, "the text");
    copy.reclaim_tasks(f.clock.now(), None).unwrap();
    let jobs = copy.inspect_jobs(&JobFilter::default()).unwrap();
    assert_eq!(
        jobs.iter().map(|job| job.job_id).collect::<Vec<_>>(),
        [done, planned, pending]
    );
    assert_eq!(
        (
            jobs[1].tasks_waiting,
            jobs[1].tasks_claimed,
            jobs[1].attempts
        ),
        (3, 0, 1)
    );
}

#[test]
fn a_backup_shares_no_file_with_the_queue() {
    let f = Fixture::new();
    let job = f.submit().to_string();
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("backup");
    f.store.back_up(&target).unwrap();

    // An operator changes owner or mode of the backup: the recording in use must not notice.
    let inode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().ino();
    let original = f.folder("audio").join(&job);
    assert_ne!(inode(target.join("audio").join(&job)), inode(original));
}

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
    let database = Connection::open(f.data().database()).unwrap();
    database
        .execute_batch("DELETE FROM results; UPDATE owners SET unfinished_jobs = 7")
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
