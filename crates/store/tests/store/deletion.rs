//! Invariant: what is deleted is gone, from rows, files and the log, and what is not due stays.

use std::time::Duration;

use crate::support::{Fixture, settings};
use steno_models::{JobId, TombstoneReason};
use steno_store::{Audience, JobLookup, SpoolRoom, StoreSettings, Sweep, WakeMessage};
use steno_testbed::within;

pub(crate) fn tombstone_reason(f: &Fixture, job: JobId) -> Option<TombstoneReason> {
    match f.store.get_job(f.now(), None, job).unwrap() {
        Some(JobLookup::Deleted(tombstone)) => Some(tombstone.reason),
        Some(JobLookup::Job(..)) => panic!("the job is still there"),
        None => None,
    }
}

pub(crate) fn completed(f: &Fixture, text: &str) -> JobId {
    let job = f.submit();
    let run = f.worker();
    let claim = f.claim(&run);
    assert!(f.complete(&claim, text));
    f.store.end_run(&run).unwrap();
    job
}

#[test]
fn a_retrieved_job_stays_for_its_grace_period_only() {
    let f = Fixture::new();
    let job = completed(&f, "hello");
    f.store.mark_retrieved(f.now(), f.now().wall, job).unwrap();
    let retrieved_at = f.now().wall;
    f.clock.advance_ms(59_000);
    f.store.mark_retrieved(f.now(), f.now().wall, job).unwrap();
    assert_eq!(f.store.sweep(f.now()).unwrap().retrieved, 0);
    assert_eq!(
        f.status(job).retrieved_at,
        Some(retrieved_at),
        "only the first retrieval counts"
    );
    f.clock.advance_ms(1_000);
    assert_eq!(
        tombstone_reason(&f, job),
        Some(TombstoneReason::Retrieved),
        "before any sweep"
    );
    assert_eq!(f.store.sweep(f.now()).unwrap().retrieved, 1);
    assert_eq!(tombstone_reason(&f, job), Some(TombstoneReason::Retrieved));
    f.clock.advance_ms(24 * 3_600_000);
    assert_eq!(tombstone_reason(&f, job), None);
}

#[test]
fn a_repeated_retrieval_sends_no_notification() {
    let f = Fixture::new();
    let job = completed(&f, "hello");
    let listener = f.store.listen(Audience::Apis).unwrap();
    let next = || {
        within(Duration::from_secs(120), "a message about a job", || {
            let message = listener.receive(Duration::from_millis(100));
            message.filter(|message| *message != WakeMessage::Missed)
        })
    };
    f.store.mark_retrieved(f.now(), f.now().wall, job).unwrap();
    assert_eq!(next(), WakeMessage::Changed(job));

    f.store.mark_retrieved(f.now(), f.now().wall, job).unwrap();
    let other = f.submit();
    f.store
        .delete_job(f.now(), None, other, TombstoneReason::Deleted)
        .unwrap();
    assert_eq!(next(), WakeMessage::Changed(other));
}

#[test]
fn without_grace_a_job_goes_as_its_last_byte_leaves() {
    let f = Fixture::with(StoreSettings {
        retrieval_grace: Duration::ZERO,
        ..settings()
    });
    let job = completed(&f, "hello");
    f.store.mark_retrieved(f.now(), f.now().wall, job).unwrap();
    assert_eq!(tombstone_reason(&f, job), Some(TombstoneReason::Retrieved));
}

#[test]
fn every_status_ends_at_the_deadline() {
    let f = Fixture::new();
    let run = f.worker();
    let done = completed(&f, "hello");
    let running = f.submit();
    let claim = f.claim(&run);
    let waiting = f.submit();
    f.clock.advance_ms(24 * 3_600_000 - 1);
    f.store.heartbeat(f.now(), &run).unwrap();
    assert_eq!(f.store.sweep(f.now()).unwrap().expired, 0);
    f.clock.advance_ms(1);
    assert_eq!(f.store.sweep(f.now()).unwrap().expired, 3);
    for job in [done, running, waiting] {
        assert_eq!(tombstone_reason(&f, job), Some(TombstoneReason::Expired));
    }
    assert!(!f.complete(&claim, "too late"));
    assert_eq!(f.files(), Vec::<String>::new());
    f.clock.advance_ms(3_600_000);
    assert_eq!(tombstone_reason(&f, done), None);
}

#[test]
fn delete_works_in_every_status_and_twice() {
    let f = Fixture::new();
    let run = f.worker();
    let done = completed(&f, "hello");
    let running = f.submit();
    let claim = f.claim(&run);
    let waiting = f.submit();
    for job in [done, running, waiting] {
        for _ in 0..2 {
            assert!(
                f.store
                    .delete_job(f.now(), None, job, TombstoneReason::Deleted)
                    .unwrap()
            );
        }
        assert_eq!(tombstone_reason(&f, job), Some(TombstoneReason::Deleted));
    }
    assert!(f.store.standing_claims(&run).unwrap().is_empty());
    assert!(!f.complete(&claim, "too late"));
    assert!(
        !f.store
            .delete_job(f.now(), None, JobId::random(), TombstoneReason::Deleted)
            .unwrap()
    );
    assert_eq!(f.files(), Vec::<String>::new());
}

