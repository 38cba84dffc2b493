//! The rules that hold at each place.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use steno_models::{JobId, Status};
use steno_store::{Quota, QuotaCheck, SpoolRoom, Store, StoreError};

use super::setup::{HOUR_MS, Objects, Placed, sound};
use crate::support::{output, prepared, settings};

/// More than one part of a multipart upload.
const LARGE_BYTES: usize = (8 << 20) + 12_345;
const ROOM: SpoolRoom = SpoolRoom {
    reserve_bytes: 0,
    most_bytes: 0,
};

/// One rule.
pub(super) type Check = fn(&Placed);
/// All of them.
pub(super) const CHECKS: [Check; 10] = [
    a_recording_is_read_back_and_deleted_with_its_job,
    a_large_recording_arrives_whole,
    a_spool_is_read_at_any_place,
    a_spool_counts_against_the_quota_of_its_key,
    what_is_given_up_leaves_nothing,
    what_a_dead_process_leaves_is_swept,
    listed_files_are_deleted_after_a_restart,
    a_backup_has_the_files,
    a_check_names_what_is_missing_and_what_is_foreign,
    foreign_files_are_left_alone,
];

fn a_recording_is_read_back_and_deleted_with_its_job(p: &Placed) {
    let recording = sound(300_000);
    let job = p.submit(&recording);
    assert_eq!(p.files(), [format!("audio/{job}")], "{}", p.name);
    let claim = p.f.claim(&p.f.worker());
    assert_eq!(p.read(&claim, &job.to_string()).unwrap(), recording);
    assert_eq!(
        p.cached(),
        0,
        "{}: the copy lives as long as its task",
        p.name
    );

    p.delete(job);
    assert_eq!(p.files(), Vec::<String>::new(), "{}", p.name);
    if let Objects::S3(server, _) = &p.objects {
        assert_eq!(
            server.files_with(&recording[1_000..1_100]),
            Vec::<PathBuf>::new()
        );
    }
}

fn a_large_recording_arrives_whole(p: &Placed) {
    for bytes in [LARGE_BYTES, 16 << 20, 0] {
        let recording = sound(bytes);
        let job = p.submit(&recording);
        let claim = p.f.claim(&p.f.worker());
        let read = p.read(&claim, &job.to_string()).unwrap();
        assert_eq!(
            Sha256::digest(&read),
            Sha256::digest(&recording),
            "{}",
            p.name
        );
        p.delete(job);
    }
    p.wait_until_empty();
}

fn a_spool_is_read_at_any_place(p: &Placed) {
    let claim = p.claim();
    let pcm = sound(LARGE_BYTES);
    let files = p.f.store.files();
    let mut spool = files.create_spool(&claim, 4, ROOM).unwrap();
    std::fs::write(spool.path(), &pcm).unwrap();
    spool.store(&mut || false).unwrap();
    let name = spool.name().to_owned();
    let plan = steno_store::Prepared {
        spool: name.clone(),
        ..prepared(2, None)
    };
    assert!(p.f.finish_prepare(&claim, plan));
    spool.keep();
    assert_eq!(p.cached(), 0, "{}", p.name);

    let mut reader = files.open_spool(&name).unwrap();
    assert_eq!(reader.bytes(), pcm.len() as u64, "{}", p.name);
    for (offset, bytes) in [(0, 10), (5_000_000, 900_000), (7, 20), (LARGE_BYTES - 5, 5)] {
        let mut buffer = vec![0; bytes];
        reader.read_exact_at(&mut buffer, offset as u64).unwrap();
        assert_eq!(buffer, pcm[offset..offset + bytes], "{} {offset}", p.name);
    }
    let beyond = reader.read_exact_at(&mut [0; 6], LARGE_BYTES as u64 - 5);
    assert_eq!(
        beyond.unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );

    // The last span ends the job.
    let run = p.f.worker();
    for _ in 0..2 {
        let span = p.f.claim(&run);
        assert!(p.f.finish_span_with(&span, output("text")));
    }
    assert_eq!(p.f.status(claim.job_id).status, Status::Completed);
    p.wait_until_empty();
}

