//! Invariant: every call that cannot be served answers with a problem whose code is stable, and leaves no file.

use steno_e2e::{Answer, Settings, fixture};
use steno_models::{JobId, ProblemCode};

fn check(answer: &Answer, status: u16, code: ProblemCode) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.problem().code, code);
}

#[test]
fn unknown_addresses_and_methods_are_problems() {
    let service = Settings::with_workers(0).start();
    let client = &service.client;
    check(&client.get("/nothing/here"), 404, ProblemCode::NotFound);
    let removed = client.post("/api/transcribe", "audio/wav", b"x");
    check(&removed, 404, ProblemCode::NotFound);
    assert!(removed.problem().detail.contains("POST /transcribe"));
    let wrong = client.delete("/transcribe");
    check(&wrong, 405, ProblemCode::MethodNotAllowed);
    assert_eq!(wrong.header("allow"), Some("GET, HEAD, POST"));
    check(
        &client.post("/healthz", "text/plain", b""),
        405,
        ProblemCode::MethodNotAllowed,
    );

    check(
        &client.get(&format!("/transcribe/{}", JobId::random())),
        404,
        ProblemCode::NotFound,
    );

    check(
        &client.get("/transcribe/..%2f..%2fetc%2fpasswd"),
        404,
        ProblemCode::NotFound,
    );

    check(
        &client.delete(&format!("/transcribe/{}", JobId::random())),
        404,
        ProblemCode::NotFound,
    );

    assert_eq!(client.get("/healthz").status, 200);

    assert_eq!(client.get("/readyz").status, 200);
}

#[test]
fn options_that_cannot_be_are_named() {
    let service = Settings::with_workers(0).start();
    let client = &service.client;
    let audio = fixture("clip.wav");
    for (query, pointer) in [
        ("temperature=NaN", "/temperature"),
        ("temperature=2", "/temperature"),
        ("language=klingon", "/language"),
        ("beam_size=0", "/beam_size"),
        ("priority=99", "/priority"),
        ("prompt=a%00b", "/prompt"),
        ("metadata=%5B%5D", "/metadata"),
        ("colour=red", "/colour"),
        ("language=en&language=fr", "/language"),
        ("task=sing", "/task"),
        ("word_timestamps=perhaps", "/word_timestamps"),
        ("max_line_width=7", "/max_line_width"),
        ("max_line_width=20&max_line_count=11", "/max_line_count"),
        ("max_line_width=0&max_line_count=2", "/max_line_count"),
        ("beam_size=1.5", "/beam_size"),
        ("track=0", "/track"),
        ("temperature=", "/temperature"),
        ("model=", "/model"),
        ("metadata=%7B%22a%22:%22%5Cu0000%22%7D", "/metadata"),
    ] {
        let answer = client.upload(&audio, query);
        check(&answer, 422, ProblemCode::InvalidOptions);
        assert_eq!(answer.problem().errors[0].pointer, pointer, "{query}");
    }

    let megabyte = "x".repeat(1 << 20);
    for name in ["prompt", "metadata", "language", "colour"] {
        let answer = client.post_form("/transcribe", &audio, &[(name, &megabyte)]);
        check(&answer, 422, ProblemCode::InvalidOptions);
        assert_eq!(answer.problem().errors[0].pointer, format!("/{name}"));
    }

    // What is nested deeper than any parser reads would be accepted by one, and unreadable for the next.
    for depth in [33, 126, 127, 128, 1000] {
        let nested = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        let answer = client.post_form("/transcribe", &audio, &[("metadata", &nested)]);
        check(&answer, 422, ProblemCode::InvalidOptions);
        assert_eq!(
            answer.problem().errors[0].pointer,
            "/metadata",
            "{depth} deep"
        );
    }

    check(
        &client.upload(&audio, "prompt=%ff%fe"),
        400,
        ProblemCode::Malformed,
    );

    check(
        &client.upload(&audio, "model=large-v9"),
        422,
        ProblemCode::ModelUnavailable,
    );

    assert_eq!(service.files(), Vec::<String>::new());
}

#[test]
fn bodies_that_are_no_recording_are_refused() {
    let service = Settings::with_workers(0).start();
    let client = &service.client;
    check(
        &client.post("/transcribe", "audio/wav", b""),
        422,
        ProblemCode::InvalidOptions,
    );

    check(
        &client.post("/transcribe", "application/x-www-form-urlencoded", b"abc"),
        415,
        ProblemCode::UnsupportedMediaType,
    );

    check(
        &client.post("/transcribe", "multipart/form-data", b"abc"),
        400,
        ProblemCode::Malformed,
    );

    let cut =
        b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhalf of it";
    check(
        &client.post("/transcribe", "multipart/form-data; boundary=x", cut),
        400,
        ProblemCode::Malformed,
    );

    let without_file =
        b"--x\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nen\r\n--x--\r\n";
    let answer = client.post(
        "/transcribe",
        "multipart/form-data; boundary=x",
        without_file,
    );

    check(&answer, 422, ProblemCode::InvalidOptions);
    assert_eq!(answer.problem().errors[0].pointer, "/file");
    let part =
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\naudio\r\n";
    let twice = format!("{part}{part}--x--\r\n");
    check(
        &client.post(
            "/transcribe",
            "multipart/form-data; boundary=x",
            twice.as_bytes(),
        ),
        422,
        ProblemCode::InvalidOptions,
    );

    assert_eq!(service.files(), Vec::<String>::new());
}

#[test]
fn multipart_fields_may_come_in_any_order() {
    let service = Settings::with_workers(0).start();
    let file = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../etc/passwd\"\r\n\r\naudio\r\n";
    let field = "--x\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nfr\r\n";
    for body in [
        format!("{file}{field}--x--\r\n"),
        format!("{field}{file}--x--\r\n"),
    ] {
        let answer = service.client.post(
            "/transcribe",
            "multipart/form-data; boundary=x",
            body.as_bytes(),
        );
        assert_eq!(answer.status, 202, "{}", answer.text());
        let job = answer.json()["job_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(
            answer.header("location"),
            Some(format!("/transcribe/{job}").as_str())
        );
        assert_eq!(service.client.status(job).language.as_deref(), Some("fr"));
    }
}
