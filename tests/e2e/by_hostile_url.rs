//! Hostile addresses and servers, through the whole service: each job fails with its reason, and
//! nothing is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use steno_e2e::{Service, Settings, eventually, fixture};
use steno_models::{FetchState, JobId};

use crate::by_url::{recording, settings, submit};
use crate::origin::{Origin, Step, answer, head_of};

/// A service whose limits of size a test can reach.
fn small_settings() -> Settings {
    settings()
        .set("STENO_MAX_UPLOAD_BYTES", "100000")
        .set("STENO_FETCH_SLOTS", "64")
}

/// Waits for the end of a job that must fail, and checks its reason.
fn check(service: &Service, job: JobId, what: &str, reason: &str) {
    let ended = service.client.wait(job);
    let error = ended.error.unwrap();
    assert_eq!(error.code.as_str(), "fetch_failed", "{what}: {error:?}");
    assert_eq!(error.reason.as_deref(), Some(reason), "{what}: {error:?}");
}

fn redirect(to: &str) -> Origin {
    let head = format!("302 Found\r\nlocation: {to}");
    Origin::start(move |_| answer(&head, b""))
}

fn always(steps: Vec<Step>) -> Origin {
    Origin::start(move |_| steps.clone())
}

#[test]
fn no_download_reaches_an_address_that_is_not_permitted() {
    let service = small_settings().start();
    // Would answer, if it were called.
    let inside = Origin::on("127.0.0.2", |_| answer("200 OK", b"secret"));
    let port = inside.url("/").rsplit(':').next().unwrap().to_owned();
    let mut jobs = Vec::new();

    for address in [
        inside.url("/"),
        format!("http://2130706434:{port}"),
        format!("http://0177.0.0.2:{port}"),
        format!("http://0x7f000002:{port}"),
        format!("http://127.2:{port}"),
        format!("http://[::ffff:127.0.0.2]:{port}"),
        format!("http://[::127.0.0.2]:{port}"),
        format!("http://[64:ff9b::7f00:2]:{port}"),
        format!("http://[2002:7f00:2::]:{port}"),
        format!("http://[::1]:{port}"),
        "http://0.0.0.0/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://172.16.0.1/".to_owned(),
        "http://192.168.0.1/".to_owned(),
        "http://100.64.0.1/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/latest/meta-data/".to_owned(),
        "http://[fe80::1]/".to_owned(),
        "http://224.0.0.1/".to_owned(),
        "http://255.255.255.255/".to_owned(),
    ] {
        jobs.push((
            submit(&service, &address),
            address.clone(),
            "address_refused",
        ));
        // The same behind a redirect from an address that is permitted.
        let redirect = redirect(&address);
        let what = format!("a redirect to {address}");
        jobs.push((
            submit(&service, &redirect.url("/")),
            what,
            "address_refused",
        ));
    }
    jobs.push((
        submit(&service, "http://1.1.1.1:22/"),
        "a port of another service".to_owned(),
        "port_refused",
    ));

    for (job, what, reason) in jobs {
        check(&service, job, &what, reason);
    }
    assert!(inside.requests().is_empty(), "{:?}", inside.requests());
    assert!(service.files().is_empty());
}

