//! Sessions against a real server: messages, loss of the connection, seats, the proof of life, the clock.

use std::sync::Arc;
use std::time::Duration;

use steno_models::JobId;
use steno_testbed::{Database, Postgres, Setup, Shutdown, wait_until};
use tokio_postgres::NoTls;

use super::{Direct, Inbox, ProcessKey, Session};
use crate::signal::message::{Audience, WakeMessage};
use crate::{Clock, ManualClock, SystemClock};

const LEASE: Duration = Duration::from_secs(30);
/// Time for what takes milliseconds, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn database() -> Database {
    database_on(Postgres::shared())
}

fn database_on(server: &Postgres) -> Database {
    let database = server.create_database();
    database
        .connect()
        .batch_execute(
            "CREATE TABLE workers (run_id text PRIMARY KEY, boot_id text NOT NULL, lease_until bigint NOT NULL);
             GRANT ALL ON workers TO PUBLIC",
        )
        .unwrap();
    database
}

fn open(database: &Database) -> Session {
    open_with(database, Arc::new(SystemClock))
}

fn open_with(database: &Database, host: Arc<dyn Clock>) -> Session {
    let direct = Direct::new(database.url.parse().unwrap(), NoTls, LEASE);
    Session::open(Arc::new(direct), ProcessKey::random(), host).unwrap()
}

fn register(database: &Database, session: &Session, run_id: &str) {
    let key = session.key().number().to_string();
    database
        .connect()
        .execute(
            "INSERT INTO workers VALUES ($1, $2, $3)",
            &[&run_id, &key, &i64::MAX],
        )
        .unwrap();
}

/// The next messages, of which there are that many.
fn receive(inbox: &Inbox, count: usize) -> Vec<WakeMessage> {
    (0..count)
        .map(|_| inbox.receive(PATIENCE).expect("a message comes"))
        .collect()
}

fn has_suspects(session: &Session, now_ms: i64) -> bool {
    let suspects = session.suspects(now_ms).unwrap();
    suspects.has_overdue || !suspects.absent.names.is_empty()
}

fn is_disconnected(session: &Session, run_id: &str) -> bool {
    session
        .suspects(0)
        .is_some_and(|suspects| suspects.absent.names.contains(run_id))
}

#[test]
fn messages_reach_the_processes_that_they_are_for() {
    let database = database();
    let (worker, api) = (open(&database), open(&database));
    let (work, jobs) = (worker.listen(Audience::Workers), api.listen(Audience::Apis));
    let job = JobId::random();
    api.send([WakeMessage::Work, WakeMessage::Changed(job)]);

    assert_eq!(receive(&work, 1), [WakeMessage::Work]);
    assert_eq!(receive(&jobs, 1), [WakeMessage::Changed(job)]);
    assert_eq!(work.receive(Duration::from_millis(50)), None);
}

#[test]
fn a_program_that_ends_at_once_still_sends_its_messages() {
    let database = database();
    let worker = open(&database);
    let work = worker.listen(Audience::Workers);
    let program = open(&database);
    program.send([WakeMessage::Work]);
    drop(program);
    assert_eq!(receive(&work, 1), [WakeMessage::Work]);
}

#[test]
fn many_messages_are_few_statements() {
    let server = Setup::default()
        .set("shared_preload_libraries", "pg_stat_statements")
        .start();
    let database = database_on(&server);
    let mut admin = database.connect();
    admin
        .batch_execute("CREATE EXTENSION pg_stat_statements")
        .unwrap();

    let session = open(&database);
    let jobs = session.listen(Audience::Apis);
    for _ in 0..500 {
        session.send([WakeMessage::Changed(JobId::random())]);
    }
    receive(&jobs, 500);
    let query = "SELECT calls FROM pg_stat_statements WHERE query LIKE '%pg_notify(channel%'";
    let calls: i64 = admin.query_one(query, &[]).unwrap().get(0);
    assert!(
        (1..100).contains(&calls),
        "{calls} statements for 500 messages"
    );
}

