//! `fetch` tasks: the recording of a job comes later than the job.

use sha2::{Digest as _, Sha256};
use steno_models::{FailureCode, FetchState, JobId, Status, TombstoneReason};
use steno_store::{
    Claim, Failure, FetchNoted, FetchPart, FetchProgress, FetchTask, FileAccess, JobAudio, NewJob,
    RunRole, RunSettings, Settled, Store, StoredAudio, Submission, TaskInput, TaskOutput,
    WorkerRun,
};

use crate::support::Fixture;

fn submit(f: &Fixture) -> JobId {
    submit_as(f, "")
}

fn submit_as(f: &Fixture, owner: &str) -> JobId {
    let audio = JobAudio::at_url(FetchTask {
        url: "https://example.org/talk".parse().unwrap(),
        max_bytes: 1000,
        max_stored_bytes: None,
    });
    let job = NewJob {
        audio,
        owner: owner.to_owned(),
        ..f.new_job(b"")
    };
    match f.submit_job(job) {
        Submission::Accepted(accepted) => accepted.job_id,
        other => panic!("not accepted: {other:?}"),
    }
}

/// A courier that downloads so many recordings at a time.
fn courier(f: &Fixture, slots: u32) -> WorkerRun {
    let run = f.store.begin_run().unwrap();
    let settings = RunSettings {
        role: RunRole::Courier,
        slots,
        ..RunSettings::default()
    };
    f.store.register_run(f.now(), &run, &settings).unwrap();
    run
}

fn download(f: &Fixture) -> StoredAudio {
    let files = f.store.files();
    let mut upload = files.begin_upload(JobId::random(), 0).unwrap();
    upload.write(b"RIFF").unwrap();
    upload.store().unwrap()
}

fn progress_of(bytes: u64) -> FetchProgress {
    FetchProgress {
        bytes,
        total: Some(400),
        problem: None,
        part: None,
    }
}

/// Leaves so many bytes of a recording that its server knows by a tag.
fn leave_beginning(f: &Fixture, claim: &Claim) {
    let (mut file, progress) = f.store.begin_download(claim, 0).unwrap();
    assert_eq!((file.bytes(), progress.bytes), (0, 0));
    file.write(b"RIFF").unwrap();
    let progress = FetchProgress {
        part: Some(FetchPart::of_this_boot("\"one\"".to_owned())),
        ..progress_of(4)
    };
    let noted = f.store.note_fetch(claim, &progress, None);
    assert_eq!(noted.unwrap(), FetchNoted::Stored);
    file.leave();
}

/// The queue as a courier opens it.
fn courier_store(f: &Fixture) -> Store {
    let place = f.database.place(f.data().root());
    Store::open_for(&place, *f.store.settings(), FileAccess::Downloads).unwrap()
}

