//! Recordings that are submitted by their address: the whole way through api, courier and worker.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::json;
use steno_e2e::{Event, Service, Settings, eventually, fixture};
use steno_models::{FetchState, JobId, Status};

use crate::origin::{Origin, Request, Step, head_of};

/// A service with a scripted engine, whose courier may call one address of this machine.
pub(crate) fn settings() -> Settings {
    Settings::with_scripted_workers(1)
        .with_courier()
        .set("STENO_OUTBOUND_ALLOW", "127.0.0.1")
}

pub(crate) fn recording() -> Vec<u8> {
    std::fs::read(fixture("clip.opus")).unwrap()
}

pub(crate) fn submit(service: &Service, url: &str) -> JobId {
    let body = json!({"url": url, "language": "en"}).to_string();
    let answer = service
        .client
        .post("/transcribe", "application/json", body.as_bytes());
    let text = answer.text();
    answer.accepted().unwrap_or_else(|| panic!("{text}"))
}

/// The text of the same recording when it is uploaded.
pub(crate) fn expected_text(service: &Service) -> String {
    let uploaded = service.client.submit(&fixture("clip.opus"), "language=en");
    service.client.wait_for_text(uploaded)
}

/// A recording of which the second half comes when the returned sender is dropped.
fn slow_origin() -> (Origin, Sender<()>) {
    let (held, released) = channel();
    let released = Arc::new(Mutex::new(released));
    let origin = Origin::start(move |_| {
        let body = recording();
        let (half, rest) = body.split_at(body.len() / 2);
        vec![
            Step::Send(head_of("200 OK", body.len())),
            Step::Send(half.to_vec()),
            Step::WaitFor(Arc::clone(&released)),
            Step::Send(rest.to_vec()),
        ]
    });
    (origin, held)
}

pub(crate) fn wait_for_download(service: &Service, job: JobId) {
    eventually("the download has begun", || {
        let fetch = service.client.status(job).fetch?;
        (fetch.state == FetchState::Downloading && fetch.bytes > 0).then_some(())
    });
}

