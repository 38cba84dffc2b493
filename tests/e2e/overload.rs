//! Many clients, slow clients and greedy clients: each gets an honest answer, and the others are served.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use steno_e2e::{Client, Settings, eventually, fixture, within};
use steno_models::ProblemCode;

use crate::limits::connect;

/// Slow clients at a time: some that never end their head, some that never end their body.
const SLOW_CLIENTS: usize = 1000;

#[test]
fn a_good_client_is_served_beside_a_thousand_slow_ones() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let service = Settings::with_workers(0).start();
    let job = service.client.submit(&fixture("clip.opus"), "");
    let slow: Vec<TcpStream> = (0..SLOW_CLIENTS)
        .map(|index| {
            let mut stream = connect(&service);
            let head =
                b"POST /transcribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: 9000\r\n";
            stream.write_all(head).unwrap();
            if index % 2 == 0 {
                stream.write_all(b"\r\nabc").unwrap();
            }
            stream
        })
        .collect();
    eventually("half of them have begun to upload", || (service.files().len() > SLOW_CLIENTS / 2).then_some(()));
    let mut took: Vec<Duration> = (0..300)
        .map(|_| {
            let began = Instant::now();
            service.client.status(job);
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100];
    assert!(p99 < Duration::from_millis(250), "{p99:?}");
    drop(slow);
    eventually("only the job's file is left", || (service.files().len() == 1).then_some(()));
}

#[test]
fn an_upload_that_trickles_is_given_up() {
    let service =
        Settings::with_workers(0).set("STENO_UPLOAD_CHUNK_TIMEOUT", "1s").set("STENO_UPLOAD_MIN_RATE", "1000").start();
    let mut stream = connect(&service);
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let head =
        b"POST /transcribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: 90000\r\n\r\n";
    stream.write_all(head).unwrap();
    let answer = within(Duration::from_secs(20), "it is refused although it never stops", || {
        // The server may have closed by then; what it said is still there to be read.
        let _ = stream.write_all(b"0123456789");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).ok().map(|()| answer)
    });
    assert_eq!(&answer, b"HTTP/1.1 408");
    eventually("no file is left", || service.files().is_empty().then_some(()));
}

#[test]
fn beyond_the_connections_that_are_served_a_call_is_told_so() {
    let service = Settings::with_workers(0).set("STENO_MAX_CONNECTIONS", "5").start();
    let client = || Client::new(&format!("http://{}", service.address()));
    let held: Vec<TcpStream> = (0..5).map(|_| connect(&service)).collect();
    let refused =
        eventually("they are counted", || Some(client().get("/transcribe")).filter(|answer| answer.status == 503));
    assert_eq!(refused.problem().code, ProblemCode::TooManyConnections);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(client().get("/readyz").status, 200, "whoever watches is answered");
    drop(held);
    eventually("there is room again", || (client().get("/transcribe").status == 200).then_some(()));
}

#[test]
fn a_socket_of_the_service_manager_is_used() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let data = tempfile::tempdir().unwrap();
    // What systemd does: the socket is descriptor 3, and the environment says for whom.
    let mut api = Command::new("sh")
        .args(["-c", "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\""])
        .arg(steno_e2e::binary_path("steno-api"))
        .env("STENO_DATA", data.path())
        .env("STENO_BIND", "127.0.0.1:1")
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The connection is taken before the api has started; its answer comes when it has.
    assert_eq!(Client::new(&format!("http://{address}")).get("/readyz").status, 200);
    api.kill().unwrap();
    api.wait().unwrap();
}
