//! Many clients, slow clients and greedy clients: each gets an honest answer, and the others are served.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use steno_e2e::{Client, Settings, eventually, fixture, form};
use steno_models::ProblemCode;

use crate::limits::connect;

/// Slow clients at a time: some that never end their head, some that never end their body.
const SLOW_CLIENTS: usize = 1000;

#[test]
fn a_good_client_is_served_beside_a_thousand_slow_ones() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let service = Settings::with_workers(0)
        .set("STENO_UPLOAD_CHUNK_TIMEOUT", "600s")
        .start();
    let job = service.client.submit(&fixture("clip.opus"), "");
    let median_of_calls = || {
        let mut took: Vec<Duration> = (0..300)
            .map(|_| {
                let began = Instant::now();
                service.client.status(job);
                began.elapsed()
            })
            .collect();
        took.sort_unstable();
        took[took.len() / 2]
    };
    let before = median_of_calls();
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

    eventually("half of them have begun to upload", || {
        (service.files().len() > SLOW_CLIENTS / 2).then_some(())
    });
    let beside = median_of_calls();
    drop(slow);
    eventually("only the job's file is left", || {
        (service.files().len() == 1).then_some(())
    });

    // Other tests use the machine too, for some of the time.
    let without = before.max(median_of_calls());
    let limit = 5 * without + Duration::from_millis(20);
    assert!(beside < limit, "{beside:?}, and {without:?} without them");
}

#[test]
fn an_upload_that_trickles_is_given_up() {
    let service = Settings::with_workers(0)
        .set("STENO_UPLOAD_CHUNK_TIMEOUT", "1s")
        .set("STENO_UPLOAD_MIN_RATE", "1000")
        .start();
    let mut stream = connect(&service);
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let head =
        b"POST /transcribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: 90000\r\n\r\n";
    stream.write_all(head).unwrap();
    let answer = eventually("it is refused although it never stops", || {
        // The server may have closed by then; what it said is still there to be read.
        let _ = stream.write_all(b"0123456789");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).ok().map(|()| answer)
    });
    assert_eq!(&answer, b"HTTP/1.1 408");
    eventually("no file is left", || {
        service.files().is_empty().then_some(())
    });
}

#[test]
fn a_client_that_reads_nothing_of_its_answers_is_given_up() {
    let service = Settings::with_workers(0)
        .set("STENO_SEND_TIMEOUT", "2s")
        .start();
    let stream = TcpStream::connect(service.address()).unwrap();
    stream
        .set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    // Answers of which many fill what the kernel keeps for a connection, to a client that never reads one.
    let calls = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(500);
    eventually("its connection is ended", || {
        (&stream)
            .write_all(&calls)
            .err()
            .filter(|error| error.kind() != ErrorKind::WouldBlock)
    });
    let open = || {
        let text = service.client.get("/metrics").text();
        let line = text
            .lines()
            .find(|line| line.starts_with("steno_connections "))
            .unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    eventually("only this test is connected", || {
        (open() <= 1.0).then_some(())
    });
}

#[test]
fn a_connection_without_a_call_is_ended_whatever_it_owes() {
    let service = Settings::with_workers(0)
        .set("STENO_KEEP_ALIVE", "1s")
        .start();
    let begun = [
        // The head of a second request, never ended; the remaining bytes of a body that is not read.
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /transcribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    let held: Vec<TcpStream> = begun
        .iter()
        .map(|calls| {
            let mut stream = connect(&service);
            stream.write_all(calls.as_bytes()).unwrap();
            stream
        })
        .collect();
    for (mut stream, calls) in held.into_iter().zip(begun) {
        // Its answer, and then the end.
        let mut answer = Vec::new();
        stream
            .read_to_end(&mut answer)
            .unwrap_or_else(|error| panic!("{error}: {calls}"));
        assert!(answer.starts_with(b"HTTP/1.1 "), "{calls}");
    }
}

#[test]
fn a_connection_is_kept_for_a_next_call_as_long_as_it_was_set() {
    let call = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let service = Settings::with_workers(0).start();
    let mut kept = connect(&service);
    let mut answer = [0; 4096];
    kept.write_all(call).unwrap();
    assert_ne!(kept.read(&mut answer).unwrap(), 0);
    // Clients that keep connections keep them for this long or less.
    kept.set_read_timeout(Some(Duration::from_secs(16)))
        .unwrap();
    let nothing = kept.read(&mut answer).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock, "{nothing}");
    kept.write_all(call).unwrap();
    assert_ne!(kept.read(&mut answer).unwrap(), 0, "it was ended");

    let service = Settings::with_workers(0)
        .set("STENO_KEEP_ALIVE", "1s")
        .start();
    let mut ended = connect(&service);
    let began = Instant::now();
    ended.write_all(call).unwrap();
    ended.read_to_end(&mut Vec::new()).unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "it took {:?}",
        began.elapsed()
    );
}