#[test]
fn a_recording_at_an_address_has_the_text_of_the_same_upload() {
    let service = settings().start();
    let origin = Origin::of(recording());
    let expected = expected_text(&service);

    let by_json = submit(&service, &origin.url("/talk.opus?token=tIcKeT"));
    assert_eq!(service.client.wait_for_text(by_json), expected);

    let part = |name: &str, value: &str| {
        format!("--X\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let url = part("url", &origin.url("/talk.opus"));
    let form = format!("{url}{}--X--\r\n", part("language", "en"));
    let answer = service.client.post(
        "/transcribe",
        "multipart/form-data; boundary=X",
        form.as_bytes(),
    );
    let by_form = answer.accepted().unwrap();
    assert_eq!(service.client.wait_for_text(by_form), expected);

    let first = &origin.requests()[0];
    assert_eq!(first.target(), "/talk.opus?token=tIcKeT");
    assert_eq!(first.header("cookie"), None);
}

#[test]
fn the_command_line_takes_an_address() {
    let service = settings().start();
    let origin = Origin::of(recording());
    let expected = expected_text(&service);
    let url = origin.url("/talk.opus?token=tIcKeT");

    let (code, text, log) = service.cli(&["transcribe", &url, "--language", "en"]);
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(text.trim(), expected.trim());
    assert!(log.contains("talk.opus: job"), "{log}");
    assert!(!log.contains("tIcKeT"), "{log}");

    let (code, _, log) = service.cli(&["transcribe", &origin.url("/"), "--local"]);
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("start one with steno up"), "{log}");
}

#[test]
fn an_address_is_forgotten_with_its_fetch_and_never_shown() {
    let service = settings().set("STENO_SWEEP_INTERVAL", "1s").start();
    let (origin, held) = slow_origin();
    let job = submit(&service, &origin.url("/talk?token=tIcKeT"));
    wait_for_download(&service, job);
    assert!(service.holds("tIcKeT"), "the test can see what is there");

    let shown = service.client.get(&format!("/transcribe/{job}?keep=true"));
    assert!(!shown.text().contains("tIcKeT"), "{}", shown.text());
    drop(held);
    service.client.wait_for_text(job);
    let processes = service.couriers.iter().chain(&service.workers);
    for process in processes.chain(&service.api) {
        assert!(!process.log().contains("tIcKeT"), "{}", process.log());
    }
    // The address was in the WAL: the sweep truncates it.
    eventually("the address is in no file", || {
        (!service.holds("tIcKeT")).then_some(())
    });
}

#[test]
fn a_job_says_how_far_its_download_is() {
    let service = settings().start();
    let (origin, held) = slow_origin();
    let job = submit(&service, &origin.url("/"));
    wait_for_download(&service, job);

    let status = service.client.status(job);
    assert_eq!(status.status, Status::Pending);
    assert_eq!(status.fetch.unwrap().total, Some(recording().len() as u64));
    let path = format!("/transcribe/{job}/events");
    let mut events = service.client.events(&path, None);
    let is_downloading =
        |event: &Event| event.name == "fetch" && event.data["state"] == "downloading";
    assert!(events.any(|event| is_downloading(&event)));
    drop(held);
    assert!(events.any(|event| event.name == "completed"));
    assert_eq!(service.client.status(job).fetch, None);
}

#[test]
fn a_broken_transfer_goes_on_where_it_was() {
    let service = settings().start();
    let body = recording();
    let origin = Origin::start(move |request: &Request| {
        let length = body.len();
        let (start, status) = match request.header("range") {
            None => (0, "200 OK\r\netag: \"a\"".to_owned()),
            Some(range) => {
                let start: usize = range["bytes=".len()..]
                    .trim_end_matches('-')
                    .parse()
                    .unwrap();
                let range = format!("bytes {start}-{}/{length}", length - 1);
                (
                    start,
                    format!("206 Partial Content\r\ncontent-range: {range}"),
                )
            }
        };
        // Breaks off after a third, twice.
        let end = if request.index < 2 {
            start + length / 3
        } else {
            length
        };
        let head = head_of(&status, length - start);
        vec![Step::Send([head, body[start..end].to_vec()].concat())]
    });
    let job = submit(&service, &origin.url("/"));

    assert_eq!(service.client.wait_for_text(job), expected_text(&service));
    let ranges: Vec<_> = origin
        .requests()
        .iter()
        .map(|request| request.header("range").map(str::to_owned))
        .collect();
    let third = recording().len() / 3;
    let expected = [
        None,
        Some(format!("bytes={third}-")),
        Some(format!("bytes={}-", 2 * third)),
    ];
    assert_eq!(ranges, expected);
}

#[test]
fn deleting_a_job_stops_its_download_and_leaves_no_byte() {
    let service = settings().start();
    let origin = Origin::start(|_| {
        vec![
            Step::Send(head_of("200 OK", 1_000_000_000)),
            Step::Send(vec![1; 100_000]),
            Step::Hang,
        ]
    });
    let job = submit(&service, &origin.url("/"));
    wait_for_download(&service, job);
    assert_eq!(service.files().len(), 1);

    let answer = service.client.delete(&format!("/transcribe/{job}"));
    assert_eq!(answer.status, 204);
    eventually("the file is gone", || {
        service.files().is_empty().then_some(())
    });
    service.couriers[0].wait_for_log("dropped download");
}

#[test]
fn the_same_address_under_the_same_key_is_one_job() {
    let service = settings().start();
    let origin = Origin::of(recording());
    let submit = |url: &str| {
        let body = json!({"url": url, "language": "en"}).to_string();
        service.client.post_with(
            "/transcribe",
            &[
                ("content-type", "application/json"),
                ("idempotency-key", "talk-7"),
            ],
            body.as_bytes(),
        )
    };
    let first = submit(&origin.url("/a")).accepted().unwrap();
    service.client.wait_for_text(first);

    assert_eq!(submit(&origin.url("/a")).accepted(), Some(first));
    assert_eq!(origin.requests().len(), 1);
    let other = submit(&origin.url("/b"));
    assert_eq!(other.status, 422);
    assert_eq!(other.json()["code"], "idempotency_key_in_use");
}

#[test]
fn a_submission_by_address_is_checked_like_any_other() {
    let service = Settings::with_scripted_workers(0).start();
    let check = |body: &str, status: u16, pointer: &str| {
        let answer = service
            .client
            .post("/transcribe", "application/json", body.as_bytes());
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let text = answer.text();
        assert!(text.contains(pointer), "{body}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    };
    check("[]", 400, "malformed");
    check("{", 400, "malformed");
    check("{}", 422, "/file");
    check(r#"{"url": ""}"#, 422, "/url");
    check(r#"{"url": "ftp://example.org/a"}"#, 422, "/url");
    check(
        r#"{"url": "https://me:hunter2@example.org/a"}"#,
        422,
        "/url",
    );
    check(r#"{"url": ["https://a/", "https://b/"]}"#, 422, "/url");
    check(r#"{"url": "https://a/", "tempo": 1}"#, 422, "/tempo");
    check(
        r#"{"url": "https://a/", "beam_size": 99}"#,
        422,
        "/beam_size",
    );
    let long = format!(
        r#"{{"url": "https://a/", "prompt": "{}"}}"#,
        "a".repeat(70_000)
    );
    check(&long, 413, "upload_too_large");

    let in_query = service.client.post(
        "/transcribe?url=https://example.org/a",
        "application/octet-stream",
        b"sound",
    );
    assert_eq!(in_query.status, 422, "{}", in_query.text());
    let both = service.client.post_form(
        "/transcribe",
        &fixture("clip.opus"),
        &[("url", "https://example.org/a")],
    );
    assert_eq!(both.status, 422, "{}", both.text());
    assert!(service.files().is_empty());
}
