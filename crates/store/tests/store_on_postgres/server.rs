//! What only a database server does to a queue: it restarts, refuses passwords, and may be behind a pooler.

use std::error::Error as _;
use std::fs;
use std::path::Path;

use steno_models::Status;
use steno_store::{DatabaseAddress, Place, Store, StoreError};
use steno_testbed::{Pgbouncer, Postgres, Setup, Shutdown};

use crate::database::TestDatabase;
use crate::support::{Fixture, settings};

fn place(root: &Path, url: &str, ca_file: Option<&Path>) -> Place {
    Place {
        data: root.to_owned(),
        database: Some(DatabaseAddress::parse(url, None, ca_file).unwrap()),
    }
}

/// The error of a first start, with its causes, in every form in which it may be logged.
fn refused(place: Place) -> (StoreError, String) {
    let error = Store::init(place).unwrap_err();
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&error.to_string());
        source = error.source();
    }
    (error, text)
}

#[test]
fn a_queue_goes_on_after_its_server_was_restarted() {
    let server = Postgres::start();
    let database = server.create_database();
    let root = tempfile::tempdir().unwrap();
    let place = place(root.path(), &database.url, None);
    assert!(Store::init(place.clone()).unwrap());
    let store = Store::open(place, settings()).unwrap();
    assert_eq!(store.count_pending_jobs().unwrap(), 0);

    for shutdown in [Shutdown::Fast, Shutdown::Immediate] {
        server.stop(shutdown);
        let error = store.count_pending_jobs().unwrap_err();
        assert!(error.is_unavailable() && !error.is_fatal(), "{error:?}");
        server.start_again();
        assert_eq!(store.count_pending_jobs().unwrap(), 0);
        store.check_writable().unwrap();
    }
}

#[test]
fn a_connection_that_ends_while_it_is_idle_costs_no_call() {
    let f = Fixture::new();
    let job = f.submit();
    let TestDatabase::Server(database) = &f.database else {
        panic!("these tests are on PostgreSQL")
    };
    assert!(Postgres::shared().terminate_connections(&database.name) > 0);
    assert_eq!(f.status(job).status, Status::Pending);
}

#[test]
fn no_message_has_the_password_or_the_address() {
    let server = Postgres::shared();
    let database = server.create_database();
    let root = tempfile::tempdir().unwrap();
    let (_, password) = server.credentials();
    let wrong = database.url.replace(password, "a-wrong-secret");
    let (error, text) = refused(place(&root.path().join("data"), &wrong, None));
    assert!(error.needs_operator(), "{text}");
    assert!(!text.contains("a-wrong-secret"), "{text}");
}

#[test]
fn a_password_may_be_in_a_file_of_its_own() {
    let server = Postgres::shared();
    let database = server.create_database();
    let root = tempfile::tempdir().unwrap();
    let (_, password) = server.credentials();
    let file = root.path().join("password");
    fs::write(&file, format!("{password}\n")).unwrap();

    let url = database.url.replace(&format!(":{password}@"), "@");
    let data = root.path().join("data");
    let place = Place::new(&data, Some(&url), Some(&file), None).unwrap();
    assert!(Store::init(place).unwrap());
}

#[test]
fn a_pooler_of_transactions_is_refused_with_the_reason() {
    let server = Postgres::shared();
    let database = server.create_database();
    let Some(pooler) = Pgbouncer::start(server, "transaction") else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let url = pooler.url(&database.name);
    let (error, text) = refused(place(&root.path().join("data"), &url, None));
    assert!(error.needs_operator(), "{text}");
    assert!(text.contains("connection pooler"), "{text}");
}

#[test]
fn a_certificate_that_is_not_trusted_is_refused() {
    let Some(setup) = Setup::default().with_tls() else {
        return;
    };
    let server = setup.start();
    let database = server.create_database();
    let root = tempfile::tempdir().unwrap();
    let url = database.url.replace("127.0.0.1", "localhost");
    let url = url.replace("?sslmode=disable", "");

    let untrusted = place(&root.path().join("data"), &url, None);
    let (_, text) = refused(untrusted);
    assert!(text.to_lowercase().contains("certificate"), "{text}");

    let trusted = place(&root.path().join("more"), &url, Some(server.certificate()));
    assert!(Store::init(trusted).unwrap());
}

#[test]
fn a_deadlock_is_resolved_by_doing_the_transaction_again() {
    let f = Fixture::new();
    let job = f.submit();
    let TestDatabase::Server(database) = &f.database else {
        panic!("these tests are on PostgreSQL")
    };
    // The first two changes of a job fail as if another transaction had been in their way. A sequence is not rolled back.
    database
        .connect()
        .batch_execute(
            "CREATE SEQUENCE conflicts;
             GRANT ALL ON SEQUENCE conflicts TO PUBLIC;
             CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$
             DECLARE number bigint := nextval('conflicts');
             BEGIN
               IF number = 1 THEN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected', MESSAGE = 'in the way'; END IF;
               IF number = 2 THEN RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = 'in the way'; END IF;
               RETURN NEW;
             END $$;
             CREATE TRIGGER conflict BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION conflict()",
        )
        .unwrap();

    let run = f.worker();
    let claim = f.claim(&run);
    assert_eq!(claim.job_id, job);
    let tries = f.connect().number("SELECT last_value FROM conflicts");
    assert!(tries >= Some(3), "{tries:?}");
}

#[test]
fn a_backup_of_the_folder_is_refused_and_leaves_nothing() {
    let f = Fixture::new();
    let target = f.root.path().with_extension("backup");
    let error = f.store.back_up(&target).unwrap_err();
    assert!(error.to_string().contains("PostgreSQL"), "{error}");
    assert!(!target.exists());
}
