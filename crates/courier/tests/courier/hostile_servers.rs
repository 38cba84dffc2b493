//! Servers that send too much, too slowly, or something that is not what it claims to be.

use std::time::Duration;

use steno_courier::DownloadLimits;

use crate::server::{Server, Step, answer, send};
use crate::support::{IMPATIENT, Names, PATIENT, client, code, fetch};

/// Runs a download from a server that answers every request with `steps`.
async fn check(
    name: &str,
    steps: Vec<Step>,
    limits: steno_courier::DownloadLimits,
    expected: &str,
) {
    let server = Server::start(move |_, _| steps.clone()).await;
    let client = client(Names::of(&[]));
    let (outcome, memory) = fetch(&client, &server.url("/"), limits).await;

    assert_eq!(code(&outcome), expected, "{name}: {outcome:?}");
    assert!(memory.bytes.len() as u64 <= limits.max_bytes, "{name}");
}

fn endless(bytes: impl AsRef<[u8]>) -> Step {
    Step::Repeat(bytes.as_ref().to_vec(), Duration::ZERO)
}

fn drip(bytes: &[u8]) -> Step {
    Step::Repeat(bytes.to_vec(), Duration::from_millis(50))
}

#[tokio::test]
async fn heads_without_end_are_refused() {
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(1 << 20));
    check(
        "a huge header",
        vec![send(huge)],
        PATIENT,
        "headers_too_large",
    )
    .await;

    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(500));
    check(
        "500 headers",
        vec![send(many)],
        PATIENT,
        "headers_too_large",
    )
    .await;

    let steps = vec![send("HTTP/1.1 200 OK\r\n"), endless("a: b\r\n".repeat(500))];
    check("headers without end", steps, PATIENT, "headers_too_large").await;

    let steps = vec![send("HTTP/1.1 200 OK\r\n"), drip(b"a: b\r\n")];
    check("headers that drip", steps, IMPATIENT, "timed_out").await;

    let steps = vec![Step::Repeat(
        b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec(),
        Duration::from_millis(20),
    )];
    check("hints without end", steps, IMPATIENT, "timed_out").await;

    check("silence", vec![Step::Wait], IMPATIENT, "timed_out").await;
}

#[tokio::test]
async fn bodies_without_end_are_refused() {
    let steps = vec![send("HTTP/1.1 200 OK\r\n\r\n"), endless([0; 4096])];
    check("without a length", steps, PATIENT, "too_large").await;

    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("1000\r\n{}\r\n", "a".repeat(4096));
    check(
        "chunks without end",
        vec![send(head), endless(chunk)],
        PATIENT,
        "too_large",
    )
    .await;

    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n";
    check(
        "an announced terabyte",
        vec![send(head), Step::Wait],
        PATIENT,
        "too_large",
    )
    .await;

    let steps = vec![send("HTTP/1.1 200 OK\r\n\r\n"), drip(b"a")];
    // Only the least rate ends it, also when the server pauses on a busy machine.
    let limits = DownloadLimits {
        read_timeout: PATIENT.read_timeout,
        max_duration: PATIENT.max_duration,
        ..IMPATIENT
    };
    check("a body that drips", steps, limits, "too_slow").await;

    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc";
    check(
        "a body that stalls",
        vec![send(head), Step::Wait],
        IMPATIENT,
        "timed_out",
    )
    .await;

    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;";
    let steps = vec![send(head), endless("a".repeat(4096))];
    check(
        "a chunk's extension without end",
        steps,
        PATIENT,
        "invalid_answer",
    )
    .await;
}

#[tokio::test]
async fn lengths_that_lie_are_noticed() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort";
    check("a length too long", vec![send(head)], PATIENT, "cut_short").await;

    let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nsound";
    check("two lengths", vec![send(head)], PATIENT, "invalid_answer").await;

    let head = "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nsound";
    check(
        "a negative length",
        vec![send(head)],
        PATIENT,
        "invalid_answer",
    )
    .await;

    let head = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n";
    check(
        "a length beyond 64 bits",
        vec![send(head)],
        PATIENT,
        "invalid_answer",
    )
    .await;

    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nsound\r\n";
    check(
        "chunks that break off",
        vec![send(head)],
        PATIENT,
        "cut_short",
    )
    .await;

    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nsound\r\n0\r\n\r\n";
    check(
        "a chunk's size that is none",
        vec![send(head)],
        PATIENT,
        "invalid_answer",
    )
    .await;

    // The remaining bytes belong to no answer.
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nsound and more";
    check("a length too short", vec![send(head)], PATIENT, "ok").await;
}

#[tokio::test]
async fn what_is_packed_is_never_unpacked() {
    for encoding in ["gzip", "br", "deflate", "zstd", "identity, gzip"] {
        let head = format!("200 OK\r\ncontent-encoding: {encoding}");
        check(encoding, answer(&head, b"\x1f\x8b\x08"), PATIENT, "encoded").await;
    }
    check(
        "identity",
        answer("200 OK\r\ncontent-encoding: identity", b"a"),
        PATIENT,
        "ok",
    )
    .await;
    check(
        "a gzip file",
        answer("200 OK", b"\x1f\x8b\x08"),
        PATIENT,
        "ok",
    )
    .await;
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    check(
        "another protocol",
        vec![send("SSH-2.0-OpenSSH_9.2\r\n")],
        PATIENT,
        "invalid_answer",
    )
    .await;
    check(
        "HTTP/0.9",
        vec![send("<html></html>")],
        PATIENT,
        "invalid_answer",
    )
    .await;
    check(
        "an HTTP/2 preface",
        vec![send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
        PATIENT,
        "invalid_answer",
    )
    .await;
    check("a closed connection", vec![], PATIENT, "cut_short").await;
    check(
        "half a head",
        vec![send("HTTP/1.1 200 OK\r\ncont")],
        PATIENT,
        "cut_short",
    )
    .await;
}

#[tokio::test]
async fn statuses_without_a_recording_are_failures() {
    for (status, code) in [
        ("401 Unauthorized", "access_denied"),
        ("403 Forbidden", "access_denied"),
        ("404 Not Found", "not_found"),
        ("410 Gone", "not_found"),
        ("206 Partial Content", "http_status"),
        ("304 Not Modified", "http_status"),
    ] {
        check(status, answer(status, b"sound"), PATIENT, code).await;
    }

    check(
        "no content",
        vec![send("HTTP/1.1 204 No Content\r\n\r\n")],
        PATIENT,
        "http_status",
    )
    .await;

    check(
        "upgrade",
        vec![send("HTTP/1.1 101 Switching Protocols\r\n\r\n")],
        PATIENT,
        "http_status",
    )
    .await;

    check("an empty body", answer("200 OK", b""), PATIENT, "empty").await;
    check(
        "a redirect to nowhere",
        answer("302 Found", b""),
        PATIENT,
        "invalid_redirect",
    )
    .await;

    let circle = answer("302 Found\r\nlocation: /", b"");

    check("a circle", circle, PATIENT, "too_many_redirects").await;
}