#[test]
fn a_session_that_was_ended_is_back_with_its_channels_and_its_lock() {
    let database = database();
    let (session, judge) = (open(&database), open(&database));
    let work = session.listen(Audience::Workers);
    register(&database, &session, "a");
    let (generation, version) = (session.generation(), session.version());

    Postgres::shared().terminate_connections(&database.name);
    assert_eq!(
        receive(&work, 1),
        [WakeMessage::Missed],
        "anything may have changed meanwhile"
    );
    assert!(session.generation() > generation && session.version() > version);
    wait_until("the judge is back", || judge.suspects(0).is_some());
    assert!(!is_disconnected(&judge, "a"));

    judge.send([WakeMessage::Work]);
    assert_eq!(receive(&work, 1), [WakeMessage::Work]);
}

#[test]
fn messages_sent_without_a_connection_arrive_later() {
    for shutdown in [Shutdown::Fast, Shutdown::Immediate] {
        let server = Setup::default().start();
        let database = database_on(&server);
        let session = open(&database);
        let work = session.listen(Audience::Workers);
        server.stop(shutdown);
        session.send([WakeMessage::Work]);
        assert!(session.suspects(0).is_none(), "no caller waits");
        assert!(session.extend_lease("a", 1).is_none());
        server.start_again();

        let mut received = receive(&work, 2);
        received.sort_by_key(ToString::to_string);
        assert_eq!(received, [WakeMessage::Missed, WakeMessage::Work]);
    }
}

#[test]
fn a_run_is_disconnected_when_its_process_ends_or_forgets_it() {
    let database = database();
    let (session, other, judge) = (open(&database), open(&database), open(&database));
    register(&database, &session, "ended");
    register(&database, &other, "forgotten");
    let proof = other.prove("forgotten");
    assert!(!has_suspects(&judge, 0));

    drop(session);
    wait_until("its lock is free", || is_disconnected(&judge, "ended"));
    assert!(!is_disconnected(&judge, "forgotten"));
    drop(proof);
    wait_until("it is forgotten", || is_disconnected(&judge, "forgotten"));
}

#[test]
fn another_connection_of_a_process_proves_that_it_lives() {
    let database = database();
    let (session, judge) = (open(&database), open(&database));
    register(&database, &session, "a");
    let mut pooled = database.connect();
    pooled
        .execute(
            "SELECT pg_advisory_lock_shared($1)",
            &[&session.key().number()],
        )
        .unwrap();
    drop(session);
    assert!(!is_disconnected(&judge, "a"));
    drop(pooled);
    wait_until("its lock is free", || is_disconnected(&judge, "a"));
}

#[test]
fn an_expired_lease_makes_a_run_suspect_until_it_is_extended() {
    let database = database();
    let session = open(&database);
    register(&database, &session, "a");
    assert_eq!(session.extend_lease("a", 1000), Some(true));
    assert_eq!(session.extend_lease("unknown", 1000), Some(false));
    assert!(!has_suspects(&session, 1000));
    assert!(session.suspects(1001).unwrap().has_overdue);
    assert_eq!(session.extend_lease("a", 2000), Some(true));
    assert!(!has_suspects(&session, 1001));
}

#[test]
fn two_processes_are_on_watch_and_a_third_follows_one_that_ends() {
    let database = database();
    let (first, second, third) = (open(&database), open(&database), open(&database));
    for session in [&first, &second] {
        wait_until("a seat is free", || session.is_on_watch());
    }
    assert!(!third.is_on_watch());
    let polls = third.version();
    wait_until("it has polled", || third.version() > polls + 1);
    assert!(!third.is_on_watch(), "both seats are taken");

    drop(first);
    wait_until("it takes the seat", || third.is_on_watch());
    assert!(second.is_on_watch());
}

#[test]
fn the_clock_of_the_host_does_not_matter() {
    let database = database();
    let database_ms = || -> i64 {
        let query = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        database.connect().query_one(query, &[]).unwrap().get(0)
    };
    // One an hour ahead, one behind, and one that is right.
    let wall_ms = SystemClock.now().wall.ms();
    for wrong_by_ms in [3_600_000, -3_600_000, 0] {
        let host = Arc::new(ManualClock::at_ms(wall_ms + wrong_by_ms));
        let session = open_with(&database, host);
        let difference_ms = session.clock().now().wall.ms() - database_ms();
        assert!(difference_ms.abs() < 60_000, "{difference_ms} ms off");
    }
}
