//! Copies of the data folder, where it has the rows.

use std::os::unix::fs::MetadataExt as _;

use steno_store::{Clock, JobFilter, JobLookup, Store};

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
    // Neither changes to the queue nor its loss affect the copy.
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
