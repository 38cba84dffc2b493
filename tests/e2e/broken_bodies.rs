//! Invariant: a body that breaks off, is malformed or has too many parts is answered with 4xx, and leaves no file.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;

use steno_e2e::{Service, Settings, eventually, fixture};

use crate::limits::connect;

const MULTIPART: &str = "multipart/form-data; boundary=x";

/// The head of a request with a chunked body.
fn head(path: &str, content_type: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Sends a request, reads its answer to the end of the connection, and checks that it is a 400 that contains `reason`.
fn check(service: &Service, case: &str, request: &[&[u8]], ends: bool, reason: &str) {
    let mut stream = connect(service);
    for part in request {
        stream
            .write_all(part)
            .unwrap_or_else(|error| panic!("{case}: {error}"));
    }
    if ends {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .unwrap_or_else(|error| panic!("{case}: {error}"));

    assert!(answer.starts_with("HTTP/1.1 400 "), "{case}: {answer:?}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.to_lowercase().contains("x-request-id: "),
        "{case}: {head}"
    );
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let error = if body["error"].is_object() {
        &body["error"]
    } else {
        &body
    };
    assert_eq!(error["code"], "malformed", "{case}: {body}");
    assert!(body.to_string().contains(reason), "{case}: {body}");
}

#[test]
fn malformed_chunks_and_early_ends_are_answered_with_400() {
    let service = Settings::with_workers(0).start();
    let clip = fs::read(fixture("clip.opus")).unwrap();
    let part = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    let form = [&part[..], &clip].concat();

    for (path, content_type, begin) in [
        ("/transcribe", "audio/ogg", clip.as_slice()),
        ("/transcribe", MULTIPART, &form),
        ("/v1/audio/transcriptions", MULTIPART, &form),
        ("/render", "application/json", b"{".as_slice()),
    ] {
        let head = head(path, content_type);
        let head = head.as_bytes();
        let begin = chunk(begin);
        let case = |name: &str| format!("{name}, {path} {content_type}");

        for (name, broken) in [
            ("no size", &b"zz\r\n"[..]),
            ("a negative size", b"-5\r\n"),
            ("a size of more than 64 bits", b"fffffffffffffffff\r\n"),
            ("no line break after the chunk", b"5\r\nabcdeX"),
            ("line feeds alone", b"5\nabcde\n"),
        ] {
            // If the chunk is sent at once, the handler is busy when the error comes; if it is sent
            // later, the handler waits for the body.
            check(&service, &case(name), &[head, broken], false, "chunk");
            check(
                &service,
                &case(name),
                &[head, &begin, broken],
                false,
                "chunk",
            );
        }

        for (name, rest) in [
            ("an end between chunks", &b""[..]),
            ("an end in a size", b"5"),
            ("an end in a chunk", b"500\r\nabc"),
        ] {
            check(
                &service,
                &case(name),
                &[head, &begin, rest],
                true,
                "ended before",
            );
        }
    }
    eventually("no file is left", || {
        service.files().is_empty().then_some(())
    });
}

#[test]
fn a_client_that_still_sends_after_a_malformed_chunk_can_read_the_answer() {
    let service = Settings::with_workers(0).start();
    let head = head("/transcribe", "audio/ogg");
    let more = vec![b'a'; 8_000_000];
    for begin in [Vec::new(), chunk(&vec![0; 100_000])] {
        check(
            &service,
            "8 MB more",
            &[head.as_bytes(), &begin, b"zz\r\n", &more],
            false,
            "chunk",
        );
    }
}

#[test]
fn a_form_without_its_closing_boundary_is_answered_with_400() {
    let service = Settings::with_workers(0).start();
    let body = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhalf";
    let answer = service
        .client
        .post("/transcribe", MULTIPART, body.as_bytes());
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(
        answer.problem().detail.contains("closing boundary"),
        "{}",
        answer.text()
    );
}

#[test]
fn a_form_with_too_many_parts_is_refused() {
    let service = Settings::with_workers(0).start();
    let part = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
    let body = part.repeat(10_001);
    for (path, status) in [("/transcribe", 422), ("/v1/audio/transcriptions", 400)] {
        let answer = service.client.post(path, MULTIPART, body.as_bytes());
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(
            answer.text().contains("10000 parts"),
            "{path}: {}",
            answer.text()
        );
    }
    assert_eq!(service.files(), Vec::<String>::new());
}

#[test]
fn a_wav_file_is_recognised_although_its_first_chunk_is_short() {
    let service = Settings::with_workers(0).in_data_folder().start();
    let wav = fs::read(fixture("clip.wav")).unwrap();
    let part =
        b"--x\r\nContent-Disposition: form-data; name=\"audio_file\"; filename=\"a\"\r\n\r\n";
    let mut stream = connect(&service);
    stream
        .write_all(head("/asr?encode=false", MULTIPART).as_bytes())
        .unwrap();
    for piece in [&part[..], &wav[..2], &wav[2..], b"\r\n--x--\r\n"] {
        stream.write_all(&chunk(piece)).unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();

    let stored = eventually("the recording is stored", || {
        let files = service.files();
        files.into_iter().find(|name| !name.contains(".part"))
    });
    let stored = fs::read(service.data().join("audio").join(stored)).unwrap();
    assert!(stored == wav, "a second header was put before the file");
}
