//! Programs of several releases on one database: a program goes on when a newer one has migrated the schema, refuses it at its next
//! start, and migrates an older one.

use std::thread;

use steno_models::{JobId, Status};
use steno_store::{Quota, QuotaCheck, Store, StoreError};

use crate::support::{Fixture, settings};

/// What the migrations after the first one have added, undone, so that the schema is the first.
const BACK_TO_THE_FIRST: &str = "
    ALTER TABLE uploads DROP COLUMN process;
    DROP TRIGGER speaker_references_forget ON jobs;
    DROP FUNCTION forget_speaker_references;
    DROP TABLE speaker_references;
    DELETE FROM migrations WHERE number > 1";

/// How programs of the first schema reserve an upload.
const FIRST_RESERVATION: &str =
    "INSERT INTO uploads (id, owner, bytes) VALUES (decode(md5('a'), 'hex'), 'a', 10)";

/// What a later migration may do: add columns to every table, and a table.
const LATER_SCHEMA: &str = "
    DO $$ DECLARE name text; BEGIN
      FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('ALTER TABLE %I ADD COLUMN later bigint NOT NULL DEFAULT 1', name);
      END LOOP;
    END $$;
    CREATE TABLE later (id bigint PRIMARY KEY);
    INSERT INTO migrations (number, name, sha256, applied_by)
    SELECT 99, 'later', sha256, '9' FROM migrations LIMIT 1";

/// A job from its submission to its deletion.
fn work_off(f: &Fixture) {
    let run = f.worker();
    let job = f.submit();
    let claim = f.claim(&run);
    assert_eq!(claim.job_id, job);
    f.plan(&claim, 2);
    for text in ["one", "two"] {
        assert!(f.finish_span(&f.claim(&run), text));
    }
    assert_eq!(f.status(job).result.unwrap().text, "one two");
    f.store.heartbeat(f.now(), &run).unwrap();

    f.store.mark_retrieved(f.now(), f.now().wall, job).unwrap();
    f.clock.advance_ms(61_000);
    assert_eq!(f.store.sweep(f.now()).unwrap().retrieved, 1);
    f.store.end_run(&run).unwrap();
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_program_goes_on_beside_a_newer_schema_and_refuses_it_at_its_next_start() {
    let f = Fixture::new();
    // Its connections have prepared the statements.
    work_off(&f);
    f.connect().try_run(LATER_SCHEMA).unwrap();
    work_off(&f);

    let error = Store::open(f.database.place(f.root.path()), settings());
    let error = error.err().unwrap();
    assert!(matches!(error, StoreError::SchemaTooNew { .. }), "{error}");
    assert!(error.needs_operator());
    let message = error.to_string();
    assert!(message.contains("run a newer Steno"), "{message}");
}

#[test]
fn a_queue_of_the_first_schema_is_migrated_with_its_jobs_by_any_number_of_programs() {
    let f = Fixture::new();
    let job = f.submit();
    f.connect().try_run(BACK_TO_THE_FIRST).unwrap();

    let open = || Store::open(f.database.place(f.root.path()), settings()).map(drop);
    thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        for start in starts {
            start.join().unwrap().unwrap();
        }
    });

    let applied = f.connect().number("SELECT count(*) FROM migrations");
    assert_eq!(applied, Some(3));
    let run = f.worker();
    let claim = f.claim(&run);
    assert_eq!(claim.job_id, job);
    assert!(f.complete(&claim, "hello"));
    assert_eq!(f.status(job).status, Status::Completed);
}

#[test]
fn a_program_of_the_first_schema_can_reserve_uploads_beside_this_one() {
    let f = Fixture::new();
    f.connect().run(FIRST_RESERVATION);
    let quota = Quota {
        jobs: Some(1),
        ..Quota::default()
    };
    let reserved = f.store.reserve_upload("a", quota, JobId::random(), 1);
    assert_ne!(reserved.unwrap(), QuotaCheck::Within);
}