#[test]
fn idle_connections_block_no_client() {
    let service = Settings::with_workers(0)
        .set("STENO_MAX_CONNECTIONS", "50")
        .start();
    // More than are accepted at all: one eighth and some beyond those that are served.
    let held: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = connect(&service);
            stream.write_all(b"GET /hea").unwrap();
            stream
        })
        .collect();
    let client = Client::new(&format!("http://{}", service.address()));
    eventually("a good client is served", || {
        client
            .try_get("/transcribe")
            .filter(|answer| answer.status == 200)
    });
    drop(held);
}

#[test]
fn a_call_for_a_websocket_is_refused_and_other_offers_are_left_alone() {
    let service = Settings::with_workers(0).start();
    let headers = [("upgrade", "websocket"), ("content-type", "audio/wav")];
    let refused = service.client.post_with("/transcribe", &headers, b"abc");
    assert_eq!(
        (refused.status, refused.problem().code),
        (400, ProblemCode::Malformed)
    );
    let offered = [("upgrade", "h2c"), ("content-type", "audio/wav")];
    assert_eq!(
        service
            .client
            .post_with("/transcribe", &offered, b"abc")
            .status,
        202
    );
}

#[test]
fn a_call_whose_client_has_left_does_not_keep_its_connection() {
    let service = Settings::with_workers(0).start();
    let clip = fixture("clip.opus");
    let (content_type, body) = form(&clip, &[("model", "whisper-1")]);
    let mut stream = connect(&service);
    let length = body.len();
    let head = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    let api = service.api.as_ref().unwrap();
    api.wait_for_log("accepted job");
    drop(stream);
    // No worker runs, and the request ends all the same.
    api.wait_for_log("/v1/audio/transcriptions answered");
}

#[test]
fn requests_above_the_connection_limit_get_503() {
    let service = Settings::with_workers(0)
        .set("STENO_MAX_CONNECTIONS", "5")
        .start();
    let client = || Client::new(&format!("http://{}", service.address()));
    let held: Vec<TcpStream> = (0..5).map(|_| connect(&service)).collect();
    let refused = eventually("they are counted", || {
        Some(client().get("/transcribe")).filter(|answer| answer.status == 503)
    });
    assert_eq!(refused.problem().code, ProblemCode::TooManyConnections);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(
        client().get("/readyz").status,
        200,
        "health checks are answered"
    );
    drop(held);
    eventually("there is room again", || {
        (client().get("/transcribe").status == 200).then_some(())
    });
}

#[test]
fn a_socket_of_the_service_manager_is_used() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let data = tempfile::tempdir().unwrap();
    steno_store::Store::init(data.path()).unwrap();
    // What systemd does: the socket is descriptor 3, and the environment says for whom.
    let mut api = Command::new("sh")
        .args([
            "-c",
            "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\"",
        ])
        .arg(steno_e2e::binary_path("steno-api"))
        .env("STENO_DATA", data.path())
        .env("STENO_BIND", "127.0.0.1:1")
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The connection is taken before the api has started; its answer comes when it has.
    assert_eq!(
        Client::new(&format!("http://{address}"))
            .get("/readyz")
            .status,
        200
    );
    api.kill().unwrap();
    api.wait().unwrap();
}
