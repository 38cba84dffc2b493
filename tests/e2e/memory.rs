//! Invariant: clients that read slowly, or never end what they send, cost the api little memory, and it gives that back.

use std::io::Write as _;
use std::net::TcpStream;

use steno_e2e::{Service, Settings, eventually, fixture};

use crate::limits::connect;

/// Connections of each attack. With a thousand the old behaviour took more than a gigabyte.
const CONNECTIONS: usize = 150;
/// What the attack may cost. Each connection would cost 1.5 MB, or 125 kB, without bounds.
const MEMORY_LIMIT: u64 = 40 * 1024 * 1024;

fn memory(service: &Service) -> u64 {
    service.api.as_ref().unwrap().memory_bytes().0
}

#[test]
fn slow_readers_of_the_documentation_share_its_bytes() {
    let service = Settings::with_workers(0).start();
    service.client.get("/docs/swagger-ui-bundle.js");
    let before = memory(&service);

    let request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(8);
    let readers: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = connect(&service);
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    // An answered call shows that the event loops have gone through what came before.
    for _ in 0..20 {
        assert_eq!(service.client.get("/healthz").status, 200);
    }
    let grown = memory(&service).saturating_sub(before);
    assert!(
        grown < MEMORY_LIMIT,
        "{grown} bytes for {CONNECTIONS} readers"
    );
    drop(readers);
}

#[test]
fn heads_that_never_end_are_bounded_and_their_memory_is_given_back() {
    let service = Settings::with_workers(0).start();
    let before = memory(&service);
    let head = format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Filler: {}",
        "a".repeat(125_000)
    );

    let mut streams: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = connect(&service);
            // The server may end the connection before all of it is sent.
            let _ = stream.write_all(head.as_bytes());
            stream
        })
        .collect();
    eventually("the server ends them", || {
        for stream in &streams {
            assert_no_timeout(stream);
        }
        streams.retain_mut(|stream| stream.write_all(b"a").is_ok());
        streams.is_empty().then_some(())
    });
    eventually("the memory is given back", || {
        (memory(&service).saturating_sub(before) < MEMORY_LIMIT / 4).then_some(())
    });
}

/// Fails the test if the server ended the connection for its silence instead of its size.
fn assert_no_timeout(stream: &TcpStream) {
    let mut answer = [0; 12];
    stream.set_nonblocking(true).unwrap();
    let length = stream.peek(&mut answer).unwrap_or(0);
    stream.set_nonblocking(false).unwrap();
    assert_ne!(&answer[..length], b"HTTP/1.1 408");
}

#[test]
fn forms_in_progress_share_a_bounded_memory() {
    // None ends because it sends nothing more.
    let service = Settings::with_scripted_workers(0)
        .set("STENO_UPLOAD_CHUNK_TIMEOUT", "600s")
        .start();
    let head = "POST /transcribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n\
                Content-Length: 9000000\r\n\r\n\
                --x\r\nContent-Disposition: form-data; name=\"known_speaker_references\"\r\n\r\n";
    let references = "a".repeat(4_000_000);
    let begin_upload = || {
        let mut stream = connect(&service);
        stream.write_all(head.as_bytes()).unwrap();
        // The api may refuse it before all of it is sent.
        let _ = stream.write_all(references.as_bytes());
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let uploads: Vec<TcpStream> = (0..20).map(|_| begin_upload()).collect();

    // 16 of them fit into 64 MiB.
    eventually("four uploads are refused", || {
        let is_refused = |stream: &&TcpStream| {
            let mut answer = [0; 12];
            stream.peek(&mut answer).is_ok() && &answer == b"HTTP/1.1 503"
        };
        (uploads.iter().filter(is_refused).count() == 4).then_some(())
    });
    let clip = fixture("clip.opus");
    let usual = service
        .client
        .post_form("/transcribe", &clip, &[("language", "en")]);
    assert_eq!(usual.status, 202, "{}", usual.text());

    drop(uploads);
    let fields = [("known_speaker_references", &*references)];
    eventually("the memory is free again", || {
        let read = service.client.post_form("/transcribe", &clip, &fields);
        (read.status == 422).then_some(())
    });
}

#[test]
fn a_caller_that_waits_for_its_text_holds_no_recordings_of_voices() {
    let service = Settings::with_workers(0).start();
    let before = memory(&service);

    // 80 MB of recordings. One after the other, because forms in progress have a limit of their own.
    let mut callers = Vec::new();
    for count in 1..=20 {
        let form = form_with_voices(&format!("Anna {count}"));
        let head = format!(
            "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {}\r\n\r\n",
            form.len()
        );
        let mut stream = connect(&service);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&form).unwrap();
        callers.push(stream);
        eventually("the job is there", || {
            let list = service.client.get("/transcribe?limit=100").json();
            (list["jobs"].as_array()?.len() == count).then_some(())
        });
    }
    eventually("the memory is given back", || {
        (memory(&service).saturating_sub(before) < MEMORY_LIMIT).then_some(())
    });
}

/// A form with a clip and recordings of four voices, a megabyte each.
fn form_with_voices(first_name: &str) -> Vec<u8> {
    let voice = format!("data:audio/ogg;base64,{}", "A".repeat(1_000_000));
    let names = [first_name, "Ben", "Carla", "Dan"];
    let mut fields = vec![("model", "whisper-1"), ("response_format", "diarized_json")];
    for name in names {
        fields.push(("known_speaker_names[]", name));
        fields.push(("known_speaker_references[]", &voice));
    }

    let part = |head: &str| format!("--x\r\nContent-Disposition: form-data; name={head}\r\n\r\n");
    let mut form = part("\"file\"; filename=\"a.opus\"").into_bytes();
    form.extend(std::fs::read(fixture("clip.opus")).unwrap());
    for (name, value) in fields {
        form.extend(format!("\r\n{}{value}", part(&format!("\"{name}\""))).into_bytes());
    }
    form.extend(b"\r\n--x--\r\n");
    form
}

#[test]
fn a_head_of_ordinary_size_may_take_its_time() {
    let service = Settings::with_workers(0).start();
    let mut stream = connect(&service);
    let cookie = "a".repeat(8_000);
    for part in [
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nCookie: ",
        &cookie,
        "\r\n\r\n",
    ] {
        stream.write_all(part.as_bytes()).unwrap();
        // Another call's round trip, so that the parts arrive one by one.
        service.client.get("/healthz");
    }
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn the_documentation_can_be_switched_off() {
    let service = Settings::with_workers(0).set("STENO_DOCS", "false").start();
    for path in ["/docs", "/docs/", "/openapi.json"] {
        assert_eq!(service.client.get(path).status, 404, "{path}");
    }
    assert_eq!(service.client.get("/healthz").status, 200);
}