/// Whether a text is in any file of the data folder: database, log, audio.
pub(crate) fn grep(f: &Fixture, needle: &str) -> bool {
    let mut folders = vec![f.root.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if std::fs::read(entry.path())
                .unwrap()
                .windows(needle.len())
                .any(|bytes| bytes == needle.as_bytes())
            {
                return true;
            }
        }
    }
    false
}

#[test]
fn files_without_a_row_or_a_living_writer_are_swept() {
    let f = Fixture::new();
    let job = f.submit();
    let run = f.worker();
    let claim = f.claim(&run);
    let spool = f.store.files().create_spool(&claim, 4, room(0)).unwrap();
    let upload = f.store.files().begin_upload(JobId::random(), 0).unwrap();
    let kept = f.files();
    for orphan in [
        f.folder("audio").join(format!("{}.part", JobId::random())),
        f.folder("audio").join(JobId::random().to_string()),
        f.folder("spool")
            .join(format!("{job}.{}.pcm", steno_store::ClaimId::random())),
    ] {
        std::fs::write(orphan, b"left by a dead process").unwrap();
    }
    assert_eq!(f.store.sweep(f.now()).unwrap().orphans, 3);
    assert_eq!(f.files(), kept);
    drop((spool, upload));
    assert_eq!(f.files(), [job.to_string()]);
}

#[test]
fn files_that_steno_did_not_make_are_left_alone() {
    let f = Fixture::new();
    let outside = tempfile::NamedTempFile::new().unwrap();
    let folders = [f.folder("audio"), f.folder("spool")];
    for folder in &folders {
        std::fs::write(folder.join("interview.wav"), "mine").unwrap();
        std::fs::create_dir(folder.join("lost+found")).unwrap();
        std::fs::create_dir(folder.join(JobId::random().to_string())).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.join(JobId::random().to_string()))
            .unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.join("link")).unwrap();
    }
    let kept = f.files();
    assert_eq!(f.store.sweep(f.now()).unwrap(), Sweep::default());
    assert_eq!(f.files(), kept);
    for folder in &folders {
        assert_eq!(
            std::fs::read(folder.join("interview.wav")).unwrap(),
            b"mine"
        );
    }
}

#[test]
fn a_step_of_a_sweep_that_fails_keeps_no_other_from_its_work() {
    let f = Fixture::new();
    completed(&f, "marker-of-the-text");
    f.clock.advance_ms(25 * 3_600_000);
    // A folder cannot be unlinked: the file behind it on the list has to go all the same.
    let stuck = f.folder("audio").join("stuck");
    std::fs::create_dir(&stuck).unwrap();
    let behind = f.folder("audio").join("z-behind");
    std::fs::write(&behind, "text").unwrap();
    f.connect()
        .run("INSERT INTO gc VALUES ('audio/stuck'), ('audio/z-behind')");

    let sweep = f.store.sweep(f.now()).unwrap();
    assert_eq!((sweep.expired, sweep.failed_steps), (1, 1));
    assert!(stuck.exists() && !behind.exists());
    assert!(
        !grep(&f, "marker-of-the-text"),
        "the log is emptied whatever happens to files"
    );
}

#[test]
fn files_on_the_list_are_deleted_after_a_restart() {
    let f = Fixture::new();
    let leftover = f.folder("audio").join("leftover");
    std::fs::write(&leftover, b"its row was deleted, then the power went").unwrap();
    f.connect()
        .run("INSERT INTO gc VALUES ('audio/leftover'), ('audio/gone already')");
    f.store.sweep(f.now()).unwrap();
    assert!(!leftover.exists());
    let left = f.connect().number("SELECT count(*) FROM gc");
    assert_eq!(left, Some(0));
}

#[test]
fn small_corrections_of_the_clock_move_nothing() {
    let f = Fixture::new();
    f.store.sweep(f.now()).unwrap();
    let deadline = f.status(f.submit()).ttl_deadline;
    for _ in 0..100 {
        f.clock.jump_wall_ms(10_000);
        assert_eq!(f.store.follow_clock(f.now()).unwrap(), None);
    }
    let job = f
        .store
        .list_jobs(f.now(), "", None, None, 1)
        .unwrap()
        .jobs
        .remove(0);
    assert_eq!(job.ttl_deadline, deadline);
}

fn room(reserve_bytes: u64) -> SpoolRoom {
    SpoolRoom {
        reserve_bytes,
        most_bytes: 32_000,
    }
}

#[test]
fn decoded_audio_leaves_the_disk_reserve() {
    let f = Fixture::new();
    f.submit();
    let claim = f.claim(&f.worker());
    let free = f.data().free_bytes().unwrap();
    let refused = f
        .store
        .files()
        .create_spool(&claim, 4, room(free * 2))
        .unwrap_err();
    assert!(refused.is_disk_full(), "{refused}");
    assert_eq!(f.files().len(), 1, "the recording alone");
    f.store.files().create_spool(&claim, 4, room(0)).unwrap();
}