#[test]
fn a_courier_deletes_what_it_has_of_a_recording_whose_job_fails() {
    let f = Fixture::new();
    submit(&f);
    let claim = f.claim(&courier(&f, 1));
    leave_beginning(&f, &claim);
    // To a courier under its unit, the other folders are closed.
    let spool = f.folder("spool");
    std::fs::remove_dir(&spool).unwrap();

    let failure = Failure {
        code: FailureCode::FetchFailed,
        message: "the transfer broke off".to_owned(),
        retryable: false,
        reason: Some("cut_short"),
    };
    let courier = courier_store(&f);
    let failed = courier.fail_task(f.now(), &claim, &failure, &[]);
    assert_eq!(failed.unwrap().settled, Settled::Stored);
    assert_eq!(courier.sweep(f.now()).unwrap().failed_steps, 0);
    std::fs::create_dir(spool).unwrap();
    assert!(f.files().is_empty());
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn the_beginning_of_a_recording_waits_for_the_next_courier() {
    let f = Fixture::new();
    submit(&f);
    let dead = courier(&f, 1);
    leave_beginning(&f, &f.claim(&dead));
    drop(dead);
    f.reclaim();
    f.store.sweep(f.now()).unwrap();

    let claim = f.claim(&courier(&f, 1));
    let (mut file, progress) = f.store.begin_download(&claim, 0).unwrap();
    assert_eq!((file.bytes(), progress.bytes), (4, 4));
    assert_eq!(progress.part.unwrap().validator, "\"one\"");

    // A courier that has lost its claim does not write into the same file.
    let (other, progress) = f.store.begin_download(&claim, 0).unwrap();
    assert_eq!((other.bytes(), progress.bytes), (0, 0));
    drop(other);

    file.write(b"WAVE").unwrap();
    let fetched = file.store().unwrap();
    let sha256: [u8; 32] = Sha256::digest(b"RIFFWAVE").into();
    assert!(f.finish(&claim, &TaskOutput::Fetched(fetched.fetched())));
    fetched.keep();
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
    let claim = f.claim(&f.worker());
    let TaskInput::Prepare { audio, .. } = &claim.task else {
        panic!("{:?}", claim.task);
    };
    let recording = f.store.files().open_recording(&claim, audio, &mut || false);
    let bytes = std::fs::read(recording.unwrap().path()).unwrap();
    assert_eq!(<[u8; 32]>::from(Sha256::digest(bytes)), sha256);
}

#[test]
fn the_beginning_of_a_recording_goes_with_its_job() {
    let f = Fixture::new();
    let job = submit(&f);
    leave_beginning(&f, &f.claim(&courier(&f, 1)));
    assert_eq!(f.files().len(), 1);

    let reason = TombstoneReason::Deleted;
    assert!(f.store.delete_job(f.now(), None, job, reason).unwrap());
    assert!(f.files().is_empty());
}

#[test]
fn a_process_that_reaches_downloads_alone_deletes_no_other_file() {
    let f = Fixture::new();
    let job = f.submit();
    let courier = courier_store(&f);

    let reason = TombstoneReason::Deleted;
    assert!(courier.delete_job(f.now(), None, job, reason).unwrap());
    courier.sweep(f.now()).unwrap();
    assert_eq!(f.files().len(), 1, "left to the others");
    f.store.sweep(f.now()).unwrap();
    assert!(f.files().is_empty());
}

#[test]
fn a_job_waits_for_its_recording_and_then_for_a_worker() {
    let f = Fixture::new();
    let job = submit(&f);
    let waiting = f.status(job).fetch.unwrap();
    assert_eq!(waiting.problem.as_deref(), Some("no_courier"));
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());

    let run = f.worker();
    let claim = f.claim(&run);
    assert!(matches!(claim.task, TaskInput::Fetch(_)));
    let noted = f.store.note_fetch(&claim, &progress_of(4), Some(400));
    assert_eq!(noted.unwrap(), FetchNoted::Stored);
    let status = f.status(job);
    let fetch = status.fetch.unwrap();
    assert_eq!(status.status, Status::Pending);
    assert_eq!((fetch.state, fetch.bytes), (FetchState::Downloading, 4));
    let noted = f.store.note_fetch(&claim, &progress_of(5), Some(399));
    assert_eq!(noted.unwrap(), FetchNoted::QuotaExceeded(399));

    let stored = download(&f);
    assert!(f.finish(&claim, &TaskOutput::Fetched(stored.fetched())));
    stored.keep();
    assert_eq!(f.status(job).fetch, None);
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
    assert_eq!(f.files().len(), 1);
    assert!(f.complete(&f.claim(&run), "text"));
    assert_eq!(f.status(job).status, Status::Completed);
    assert!(f.files().is_empty());
}

#[test]
fn a_download_of_a_deleted_job_is_dropped() {
    let f = Fixture::new();
    let job = submit(&f);
    let claim = f.claim(&f.worker());
    let reason = TombstoneReason::Deleted;
    assert!(f.store.delete_job(f.now(), None, job, reason).unwrap());

    let noted = f.store.note_fetch(&claim, &progress_of(4), None);
    assert_eq!(noted.unwrap(), FetchNoted::ClaimLost);
    let stored = download(&f);
    assert!(!f.finish(&claim, &TaskOutput::Fetched(stored.fetched())));
    drop(stored);
    assert!(f.files().is_empty());
}

#[test]
fn the_downloads_of_a_dead_courier_do_not_wait_for_each_other() {
    let f = Fixture::new();
    let jobs = [submit(&f), submit(&f)];
    let dead = courier(&f, 4);
    let claims = [f.claim(&dead), f.claim(&dead)];
    assert_ne!(claims[0].job_id, claims[1].job_id);
    drop(dead);
    f.reclaim();

    let run = courier(&f, 4);
    let again = [f.claim(&run), f.claim(&run)];
    assert!(again.iter().all(|claim| jobs.contains(&claim.job_id)));
}

#[test]
fn the_downloads_of_one_key_leave_slots_of_a_courier_for_others() {
    for (slots, share) in [(8, 6), (3, 2), (2, 1), (1, 1)] {
        let f = Fixture::new();
        let run = courier(&f, slots);
        let flood: Vec<_> = (0..=slots).map(|_| submit_as(&f, "flood")).collect();
        let claims: Vec<_> = std::iter::from_fn(|| f.try_claim(&run)).collect();
        assert_eq!(claims.len(), share, "of {slots} slots");

        let other = submit_as(&f, "other");
        assert_eq!(f.claim(&run).job_id, other);

        // The end of a download makes room for the next one of the same key.
        let ended = claims[0].job_id;
        let reason = TombstoneReason::Deleted;
        assert!(f.store.delete_job(f.now(), None, ended, reason).unwrap());
        assert!(flood.contains(&f.claim(&run).job_id));
        assert!(f.try_claim(&run).is_none());
    }
}

#[test]
fn a_courier_looks_for_another_download_without_the_write_lock_while_a_key_is_at_its_share() {
    let f = Fixture::new();
    let run = courier(&f, 1);
    submit_as(&f, "flood");
    submit_as(&f, "flood");
    f.claim(&run);

    let other = f.connect();
    other.take_write_lock();
    assert!(f.try_claim(&run).is_none());
}