fn a_spool_counts_against_the_quota_of_its_key(p: &Placed) {
    let quota = Quota {
        stored_bytes: Some(1_000),
        ..Quota::default()
    };
    p.f.submit_as("a", 60, quota);
    let run = p.f.worker();
    let claim = p.f.claim(&run);
    let mut spool = p.f.store.files().create_spool(&claim, 60, ROOM).unwrap();
    std::fs::write(spool.path(), sound(200)).unwrap();
    spool.store(&mut || false).unwrap();
    let plan = steno_store::Prepared {
        spool: spool.name().to_owned(),
        ..prepared(1, None)
    };
    let requests = p.requests();
    assert!(p.f.finish_prepare(&claim, plan));
    assert_eq!(p.requests(), requests, "{}: the size is known", p.name);
    spool.keep();

    let check = |bytes| p.f.store.check_quota("a", quota, bytes).unwrap();
    assert_eq!(check(740), QuotaCheck::Within, "{}", p.name);
    assert_ne!(check(741), QuotaCheck::Within, "{}", p.name);
    assert!(p.f.finish_span_with(&p.f.claim(&run), output("text")));
    assert_eq!(check(1_000), QuotaCheck::Within, "{}", p.name);
    p.wait_until_empty();
}

fn what_is_given_up_leaves_nothing(p: &Placed) {
    for bytes in [100, LARGE_BYTES] {
        drop(p.upload(&sound(bytes)));
        drop(p.upload(&sound(bytes)).store().unwrap());
    }
    p.wait_until_empty();

    let claim = p.claim();
    for is_stored in [false, true] {
        let mut spool = p.f.store.files().create_spool(&claim, 4, ROOM).unwrap();
        std::fs::write(spool.path(), sound(LARGE_BYTES)).unwrap();
        if is_stored {
            spool.store(&mut || false).unwrap();
        }
        drop(spool);
        let began = Instant::now();
        while p.files().len() > 1 || p.cached() > 0 {
            assert!(began.elapsed() < Duration::from_secs(120), "{}", p.name);
            std::thread::yield_now();
        }
    }
    let mut spool = p.f.store.files().create_spool(&claim, 4, ROOM).unwrap();
    std::fs::write(spool.path(), sound(LARGE_BYTES)).unwrap();
    if !matches!(p.objects, Objects::Folder(_)) {
        let stopped = spool.store(&mut || true);
        assert!(matches!(stopped, Err(StoreError::Stopped)), "{}", p.name);
    }
}

/// A process that dies leaves its files without locks. Here, copies without locks replace the files
/// of a live one.
fn what_a_dead_process_leaves_is_swept(p: &Placed) {
    let job = p.f.submit();
    let claim = p.f.claim(&p.f.worker());
    let local = match &p.objects {
        Objects::Folder(root) => vec![root.join("audio"), root.join("spool")],
        _ => vec![p.f.root.path().join("cache")],
    };
    let files = p.f.store.files();
    let recording = sound(LARGE_BYTES);
    let begun = p.upload(&recording);
    let stored = p.upload(&recording).store().unwrap();
    let mut spool = files.create_spool(&claim, 4, ROOM).unwrap();
    std::fs::write(spool.path(), &recording).unwrap();
    spool.store(&mut || false).unwrap();
    let copy = files
        .open_recording(&claim, &job.to_string(), &mut || false)
        .unwrap();

    let living = p.f.store.sweep(p.f.now()).unwrap();
    assert_eq!((living.orphans, living.failed_steps), (0, 0), "{}", p.name);
    for folder in &local {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with(job.to_string()) {
                continue;
            }
            let content = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, content).unwrap();
        }
    }

    let swept = p.f.store.sweep(p.f.now()).unwrap();
    let is_folder = matches!(p.objects, Objects::Folder(_));
    assert_eq!(swept.orphans, if is_folder { 3 } else { 4 }, "{}", p.name);
    assert_eq!(swept.failed_steps, 0, "{}", p.name);
    assert_eq!(p.files(), [format!("audio/{job}")], "{}", p.name);
    assert_eq!(p.cached(), 0, "{}", p.name);
    if let Objects::S3(server, _) = &p.objects {
        let parts = server.files_with(&recording[1_000..1_100]);
        assert_eq!(parts, Vec::<PathBuf>::new(), "parts of the upload");
    }
    drop((begun, stored, spool, copy));
}

