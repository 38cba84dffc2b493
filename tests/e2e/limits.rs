//! Invariant: an upload that is not accepted leaves no file, however it ends.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use steno_e2e::{Service, Settings, eventually, fixture};
use steno_models::ProblemCode;

/// A connection on which a test speaks HTTP as it likes.
pub(crate) fn connect(service: &Service) -> TcpStream {
    let stream = TcpStream::connect(&service.environment()["STENO_BIND"]).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

#[test]
fn a_recording_over_the_limit_is_refused_before_and_while_it_is_read() {
    let service = Settings::with_workers(0)
        .set("STENO_MAX_UPLOAD_BYTES", "100kB")
        .start();
    let announced = service
        .client
        .post("/transcribe", "audio/wav", &vec![0; 200_000]);
    assert_eq!(
        (announced.status, announced.problem().code),
        (413, ProblemCode::UploadTooLarge)
    );
    assert!(announced.problem().detail.contains("100000"));

    // Without a length the server can only count: the recording, and unexpected parts.
    let second = "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
    let field = "--x\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n";
    for (content_type, begin) in [
        ("audio/wav", String::new()),
        (
            "multipart/form-data; boundary=x",
            format!("{second}a\r\n{second}"),
        ),
        ("multipart/form-data; boundary=x", field.to_owned()),
    ] {
        let mut stream = connect(&service);
        let head = format!(
            "POST /transcribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        if !begin.is_empty() {
            stream.write_all(chunk(&begin).as_bytes()).unwrap();
        }
        let filler = chunk(&"a".repeat(10_000));
        // More than the recording and 5 MiB of other fields. The server may answer and close before everything is sent.
        let sent = (0..600)
            .take_while(|_| stream.write_all(filler.as_bytes()).is_ok())
            .count();
        let mut answer = [0; 12];
        stream
            .read_exact(&mut answer)
            .unwrap_or_else(|error| panic!("{content_type}: {error} after {sent} chunks"));
        assert_eq!(&answer, b"HTTP/1.1 413");
    }
    eventually("no file is left", || {
        service.files().is_empty().then_some(())
    });
}

#[test]
fn a_client_that_goes_away_in_mid_upload_leaves_no_file() {
    let service = Settings::with_workers(0).start();
    let mut stream = connect(&service);
    stream
        .write_all(
            b"POST /transcribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: 9000000\r\n\r\n",
        )
        .unwrap();
    stream.write_all(&vec![1; 600_000]).unwrap();
    eventually("the upload has begun", || {
        (service.files().len() == 1).then_some(())
    });
    drop(stream);
    eventually("no file is left", || {
        service.files().is_empty().then_some(())
    });
}

#[test]
fn a_client_that_stops_sending_gets_408() {
    let service = Settings::with_workers(0)
        .set("STENO_UPLOAD_CHUNK_TIMEOUT", "1s")
        .start();
    let mut stream = connect(&service);
    stream
        .write_all(
            b"POST /transcribe HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\nContent-Length: 9000\r\n\r\nabc",
        )
        .unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    eventually("no file is left", || {
        service.files().is_empty().then_some(())
    });
}

#[test]
fn a_full_queue_and_a_full_disk_are_said_honestly() {
    let full = Settings::with_workers(0)
        .set("STENO_MAX_PENDING_JOBS", "1")
        .start();
    let audio = fixture("clip.wav");
    full.client.submit(&audio, "");
    let refused = full.client.upload(&audio, "");
    assert_eq!(
        (refused.status, refused.problem().code),
        (503, ProblemCode::QueueFull)
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(full.files().len(), 1);

    let no_room = Settings::with_workers(0)
        .set("STENO_DISK_RESERVE_BYTES", "1000TB")
        .start();
    let refused = no_room.client.upload(&audio, "");
    assert_eq!(
        (refused.status, refused.problem().code),
        (507, ProblemCode::DiskReserve)
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(no_room.client.get("/readyz").status, 503);
    assert_eq!(no_room.files(), Vec::<String>::new());
}

#[test]
fn what_happens_is_counted_for_prometheus() {
    let service = Settings::with_workers(1).start();
    let metrics = || service.client.get("/metrics").text();
    let value = |text: &str, series: &str| {
        let line = text
            .lines()
            .find(|line| line.split(' ').next() == Some(series));
        line.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
    };

    let job = service.client.submit(&fixture("clip.opus"), "language=en");
    service.client.wait(job);
    let bad = service.client.submit(&fixture("clip.txt"), "");
    service.client.wait(bad);
    service.client.delete(&format!("/transcribe/{job}"));
    let text = metrics();
    for (series, expected) in [
        ("steno_jobs_submitted_total", 2.0),
        ("steno_jobs_ended_total{how=\"completed\"}", 1.0),
        ("steno_jobs_ended_total{how=\"unsupported_media\"}", 1.0),
        ("steno_deletions_total{reason=\"deleted\"}", 1.0),
        ("steno_claims_total{kind=\"prepare\"}", 2.0),
        ("steno_jobs{status=\"failed\"}", 1.0),
        ("steno_jobs{status=\"pending\"}", 0.0),
        ("steno_workers", 1.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series}\n{text}");
    }

    assert!(
        value(&text, "steno_speech_seconds_total").unwrap() > 1.0,
        "{text}"
    );
    assert!(
        value(&text, "steno_task_seconds_total{kind=\"prepare\"}").unwrap() > 0.0,
        "{text}"
    );
    assert!(
        text.contains(
            "steno_http_request_seconds_bucket{method=\"POST\",route=\"/transcribe\",status=\"202\""
        ),
        "{text}"
    );

    assert!(
        !text.contains(&job.to_string()),
        "nothing of a client's is in it"
    );

    // Dashboard and alerts ask for nothing that is not there.
    for file in ["grafana.json", "alerts.yml"] {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/").to_owned() + file;
        let asked = std::fs::read_to_string(path).unwrap();
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        let names = asked
            .split("steno_")
            .skip(1)
            .map(|rest| &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())]);
        let names: BTreeSet<_> = names.collect();
        assert!(names.len() > 6, "{file}: {names:?}");
        for name in names {
            assert!(
                text.contains(&format!("\nsteno_{name}")),
                "{file} asks for steno_{name}"
            );
        }
    }
}

#[test]
fn options_are_checked_before_the_recording_is_received() {
    let service = Settings::with_workers(0).start();
    let form = |field: &str| {
        format!(
            "--x\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\nklingon\r\n\
             --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF"
        )
    };

    for (path, content_type, begin, status) in [
        (
            "/transcribe?language=klingon",
            "audio/wav",
            String::new(),
            "422",
        ),
        (
            "/transcribe?model=klingon",
            "audio/wav",
            String::new(),
            "422",
        ),
        (
            "/transcribe?max_line_width=0&max_line_count=2",
            "audio/wav",
            String::new(),
            "422",
        ),
        (
            "/transcribe?colour=red",
            "multipart/form-data; boundary=x",
            String::new(),
            "422",
        ),
        (
            "/transcribe",
            "multipart/form-data; boundary=x",
            form("language"),
            "422",
        ),
        (
            "/transcribe",
            "multipart/form-data; boundary=x",
            form("model"),
            "422",
        ),
        (
            "/v1/audio/transcriptions",
            "multipart/form-data; boundary=x",
            form("temperature"),
            "400",
        ),
    ] {
        let mut stream = connect(&service);
        // Nine megabytes are announced, and never sent.
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: 9000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(begin.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&answer),
            format!("HTTP/1.1 {status}"),
            "{path} {begin}"
        );
    }

    eventually("no file is left", || {
        service.files().is_empty().then_some(())
    });
}
