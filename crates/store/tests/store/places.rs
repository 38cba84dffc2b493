//! The places of files: the data folder, another folder, and buckets of two S3 servers. Each rule
//! is written once and checked at every place.

mod checks;
mod setup;

use steno_models::JobId;
use steno_store::{ClaimId, Store, StoreError};
use steno_testbed::{Moto, S3};

use crate::support::{Fixture, settings};
use checks::CHECKS;
use setup::{
    HOUR_MS, Objects, in_another_folder, in_bucket, in_bucket_of_moto, in_data_folder, sound,
};

#[test]
fn files_in_the_data_folder() {
    for check in CHECKS {
        check(&in_data_folder());
    }
}

#[test]
fn files_in_another_folder() {
    for check in CHECKS {
        let folder = tempfile::tempdir().unwrap();
        check(&in_another_folder(folder.path()));
    }
}

#[test]
fn files_in_a_bucket() {
    for check in CHECKS {
        check(&in_bucket());
    }
}

#[test]
fn files_in_a_bucket_of_another_server() {
    let Some(moto) = Moto::start() else { return };
    for (number, check) in CHECKS.into_iter().enumerate() {
        check(&in_bucket_of_moto(&moto, number));
    }
}

#[test]
fn an_object_whose_machine_is_gone_is_deleted_after_an_hour() {
    let p = in_bucket();
    let job = p.submit(b"RIFF");
    let spool = format!("spool/{job}.{}.pcm", ClaimId::random());
    let audio = format!("audio/{}", JobId::random());
    p.put(&audio);
    p.put(&spool);
    let scan = || p.f.store.scan_storage(p.f.now()).unwrap();

    assert_eq!(scan(), 0);
    p.f.clock.advance_ms(HOUR_MS - 1);
    assert_eq!(scan(), 0);
    p.f.clock.advance_ms(HOUR_MS);
    assert_eq!(scan(), 2);
    assert_eq!(p.files(), [format!("audio/{job}")]);
}

#[test]
fn a_bucket_is_not_read_beyond_the_span() {
    let p = in_bucket();
    let job = p.submit(b"RIFF");
    let name = format!("{job}.{}.pcm", ClaimId::random());
    p.put(&format!("spool/{name}"));
    let mut reader = p.f.store.files().open_spool(&name).unwrap();
    reader.need_until(4);
    let mut buffer = [0; 2];
    reader.read_exact_at(&mut buffer, 0).unwrap();

    p.remove(&format!("spool/{name}"));
    reader.read_exact_at(&mut buffer, 2).unwrap();
    reader.read_exact_at(&mut buffer, 4).unwrap_err();
}

#[test]
fn an_upload_whose_id_cannot_be_noted_is_aborted() {
    let p = in_bucket();
    let Objects::S3(server, _) = &p.objects else {
        panic!("{}", p.name)
    };
    let uploads = || begun_uploads(server);
    let mut upload = p.upload(b"RIFF");
    let cache = p.f.root.path().join("cache");
    let local = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap();
    let note = cache.join(format!("{}.multipart", local.file_name().display()));
    std::fs::create_dir(&note).unwrap();
    upload.write(&sound(8 << 20)).unwrap_err();
    assert_eq!(uploads(), 1);

    std::fs::remove_dir(&note).unwrap();
    drop(upload);
    steno_testbed::wait_until("the upload is aborted", || uploads() == 0);
}

#[test]
fn a_process_that_ends_waits_until_its_uploads_are_aborted() {
    let p = in_bucket();
    let Objects::S3(server, _) = &p.objects else {
        panic!("{}", p.name)
    };
    let uploads: Vec<_> = (0..4).map(|_| p.upload(&sound(8 << 20))).collect();
    assert_ne!(begun_uploads(server), 0);
    drop(uploads);
    p.f.store.files().settle_uploads();
    assert_eq!((begun_uploads(server), p.cached()), (0, 0));

    // A part may still be on its way, on another thread.
    let before = puts(server);
    std::thread::scope(|threads| {
        threads.spawn(|| drop(p.upload(&sound(8 << 20))));
        steno_testbed::wait_until("a part is being sent", || puts(server) > before);
        p.f.store.files().settle_uploads();
        assert_eq!((begun_uploads(server), p.cached()), (0, 0));
    });

    // Without an answer of the storage, the next process has to find the upload.
    let upload = p.upload(&sound(8 << 20));
    server.stop();
    drop(upload);
    p.f.store.files().settle_uploads();
    assert_ne!(p.cached(), 0);
    server.start_again();
    steno_testbed::wait_until("the upload is aborted", || {
        p.f.store.sweep(p.f.now()).unwrap();
        (begun_uploads(server), p.cached()) == (0, 0)
    });
}

fn puts(server: &S3) -> u64 {
    server.requests().get("PUT").copied().unwrap_or(0)
}

/// Files of multipart uploads that were begun and not ended.
fn begun_uploads(server: &S3) -> usize {
    let entries = std::fs::read_dir(server.folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".upload")).count()
}

