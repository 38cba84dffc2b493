//! A locked, read-only, damaged, too new or too old database leads to an error that says what to do, or to recovery.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use steno_e2e::{Service, Settings, eventually, fixture};

use crate::bed::{Bed, Ledger, RECORDINGS, report, scale};
use crate::shim;

/// How long another process keeps the database locked.
const LOCKED: Duration = Duration::from_secs(10);

/// Starts the api, waits until it exits by itself, and returns its log.
fn refusal(service: &mut Service) -> String {
    let mut api = service.start_process("steno-api");
    let status = api.wait();
    assert!(!status.success());
    api.log()
}

#[test]
fn a_locked_database_is_waited_for_and_then_reported() {
    let rounds = scale(20, 1);
    let service = Settings::with_scripted_workers(1).in_data_folder().start();
    let database = Connection::open(service.data().join("steno.db")).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    for _ in 0..rounds {
        let earlier = service
            .client
            .submit(&fixture("clip.opus"), "language=en&prompt=wait:500");
        database.execute_batch("BEGIN IMMEDIATE").unwrap();
        let locked = Instant::now();
        while locked.elapsed() < LOCKED {
            // Reads work. Writes are refused after 5 s and leave nothing behind.
            service.client.status(earlier);
            let refused = service.client.upload(&fixture("clip.opus"), "");
            assert_eq!(refused.status, 503, "{}", refused.text());
            assert!(refused.header("retry-after").is_some());
        }
        database.execute_batch("ROLLBACK").unwrap();
        service.client.wait_for_text(earlier);
        service.client.delete(&format!("/transcribe/{earlier}"));
        eventually("no file is left", || {
            service.files().is_empty().then_some(())
        });
    }
    report(
        "database locked",
        &format!("{rounds} times for {LOCKED:?}; refused after 5 s, nothing lost"),
    );
}

#[test]
fn a_damaged_or_foreign_database_is_refused_with_advice() {
    let rounds = scale(20, 1);
    for round in 0..rounds {
        let mut service = Settings::with_scripted_workers(0).in_data_folder().start();
        service.client.submit(&fixture("clip.opus"), "");
        service.api.take().unwrap().terminate();
        let path = service.data().join("steno.db");
        let sound = fs::read(&path).unwrap();

        let mut damaged = sound.clone();
        damaged[round..100].fill(0xA5);
        fs::write(&path, &damaged).unwrap();
        assert!(refusal(&mut service).contains("cannot open the queue"));

        let mut damaged = sound.clone();
        let middle = 4096 * (1 + round % (sound.len() / 4096 - 1));
        damaged[middle..middle + 4096].fill(0xA5);
        fs::write(&path, &damaged).unwrap();
        let said = refusal(&mut service);
        assert!(
            said.contains("damaged") || said.contains("malformed"),
            "{said}"
        );

        fs::write(&path, &sound).unwrap();
        let database = Connection::open(&path).unwrap();
        let version: i64 = database
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        database.pragma_update(None, "user_version", 99).unwrap();
        let said = refusal(&mut service);
        assert!(said.contains("run a newer Steno"), "{said}");
        database
            .pragma_update(None, "user_version", version)
            .unwrap();
        drop(database);

        // With the original database, the service works again.
        service.start_api();
        service.start_worker();
        let job =
            steno_store::Store::inspect_jobs(&open(&service), &steno_store::JobFilter::default())
                .unwrap();
        service.client.wait_for_text(job[0].job_id);
    }
    report(
        "database damaged, too new",
        &format!("{rounds} times each; refused, with what to do"),
    );
}

fn open(service: &Service) -> steno_store::Store {
    let hour = Duration::from_secs(3600);
    let settings = steno_store::StoreSettings {
        ttl: 24 * hour,
        retrieval_grace: hour,
        lease: hour,
    };
    steno_store::Store::open(&service.data(), settings).unwrap()
}

