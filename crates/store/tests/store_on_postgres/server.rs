//! What only a database server does to a queue: it restarts, refuses passwords, and may be behind a pooler.

use std::error::Error as _;
use std::fs;
use std::path::Path;
use std::thread;

use steno_models::Status;
use steno_store::{DatabaseAddress, NewJob, Place, Store, StoreError};
use steno_testbed::{Pgbouncer, Postgres, Setup, Shutdown, wait_until};

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
    let text = format!("{error:?} {}", with_sources(&error));
    (error, text)
}

/// An error and its causes, as the log shows them.
fn with_sources(error: &StoreError) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    texts.join("; ")
}

#[test]
fn a_queue_goes_on_after_its_server_was_restarted() {
    let server = Postgres::start();
    let database = server.create_database();
    let root = tempfile::tempdir().unwrap();
    let place = place(root.path(), &database.url, None);
    assert!(Store::init(place.clone()).unwrap());
    let store = Store::open(place, settings()).unwrap();
    assert!(!store.is_queue_full(1).unwrap());

    for shutdown in [Shutdown::Fast, Shutdown::Immediate] {
        server.stop(shutdown);
        let error = store.is_queue_full(1).unwrap_err();
        assert!(error.is_unavailable() && !error.is_fatal(), "{error:?}");
        server.start_again();
        assert!(!store.is_queue_full(1).unwrap());
        store.check_writable().unwrap();
    }
}

#[test]
fn writers_at_the_same_time_succeed_whatever_the_default_isolation_of_the_server_is() {
    let setup = Setup::default().set("default_transaction_isolation", "serializable");
    let server = setup.start();
    let database = TestDatabase::Server(server.create_database());
    let f = Fixture::on(database, settings());

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    f.submit();
                    let run = f.worker();
                    let claim = f.claim(&run);
                    f.store.heartbeat(f.now(), &run).unwrap();
                    assert!(f.complete(&claim, "text"));
                }
            });
        }
    });
    let completed = "SELECT count(*) FROM jobs WHERE status = 'completed'";
    assert_eq!(f.connect().number(completed), Some(40));
}

#[test]
fn an_accepted_job_survives_a_crash_of_the_server() {
    // The server writes its log by itself only after 10 s, so that a commit that has not waited for it is lost.
    let server = Setup::default().set("wal_writer_delay", "10s").start();
    let database = TestDatabase::Server(server.create_database());
    let f = Fixture::on(database, settings());
    let job = f.submit();
    server.restart(Shutdown::Immediate);
    assert_eq!(f.status(job).status, Status::Pending);
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
fn the_log_quotes_no_row() {
    let f = Fixture::new();
    let TestDatabase::Server(database) = &f.database else {
        panic!("these tests are on PostgreSQL")
    };
    let refuse = "ALTER TABLE jobs ADD CONSTRAINT refuse CHECK (owner <> 'alice') NOT VALID";
    database.connect().batch_execute(refuse).unwrap();
    let job = NewJob {
        owner: "alice".to_owned(),
        ..f.new_job(b"RIFF")
    };
    let error = f.store.submit_job(f.now(), job).unwrap_err();
    let text = with_sources(&error);
    assert!(text.contains("23514"), "{text}");
    assert!(!text.contains("alice"), "{text}");
}

#[test]
fn a_database_that_cannot_store_every_text_is_refused_with_advice() {
    let server = Postgres::shared();
    let mut admin = server.connect("postgres");
    admin
        .batch_execute("CREATE DATABASE western ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        .unwrap();
    let root = tempfile::tempdir().unwrap();
    let url = server.url("western");
    let (error, text) = refused(place(&root.path().join("data"), &url, None));
    assert!(error.needs_operator(), "{text}");
    assert!(text.contains("LATIN1") && text.contains("UTF8"), "{text}");
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
    let run = f.worker();
    let TestDatabase::Server(database) = &f.database else {
        panic!("these tests are on PostgreSQL")
    };
    // A claim locks its task, then the row of fairness. An administrator locks them the other way round, and waits longer before
    // it looks for a deadlock, so that the claim is the one that ends.
    let mut administrator = database.connect();
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    administrator
        .batch_execute(
            "SET deadlock_timeout = '1min'; BEGIN; UPDATE fairness SET served_ms = served_ms",
        )
        .unwrap();

    thread::scope(|scope| {
        let claim = scope.spawn(|| f.claim(&run));
        let watch = f.connect();
        wait_until("the claim waits", || watch.number(waits) == Some(1));
        administrator
            .batch_execute("UPDATE tasks SET due_at = due_at; COMMIT")
            .unwrap();
        assert_eq!(claim.join().unwrap().job_id, job);
    });

    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let statistics = f.connect();
    wait_until("the server has counted the deadlock", || {
        statistics.number(deadlocks) == Some(1)
    });
}

#[test]
fn a_backup_of_the_folder_is_refused_and_leaves_nothing() {
    let f = Fixture::new();
    let target = f.root.path().with_extension("backup");
    let error = f.store.back_up(&target).unwrap_err();
    assert!(error.to_string().contains("PostgreSQL"), "{error}");
    assert!(!target.exists());
}