fn listed_files_are_deleted_after_a_restart(p: &Placed) {
    let leftover = format!("audio/{}", JobId::random());
    p.put(&leftover);
    assert_eq!(p.files(), std::slice::from_ref(&leftover), "{}", p.name);
    let list = format!("INSERT INTO gc VALUES ('{leftover}'), ('audio/gone already')");
    let database = rusqlite::Connection::open(p.f.data().database()).unwrap();
    database.execute(&list, []).unwrap();
    drop(database);

    assert_eq!(p.f.store.sweep(p.f.now()).unwrap().failed_steps, 0);
    assert_eq!(p.files(), Vec::<String>::new(), "{}", p.name);
    let database = rusqlite::Connection::open(p.f.data().database()).unwrap();
    let count = "SELECT count(*) FROM gc";
    let left = database.query_row(count, [], |row| row.get::<_, i64>(0));
    assert_eq!(left.unwrap(), 0, "{}", p.name);
}

fn a_backup_has_the_files(p: &Placed) {
    p.f.store.compare_settings().unwrap();
    let recording = sound(1_000);
    let job = p.submit(&recording).to_string();
    let list = format!("INSERT INTO gc VALUES ('audio/{}')", JobId::random());
    let database = rusqlite::Connection::open(p.f.data().database()).unwrap();
    database.execute(&list, []).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("backup");
    assert_eq!(p.f.store.back_up(&target).unwrap().files, 1, "{}", p.name);
    let copy = target.join("audio").join(&job);
    assert_eq!(std::fs::read(&copy).unwrap(), recording, "{}", p.name);

    // Only its owner can read it, and the queue continues from it in a folder.
    let mode = std::os::unix::fs::PermissionsExt::mode(&copy.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "{}", p.name);
    let restored = Store::open(&target, settings()).unwrap();
    restored.compare_settings().unwrap();
    assert_eq!(
        restored.check().unwrap(),
        Vec::<String>::new(),
        "{}",
        p.name
    );
}

fn a_check_names_what_is_missing_and_what_is_foreign(p: &Placed) {
    let job = p.submit(b"RIFF");
    assert_eq!(
        p.f.store.check().unwrap(),
        Vec::<String>::new(),
        "{}",
        p.name
    );
    p.put("spool/notes.txt");
    let list = format!("INSERT INTO gc VALUES ('audio/{job}')");
    let database = rusqlite::Connection::open(p.f.data().database()).unwrap();
    database.execute(&list, []).unwrap();
    p.f.store.sweep(p.f.now()).unwrap();

    let problems = p.f.store.check().unwrap().join("; ");
    let missing = format!("audio/{job} of a job that has not ended is missing");
    for expected in [missing.as_str(), "spool/notes.txt is not Steno's"] {
        assert!(problems.contains(expected), "{}: {problems}", p.name);
    }
}

fn foreign_files_are_left_alone(p: &Placed) {
    let foreign = ["audio/interview.wav", "spool/a.b.pcm"];
    for path in foreign {
        p.put(path);
    }
    for _ in 0..9 {
        p.f.store.scan_storage(p.f.now()).unwrap();
        assert_eq!(p.f.store.sweep(p.f.now()).unwrap().orphans, 0, "{}", p.name);
        p.f.clock.advance_ms(HOUR_MS);
    }
    assert_eq!(p.files(), foreign, "{}", p.name);
}