#[test]
fn a_file_that_is_gone_is_told_from_a_storage_that_is_away() {
    let p = in_bucket();
    let claim = p.claim();
    let job = claim.job_id.to_string();
    let spool = format!("{job}.{}.pcm", ClaimId::random());
    p.put(&format!("spool/{spool}"));
    let files = p.f.store.files();
    // Its size is known, so that opening it again contacts no server.
    files.open_spool(&spool).unwrap();
    p.remove(&format!("audio/{job}"));
    p.remove(&format!("spool/{spool}"));

    let is_lost = || {
        let error = p.read(&claim, &job).unwrap_err();
        matches!(error, StoreError::FileLost { .. })
    };
    let is_spool_lost = || {
        let read = files.open_spool(&spool).unwrap().read_exact_at(&mut [0], 0);
        let error = read.unwrap_err().downcast::<StoreError>().unwrap();
        matches!(error, StoreError::FileLost { .. })
    };
    let is_unknown_lost = || {
        let error = files.open_spool("unknown").map(drop).unwrap_err();
        matches!(error, StoreError::FileLost { .. })
    };
    assert!(is_lost() && is_spool_lost() && is_unknown_lost());
    // Without the mark of the queue, the whole place may be the wrong one.
    p.remove("queue");
    assert!(!is_lost() && !is_spool_lost() && !is_unknown_lost());
}

#[test]
fn a_place_belongs_to_one_queue() {
    let p = in_bucket();
    p.submit(b"RIFF");
    let other = Fixture::new();
    let store = Store::open(other.root.path(), settings()).unwrap();
    let refused = store.with_storage(p.url.as_deref()).map(drop).unwrap_err();
    assert!(
        matches!(refused, StoreError::StorageInUse { .. }),
        "{refused}"
    );
    assert!(refused.needs_operator());

    // Another process of the same queue is accepted.
    let store = Store::open(p.f.root.path(), settings()).unwrap();
    store.with_storage(p.url.as_deref()).unwrap();
}

#[test]
fn a_process_with_another_place_does_no_harm() {
    let p = in_data_folder();
    p.f.store.compare_settings().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let other = Store::open(p.f.root.path(), settings()).unwrap();
    let other = other.with_storage(Some(&url)).unwrap();
    let is_refused = |outcome: Result<(), StoreError>| {
        let error = outcome.unwrap_err();
        assert!(matches!(error, StoreError::OtherPlace { .. }), "{error}");
        assert!(error.needs_operator() && !error.is_fatal());
    };

    // It cannot start while the files of a job are elsewhere, and leaves files that are to be deleted.
    let job = p.submit(b"RIFF");
    is_refused(other.compare_settings().map(drop));
    is_refused(other.check_place_of_files());
    let (now, reason) = (p.f.now(), steno_models::TombstoneReason::Deleted);
    other.delete_job(now, None, job, reason).unwrap();
    assert_eq!(other.sweep(now).unwrap().failed_steps, 1);
    assert_eq!(p.files(), [format!("audio/{job}")]);
    is_refused(other.compare_settings().map(drop));
    assert_eq!(p.f.store.sweep(now).unwrap().failed_steps, 0);
    assert_eq!(p.files(), Vec::<String>::new());

    // An empty queue moves, and so does one whose files were copied.
    other.compare_settings().unwrap();
    is_refused(p.f.store.check_place_of_files());
    p.f.store.compare_settings().unwrap();
    let name = format!("audio/{}", p.submit(b"RIFF"));
    is_refused(other.compare_settings().map(drop));
    std::fs::copy(p.f.root.path().join(&name), folder.path().join(&name)).unwrap();
    other.compare_settings().unwrap();
    other.check_place_of_files().unwrap();
}

#[test]
fn a_storage_that_is_away_costs_no_job_and_no_process() {
    let p = in_bucket();
    let Objects::S3(server, _) = &p.objects else {
        panic!("{}", p.name)
    };
    let job = p.submit(b"RIFF");
    let claim = p.f.claim(&p.f.worker());
    server.stop();

    let name = job.to_string();
    for error in [
        p.read(&claim, &name).unwrap_err(),
        p.upload(b"RIFF").store().map(drop).unwrap_err(),
        p.f.store.files().open_spool("any").map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Storage { .. }), "{error}");
        assert!(!error.is_fatal() && !error.is_disk_full() && !error.needs_operator());
    }
    let store = Store::open(p.f.root.path(), settings()).unwrap();
    store.with_storage(p.url.as_deref()).unwrap();
    // The job is deleted; its file waits on the list.
    p.delete(job);
    assert!(p.f.store.sweep(p.f.now()).unwrap().failed_steps > 0);

    server.start_again();
    assert_eq!(p.files(), [format!("audio/{job}")]);
    assert_eq!(p.f.store.sweep(p.f.now()).unwrap().failed_steps, 0);
    p.wait_until_empty();
}

#[test]
fn wrong_credentials_are_reported_without_them() {
    let p = in_bucket();
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "[default]\naws_access_key_id = WRONGKEY\naws_secret_access_key = hush-hush\n";
    std::fs::write(file.path(), text).unwrap();
    let url = p.url.clone().unwrap();
    let (url, _) = url.split_once("&credentials=").unwrap();
    let url = format!("{url}&credentials={}", file.path().display());
    let store = Store::open(p.f.root.path(), settings()).unwrap();
    let error = store.with_storage(Some(&url)).map(drop).unwrap_err();
    assert!(error.needs_operator(), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("hush-hush"));
}