#[test]
fn servers_that_mean_harm_cost_only_their_own_job() {
    let service = small_settings().start();
    let page = b"<!DOCTYPE html><html><title>Talk</title></html>";
    let zeros = vec![0; 4096];
    let packed = "200 OK\r\ncontent-encoding: gzip";
    let cases = [
        (
            "a page",
            answer("200 OK\r\ncontent-type: audio/mpeg", page),
            "web_page",
        ),
        ("401", answer("401 Unauthorized", b"sound"), "access_denied"),
        ("403", answer("403 Forbidden", b"sound"), "access_denied"),
        ("404", answer("404 Not Found", b"sound"), "not_found"),
        ("410", answer("410 Gone", b"sound"), "not_found"),
        ("an empty recording", answer("200 OK", b""), "empty"),
        ("a gzip bomb", answer(packed, &zeros), "encoded"),
        (
            "too large, declared",
            vec![Step::Send(head_of("200 OK", 100_001)), Step::Hang],
            "too_large",
        ),
        (
            "too large, without a length",
            vec![
                Step::Send(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
                Step::Endless(zeros),
            ],
            "too_large",
        ),
        (
            "headers without end",
            vec![
                Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()),
                Step::Endless(b"a: b\r\n".to_vec()),
            ],
            "headers_too_large",
        ),
    ];
    let jobs = cases.map(|(what, steps, reason)| {
        let origin = always(steps);
        (submit(&service, &origin.url("/")), what, reason)
    });

    let endless = Origin::start(|_| answer("302 Found\r\nlocation: /again", b""));
    let around = submit(&service, &endless.url("/"));
    let leaving = submit(&service, &redirect("file:///etc/passwd").url("/"));

    for (job, what, reason) in jobs {
        check(&service, job, what, reason);
    }
    check(
        &service,
        around,
        "redirects without end",
        "too_many_redirects",
    );
    assert_eq!(endless.requests().len(), 6);
    check(
        &service,
        leaving,
        "a redirect to a file",
        "invalid_redirect",
    );
    assert!(service.files().is_empty());

    // The next one is fetched as ever.
    let origin = Origin::of(recording());
    let uploaded = service.client.submit(&fixture("clip.opus"), "language=en");
    let job = submit(&service, &origin.url("/"));
    let text = service.client.wait_for_text(job);
    assert_eq!(text, service.client.wait_for_text(uploaded));
}

#[test]
fn what_may_be_better_later_is_tried_again() {
    let service = small_settings()
        .set("STENO_FETCH_CHUNK_TIMEOUT", "1s")
        .set("STENO_FETCH_TIMEOUT", "15s")
        .set("STENO_FETCH_MIN_RATE", "2000")
        .start();
    let failing = Origin::start(|_| answer("500 Internal Server Error", b""));
    let silent = always(vec![Step::Hang]);
    let cut = always(vec![
        Step::Send(head_of("200 OK", 90_000)),
        Step::Send(vec![1; 1000]),
    ]);
    let slow = Origin::start(|_| {
        let pause = Duration::from_millis(100);
        vec![
            Step::Send(head_of("200 OK", 90_000)),
            Step::Drip(vec![1; 90_000], 10, pause),
        ]
    });
    let recovered = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&recovered);
    let recovering = Origin::start(move |_| {
        if is_well.load(Ordering::SeqCst) {
            answer("200 OK", &recording())
        } else {
            answer("503 Service Unavailable", b"")
        }
    });
    let lasting = submit(&service, &recovering.url("/"));
    let cases = [
        (&failing, "http_status"),
        (&silent, "timed_out"),
        (&cut, "cut_short"),
        (&slow, "too_slow"),
    ];
    let mut waiting: Vec<_> = cases
        .iter()
        .map(|(origin, reason)| (submit(&service, &origin.url("/")), *reason))
        .collect();
    waiting.push((lasting, "http_status"));

    let mut left = waiting.clone();
    eventually("an attempt of each has failed for its reason", || {
        left.retain(|(job, reason)| {
            let fetch = service.client.status(*job).fetch;
            let retried = fetch.filter(|fetch| fetch.state == FetchState::Retrying);
            // On a slow machine, an attempt can also fail because its time is over.
            retried.is_none_or(|fetch| fetch.problem.as_deref() != Some(*reason))
        });
        left.is_empty().then_some(())
    });
    recovered.store(true, Ordering::SeqCst);
    service.client.wait_for_text(lasting);
}

#[test]
fn an_api_key_cannot_store_more_by_address_than_by_upload() {
    let service = settings().set("STENO_KEY_MAX_BYTES", "50000");
    let mut service = service.start_nothing();
    let keys = service.scratch().join("keys");
    let file = keys.to_str().unwrap().to_owned();
    let (code, key, problem) = service.cli(&["keys", "add", "alice", "--api-keys-file", &file]);
    assert_eq!(code, Some(0), "{problem}");
    assert!(service.try_start_api(&[("STENO_API_KEYS_FILE", &file)]));
    service.start_courier();
    let client = service.client.with_key(key.trim());

    let declared = always(vec![Step::Send(head_of("200 OK", 60_000)), Step::Hang]);
    let body = serde_json::json!({"url": declared.url("/")}).to_string();
    let answer = client.post("/transcribe", "application/json", body.as_bytes());
    let job = answer.accepted().unwrap();
    let error = client.wait(job).error.unwrap();
    assert_eq!(error.reason.as_deref(), Some("quota_exceeded"), "{error:?}");
    assert!(service.files().is_empty());
}