#[test]
fn a_disk_that_becomes_read_only_loses_nothing() {
    let rounds = scale(20, 2);
    let mut bed = Bed::new(
        Settings::with_scripted_workers(1).in_data_folder(),
        "wait:100",
    );
    let lock = bed.service.scratch().join("lock");
    let environment = shim::lock_environment(&bed.service.data(), &lock);
    for round in 0..rounds {
        bed.service.api.take().unwrap().terminate();
        bed.service.workers.remove(0).terminate();
        assert!(bed.service.try_start_api(&shim::borrowed(&environment)));
        assert!(bed.service.try_start_worker(&shim::borrowed(&environment)));
        let mut ledger = Ledger::default();
        for name in RECORDINGS {
            bed.submit_surely(&mut ledger, name);
        }
        fs::write(&lock, "").unwrap();
        // It reports the reason, or exits because the state on disk is unknown. It accepts nothing.
        if let Some(answer) = bed.service.client.try_upload(&fixture("clip.opus"), "") {
            assert!(matches!(answer.status, 503 | 507), "{}", answer.text());
            assert!(answer.header("retry-after").is_some());
        }
        assert_eq!(bed.submit(&mut ledger, RECORDINGS[round % 2]), None);
        fs::remove_file(&lock).unwrap();
        assert_eq!(bed.settle(ledger).crashed, 0);
    }
    report(
        "disk read-only",
        &format!("{rounds} times, nothing accepted, nothing lost"),
    );
}

#[test]
fn a_read_only_folder_is_refused_by_name() {
    let mut service = Settings::with_scripted_workers(0).in_data_folder().start();
    service.api.take().unwrap().terminate();
    let mount = "mount --bind \"$STENO_DATA\" \"$STENO_DATA\" && mount -o remount,bind,ro \"$STENO_DATA\" && exec \"$0\"";
    let refused = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", mount])
        .arg(steno_e2e::binary_path("steno-api"))
        .envs(service.environment())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stdout) + String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(
        said.contains("STENO_DATA") && said.contains("Read-only file system"),
        "{said}"
    );
}

/// The migrations in the repository, in order.
fn migrations() -> Vec<std::path::PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/sqlite");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn a_database_of_an_older_release_is_migrated_with_its_jobs() {
    let migrations = migrations();
    // The last one is the current schema.
    for known in 1..migrations.len() {
        let mut service = Settings::with_scripted_workers(0).in_data_folder().start();
        let job = service.client.submit(&fixture("clip.opus"), "language=en");
        service.api.take().unwrap().terminate();
        // The same job as an older release would have left it.
        let path = service.data().join("steno.db");
        let new = service.data().join("new.db");
        // The job may still be in the WAL, which would be left behind.
        let database = Connection::open(&path).unwrap();
        database
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        drop(database);
        fs::rename(&path, &new).unwrap();
        let old = Connection::open(&path).unwrap();
        for file in &migrations[..known] {
            old.execute_batch(&fs::read_to_string(file).unwrap())
                .unwrap();
        }
        old.execute_batch(&format!(
            "PRAGMA application_id = 0x5374656E; PRAGMA user_version = {known};
             ATTACH '{}' AS new;
             INSERT INTO jobs (seq, id, priority, due_at, created_at, ttl_deadline, language)
               SELECT seq, id, priority, due_at, created_at, ttl_deadline, language FROM new.jobs;
             INSERT INTO inputs (job, options, audio, audio_bytes, audio_sha256)
               SELECT job, options, audio, audio_bytes, audio_sha256 FROM new.inputs;
             INSERT INTO tasks (job, kind, priority, due_at) SELECT job, kind, priority, due_at FROM new.tasks;
             DETACH new",
            new.display()
        ))
        .unwrap();
        drop(old);
        fs::remove_file(&new).unwrap();
        service.start_api();
        service.start_worker();
        service.client.wait_for_text(job);
        assert_eq!(
            open(&service).check().unwrap(),
            Vec::<String>::new(),
            "from version {known}"
        );
    }
}
