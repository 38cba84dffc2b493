//! Invariant: a queue is made by an explicit first start alone, and no process goes on writing to a
//! folder that is no longer where it was.

use std::fs;

use steno_models::{Status, TombstoneReason, TranscribeRequest};
use steno_store::{NewJob, Store, StoreError};

use crate::deletion::grep;
use crate::support::{Fixture, settings};

#[test]
fn a_missing_queue_is_an_error_and_not_a_new_queue() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("unmounted");
    let error = Store::open(&path, settings()).err().unwrap();
    assert!(
        error.needs_operator() && error.to_string().contains("steno init"),
        "{error}"
    );
    assert!(!path.exists());

    assert!(Store::init(&path).unwrap());
    assert!(!Store::init(&path).unwrap(), "it is there already");
    Store::open(&path, settings()).unwrap();
}

#[test]
fn a_folder_of_another_user_is_refused_unchanged() {
    let root = tempfile::tempdir().unwrap();
    let audio = root.path().join("audio");
    fs::create_dir(&audio).unwrap();
    for name in ["one.wav", "two.wav", "three.wav"] {
        fs::write(audio.join(name), "an interview").unwrap();
    }
    assert!(matches!(
        Store::init(root.path()),
        Err(StoreError::NotEmpty { .. })
    ));
    assert_eq!(fs::read_dir(&audio).unwrap().count(), 3);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn nothing_is_accepted_into_a_folder_that_was_moved() {
    let f = Fixture::new();
    f.store.check_in_place().unwrap();
    let job = waiting_job(&f);
    let moved = f.root.path().with_extension("moved");
    fs::rename(f.root.path(), &moved).unwrap();

    let refused = f.store.submit_job(f.now(), job).unwrap_err();
    assert!(
        matches!(refused, StoreError::Moved { .. }) && refused.is_fatal(),
        "{refused}"
    );
    assert!(f.store.check_in_place().is_err());
    fs::rename(&moved, f.root.path()).unwrap();
    f.store.check_in_place().unwrap();
}

#[test]
fn a_database_that_was_replaced_is_noticed() {
    let f = Fixture::new();
    let database = f.data().database();
    let copy = database.with_extension("copy");
    fs::copy(&database, &copy).unwrap();
    fs::rename(&copy, &database).unwrap();
    assert!(matches!(
        f.store.check_in_place(),
        Err(StoreError::Moved { .. })
    ));
}

fn waiting_job(f: &Fixture) -> NewJob {
    let mut upload = f
        .store
        .files()
        .begin_upload(steno_models::JobId::random(), 0)
        .unwrap();
    upload.write(b"RIFF").unwrap();
    NewJob::of(upload.store().unwrap())
}

#[test]
fn the_log_of_the_database_is_there_once_the_store_is_open() {
    // `Store::open` syncs the folder because of the WAL: if a power cut removes its name, the
    // commits in it are lost.
    let f = Fixture::new();
    assert!(f.data().database().with_extension("db-wal").exists());
}

#[test]
fn deleted_text_is_in_no_file() {
    let f = Fixture::new();
    let metadata = serde_json::from_str(r#"{"note":"marker-of-the-metadata"}"#).unwrap();
    let run = f.worker();
    let job = f.submit_with(TranscribeRequest {
        metadata: Some(metadata),
        ..TranscribeRequest::default()
    });
    f.plan(&f.claim(&run), 2);
    assert!(f.finish_span(&f.claim(&run), "marker-of-the-text"));
    assert!(f.finish_span(&f.claim(&run), "more"));
    assert_eq!(f.status(job).status, Status::Completed);
    assert!(
        grep(&f, "marker-of-the-text"),
        "the test can see what is there"
    );
    f.store
        .delete_job(f.now(), None, job, TombstoneReason::Deleted)
        .unwrap();
    f.store.sweep(f.now()).unwrap();
    assert!(!grep(&f, "marker-of-the-"));
}
