//! The servers of the testbed do what their tests rely on.

use std::path::Path;
use std::process::Command;

use steno_testbed::{Host, Moto, Pgbouncer, Postgres, S3, Setup, Shutdown};

#[test]
fn databases_are_separate_and_survive_a_restart() {
    let server = Setup::default().durable().start();
    let (one, other) = (server.create_database(), server.create_database());
    one.connect()
        .batch_execute("CREATE TABLE t AS SELECT 7 AS n")
        .unwrap();
    assert!(other.connect().query("SELECT n FROM t", &[]).is_err());

    for shutdown in [Shutdown::Fast, Shutdown::Immediate] {
        let mut before = one.connect();
        server.restart(shutdown);

        assert!(before.query("SELECT 1", &[]).is_err());
        let row = one.connect().query_one("SELECT n FROM t", &[]).unwrap();
        assert_eq!(row.get::<_, i32>(0), 7);
    }
}

#[test]
fn the_owner_of_a_database_is_no_superuser() {
    let database = Postgres::shared().create_database();
    let mut owner = postgres::Client::connect(&database.url, postgres::NoTls).unwrap();

    owner.batch_execute("CREATE TABLE t (n int)").unwrap();

    assert!(owner.batch_execute("CREATE ROLE other").is_err());
}

#[test]
fn connections_end_when_they_are_terminated() {
    let server = Postgres::shared();
    let database = server.create_database();
    let mut client = database.connect();
    assert!(client.query("SELECT 1", &[]).is_ok());

    assert_eq!(server.terminate_connections(&database.name), 1);

    assert!(client.query("SELECT 1", &[]).is_err());
}

#[test]
fn settings_are_read_without_a_restart() {
    let server = Postgres::start();
    server.reload_with(&[("work_mem", "9MB")]);

    let row = server.connect("postgres").query_one("SHOW work_mem", &[]);
    assert_eq!(row.unwrap().get::<_, String>(0), "9MB");
}

#[test]
fn a_stopped_server_leaves_no_folder() {
    let server = Postgres::start();
    let folder = server.data_folder().to_owned();
    let process = format!("/proc/{}", server.process_id());
    assert!(folder.exists() && Path::new(&process).exists());

    drop(server);

    assert!(!folder.exists() && !Path::new(&process).exists());
}

#[test]
fn a_server_offers_tls() {
    let Some(setup) = Setup::default().with_tls() else {
        return;
    };
    let server = setup.start();

    let pem = std::fs::read_to_string(server.certificate()).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let row = server.connect("postgres").query_one("SHOW ssl", &[]);
    assert_eq!(row.unwrap().get::<_, String>(0), "on");
}

#[test]
fn pgbouncer_forwards_to_a_database() {
    let server = Postgres::shared();
    let Some(pooler) = Pgbouncer::start(server, "transaction") else {
        return;
    };
    let database = server.create_database();

    let mut client =
        postgres::Client::connect(&pooler.url(&database.name), postgres::NoTls).unwrap();

    let messages = client.simple_query("SELECT current_database()").unwrap();
    assert!(!messages.is_empty());
}

#[test]
fn a_bucket_answers_only_to_its_key_and_comes_back_after_an_outage() {
    let server = S3::start();
    let bucket = server.create_bucket();
    let object = format!("{}/{bucket}/folder/object", server.endpoint());
    std::fs::create_dir(server.folder().join(&bucket).join("folder")).unwrap();
    std::fs::write(
        server.folder().join(&bucket).join("folder/object"),
        "needle",
    )
    .unwrap();
    assert_eq!(server.keys(&bucket), ["folder/object"]);
    assert_eq!(server.files_with(b"needle").len(), 1);

    let status = |url: &str| match ureq::get(url).call() {
        Err(ureq::Error::StatusCode(status)) => Some(status),
        _ => None,
    };
    assert_eq!(status(&object), Some(403));
    server.stop();
    assert_eq!(status(&object), None);
    server.start_again();
    assert_eq!(status(&object), Some(403));
    assert_eq!(server.requests()["GET"], 2);
}

#[test]
fn moto_keeps_objects() {
    let Some(server) = Moto::start() else {
        return;
    };
    server.create_bucket("a-bucket");

    let listing = ureq::get(&format!("{}/a-bucket", server.endpoint())).call();

    let listing = listing.unwrap().body_mut().read_to_string().unwrap();
    assert!(listing.contains("ListBucketResult"), "{listing}");
}

#[test]
fn a_host_loses_its_packets_and_gets_them_again() {
    let server = Postgres::shared();
    let Some(host) = Host::create() else {
        return;
    };
    let can_connect = |timeout_s: &str| {
        let script = format!("exec 3<>/dev/tcp/{}/{}", host.gateway(), server.port());
        let [program, arguments @ ..] = host.prefix();
        let status = Command::new(program)
            .args(arguments)
            .args(["timeout", timeout_s, "bash", "-c", &script])
            .status();
        status.unwrap().success()
    };
    assert!(can_connect("30"));

    host.drop_packets();
    assert!(!can_connect("1"));

    host.deliver_packets();
    assert!(can_connect("30"));
}
