//! What a proxy or an old client does to requests, and mistyped addresses. The proxies of the distribution are in
//! `distribution_proxies.rs`.

use std::fs;
use std::io::{Read as _, Write as _};

use steno_e2e::{Service, Settings, fixture, form};

use crate::limits::connect;

/// Sends a request as it is and returns the whole answer, which ends with the connection.
fn raw(service: &Service, request: &str) -> String {
    let mut stream = connect(service);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn head_is_answered_wherever_get_is_and_extra_slashes_do_no_harm() {
    let service = Settings::with_workers(0).start();
    let job = service.client.submit(&fixture("clip.opus"), "");
    let events = format!("/transcribe/{job}/events");
    let status = format!("/transcribe/{job}");
    for path in [
        "/transcribe",
        &status,
        &events,
        "/v1/models",
        "/v1/models/base",
        "/metrics",
        "/openapi.json",
        "/docs/",
        "/health",
        "/healthz",
        "/readyz",
        "//transcribe//",
        "/healthz/",
        "/v1//models/",
    ] {
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = raw(&service, &head);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{path} has a body: {answer}");
    }
    assert!(service.client.status(job).retrieved_at.is_none());
}

#[test]
fn an_old_client_gets_no_chunks_and_the_end_of_the_connection() {
    let service = Settings::with_workers(1).start();
    let job = service.client.submit(&fixture("clip.opus"), "language=en");
    let answer = raw(
        &service,
        &format!("GET /transcribe/{job}/events HTTP/1.0\r\nHost: localhost\r\n\r\n"),
    );
    assert!(
        !answer.to_lowercase().contains("transfer-encoding"),
        "{answer}"
    );
    assert!(answer.contains("\r\n\r\nevent: status\n"), "{answer}");
    assert!(answer.contains("event: completed"), "{answer}");
    let keep = "GET /healthz HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
    assert!(raw(&service, keep).ends_with("{\"status\":\"ok\"}"));
}

#[test]
fn addresses_in_answers_have_the_prefix_of_the_proxy() {
    let service = Settings::with_workers(0).start();
    let clip = fs::read(fixture("clip.opus")).unwrap();
    let submit = |prefix: &str| {
        let headers = [
            ("content-type", "application/ogg"),
            ("x-forwarded-prefix", prefix),
        ];
        let answer = service.client.post_with("/transcribe", &headers, &clip);
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.header("location").unwrap().to_owned()
    };
    assert!(submit("/steno/").starts_with("/steno/transcribe/"));
    assert!(submit("//evil.example").starts_with("/transcribe/"));
    let docs = raw(&service, "GET /docs HTTP/1.0\r\nHost: localhost\r\n\r\n").to_lowercase();
    assert!(docs.contains("\r\nlocation: docs/\r\n"), "{docs}");
    assert_eq!(
        service.client.get("/openapi.json").json()["servers"][0]["url"],
        "."
    );
}

#[test]
fn wrong_addresses_and_fields_get_a_hint() {
    let service = Settings::with_workers(0).start();
    assert!(
        service.client.get("/v1/v1/models").json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("twice")
    );

    assert!(
        service
            .client
            .get("/audio/transcriptions")
            .problem()
            .detail
            .contains("/v1")
    );

    assert!(
        service
            .client
            .get("/inference")
            .problem()
            .detail
            .contains("whisper.cpp")
    );

    let (content_type, body) = form(&fixture("clip.opus"), &[]);
    let body = String::from_utf8_lossy(&body).replace("name=\"file\"", "name=\"audio_file\"");
    let problem = service
        .client
        .post("/transcribe", &content_type, body.as_bytes())
        .problem();

    assert!(
        problem
            .errors
            .iter()
            .any(|error| error.detail.contains("the field file")),
        "{problem:?}"
    );
}

#[test]
fn pages_of_apps_and_invited_origins_may_call_and_others_learn_the_setting() {
    let service = Settings::with_workers(0)
        .set(
            "STENO_CORS_ORIGINS",
            "chrome-extension://abc,https://a.example",
        )
        .start();

    let preflight = |origin: &str| {
        raw(
            &service,
            &format!(
                "OPTIONS /v1/audio/transcriptions HTTP/1.0\r\nHost: localhost\r\nOrigin: {origin}\r\n\
                 Access-Control-Request-Method: POST\r\n\
                 Access-Control-Request-Headers: authorization,x-stainless-os,prefer\r\n\r\n"
            ),
        )
        .to_lowercase()
    };

    for origin in [
        "app://obsidian.md",
        "tauri://localhost",
        "chrome-extension://abc",
        "https://a.example",
    ] {
        let answer = preflight(origin);
        assert!(
            answer.contains(&format!("access-control-allow-origin: {origin}\r\n")),
            "{answer}"
        );
        assert!(
            answer.contains("access-control-allow-headers: authorization,x-stainless-os,prefer"),
            "{answer}"
        );
    }

    let refused = preflight("https://b.example");
    assert!(
        refused.starts_with("http/1.0 403") || refused.starts_with("http/1.1 403"),
        "{refused}"
    );
    assert!(refused.contains("steno_cors_origins"), "{refused}");
    assert!(
        !refused.contains("access-control-allow-origin"),
        "{refused}"
    );
    let clip = fs::read(fixture("clip.opus")).unwrap();
    let post = |origin: &str| {
        let headers = [
            ("content-type", "audio/ogg"),
            ("origin", origin),
            ("sec-fetch-site", "cross-site"),
        ];
        service.client.post_with("/transcribe", &headers, &clip)
    };

    assert_eq!(post("app://obsidian.md").status, 202);
    let refused = post("https://b.example");
    assert_eq!(refused.status, 403);

    assert!(refused.problem().detail.contains("STENO_CORS_ORIGINS"));
}
