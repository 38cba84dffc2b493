//! Tests of `steno transcribe` against a scripted server.

use std::fs;

use clap::Parser;
use serde_json::{Value, json};

use super::*;
use crate::client::test_server::{Answer, TestServer};

const ID: &str = "6f6f0a60-0000-4000-8000-000000000001";

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    arguments: TranscribeArguments,
}

fn parse(arguments: &[&str]) -> Result<TranscribeArguments, clap::Error> {
    Cli::try_parse_from([&["transcribe"], arguments].concat()).map(|cli| cli.arguments)
}

fn accepted() -> Answer {
    let body = json!({"job_id": ID, "status": "pending", "created_at": "2026-01-02T03:04:05Z",
                      "ttl_deadline": "2026-01-03T03:04:05Z", "position": 1});
    Answer::Send("202 Accepted", "", body.to_string())
}

fn status(status: &str, error: &Value) -> Answer {
    let body = json!({
        "job_id": ID, "status": status, "language": "en", "progress": 1.0, "position": null, "eta_seconds": null,
        "created_at": "2026-01-02T03:04:05Z", "started_at": null, "finished_at": null, "retrieved_at": null,
        "delete_after": null, "ttl_deadline": "2026-01-03T03:04:05Z", "duration_seconds": 1.0, "attempts": 1,
        "error": error, "metadata": null, "result": null,
    });
    Answer::Send("200 OK", "", body.to_string())
}

fn problem(status: &'static str, more: &'static str, code: &str) -> Answer {
    let number: u16 = status[..3].parse().unwrap();
    let body = json!({"type": "t", "title": "t", "status": number, "detail": "the detail", "instance": "/", "code": code,
                      "request_id": "r"});
    Answer::Send(status, more, body.to_string())
}

fn text(body: &str) -> Answer {
    Answer::Send("200 OK", "", body.to_owned())
}

fn deleted() -> Answer {
    Answer::Send("204 No Content", "", String::new())
}

/// A folder with a recording `talk.wav`; runs the command on it, with the result going to `talk.srt` beside it.
fn run_on_a_talk(url: &str, more: &[&str]) -> (tempfile::TempDir, Result<()>) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("talk.wav"), "the recording").unwrap();
    let (talk, result) = (path("talk.wav"), path("talk.srt"));
    let arguments = [&[talk.as_str(), "-o", &result, "--url", url], more].concat();
    let done = run(&parse(&arguments).unwrap());
    (folder, done)
}

#[test]
fn the_result_is_written_before_it_is_acknowledged() {
    let server = TestServer::start(vec![
        accepted(),
        status("processing", &Value::Null),
        status("completed", &Value::Null),
        text("1\n00:00"),
        deleted(),
    ]);
    let url = server.url.clone();
    let (folder, done) = run_on_a_talk(&url, &["--language", "en", "--prompt", "a & b"]);
    done.unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("talk.srt")).unwrap(), "1\n00:00");
    let calls = server.calls();
    let lines: Vec<_> = calls.iter().map(|call| call.line.as_str()).collect();
    let wait = lines[1].to_owned();
    assert!(wait.starts_with(&format!("GET /transcribe/{ID}?wait=")) && wait.ends_with("&keep=true"), "{wait}");
    assert_eq!(lines[0], "POST /transcribe?language=en&prompt=a%20%26%20b");
    assert_eq!(lines[3], format!("GET /transcribe/{ID}?wait=0&format=srt&keep=true"));
    assert_eq!(lines[4], format!("DELETE /transcribe/{ID}"));
    assert_eq!(calls[0].body, b"the recording");
    for header in ["content-type: application/octet-stream", "content-length: 13"] {
        assert!(calls[0].headers.iter().any(|line| line == header), "{:?}", calls[0].headers);
    }
}

#[test]
fn a_result_that_cannot_be_written_is_not_acknowledged() {
    let server = TestServer::start(vec![accepted(), status("completed", &Value::Null), text("text")]);
    let folder = tempfile::tempdir().unwrap();
    let talk = folder.path().join("talk.wav");
    fs::write(&talk, "the recording").unwrap();
    let arguments = [talk.to_str().unwrap(), "-o", "/dev/full", "--url", &server.url];
    let error = format!("{:#}", run(&parse(&arguments).unwrap()).unwrap_err());
    assert!(error.contains(&format!("steno fetch {ID}")) && error.contains("/dev/full"), "{error}");
    assert_eq!(server.calls().len(), 3);
}

#[test]
fn a_server_that_restarts_loses_nothing() {
    let server = TestServer::start(vec![
        accepted(),
        Answer::HangUp,
        problem("503 Service Unavailable", "Retry-After: 0\r\n", "not_ready"),
        status("completed", &Value::Null),
        Answer::HangUp,
        text("text"),
        Answer::HangUp,
        deleted(),
    ]);
    let (folder, done) = run_on_a_talk(&server.url.clone(), &[]);
    done.unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("talk.srt")).unwrap(), "text");
    assert_eq!(server.calls().len(), 8);
}

#[test]
fn a_full_queue_is_waited_for_with_one_key() {
    let full = || problem("503 Service Unavailable", "Retry-After: 0\r\n", "queue_full");
    let server =
        TestServer::start(vec![full(), full(), accepted(), status("completed", &Value::Null), text("t"), deleted()]);
    run_on_a_talk(&server.url.clone(), &[]).1.unwrap();
    let calls = server.calls();
    let key = |call: usize| calls[call].headers.iter().find(|line| line.starts_with("idempotency-key: ")).unwrap();
    assert_eq!(key(0), key(2));
    assert_eq!(calls[2].body, b"the recording");
}

#[test]
fn a_server_that_ends_every_upload_is_not_tried_for_long() {
    let server = TestServer::start(vec![Answer::HangUp, Answer::HangUp]);
    let error = run_on_a_talk(&server.url.clone(), &[]).1.unwrap_err();
    assert!(format!("{error:#}").contains("STENO_MAX_UPLOAD_BYTES"), "{error:#}");
    assert_eq!(exit_code(&error), 1);
    assert_eq!(server.calls().len(), 2);
}

#[test]
fn a_failed_job_is_told_and_kept() {
    let error = json!({"code": "corrupt_audio", "message": "the recording cannot be decoded"});
    let server = TestServer::start(vec![accepted(), status("failed", &error)]);
    let error = run_on_a_talk(&server.url.clone(), &[]).1.unwrap_err();
    assert_eq!(format!("{error:#}"), "talk.wav: the job failed: the recording cannot be decoded (corrupt_audio)");
    assert_eq!(exit_code(&error), 1);
    assert_eq!(server.calls().len(), 2);
}

#[test]
fn exit_codes_tell_refusals_from_absence() {
    let server = TestServer::start(vec![problem("413 Content Too Large", "", "upload_too_large")]);
    let error = run_on_a_talk(&server.url.clone(), &[]).1.unwrap_err();
    assert!(format!("{error:#}").ends_with("the detail (upload_too_large)"), "{error:#}");
    assert_eq!(exit_code(&error), 1);
    let server = TestServer::start(vec![problem("503 Service Unavailable", "Retry-After: 30\r\n", "queue_full")]);
    let error = run_on_a_talk(&server.url.clone(), &["--retry-for", "5s"]).1.unwrap_err();
    assert_eq!(exit_code(&error), EXIT_UNREACHABLE);
    // Nobody listens there any more.
    let url = server.url.clone();
    server.calls();
    let error = run_on_a_talk(&url, &[]).1.unwrap_err();
    assert!(format!("{error:#}").contains("steno up"), "{error:#}");
    assert_eq!(exit_code(&error), EXIT_UNREACHABLE);
}

#[test]
fn one_failure_does_not_stop_the_others() {
    let server = TestServer::start(vec![
        problem("415 Unsupported Media Type", "", "unsupported_media_type"),
        accepted(),
        status("completed", &Value::Null),
        text("second"),
        deleted(),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let paths = ["none.wav", "a.wav", "b.wav"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    fs::write(&paths[1], "a").unwrap();
    fs::write(&paths[2], "b").unwrap();
    let arguments = [&paths[0], &paths[1], &paths[2], "--url", &server.url];
    let error = run(&parse(&arguments).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "2 of 3 files failed");
    assert_eq!(fs::read_to_string(folder.path().join("b.txt")).unwrap(), "second");
    assert!(!folder.path().join("a.txt").exists());
    assert_eq!(server.calls().len(), 5);
}

#[test]
fn options_are_checked_before_the_upload() {
    let arguments = parse(&["a.wav", "--language", "klingon", "--beam-size", "9", "--priority", "-3"]).unwrap();
    let error = run(&arguments).unwrap_err();
    assert_eq!(exit_code(&error), 2);
    let message = error.to_string();
    assert!(message.contains("--language: ") && message.contains("--beam-size: "), "{message}");
    assert!(!message.contains("--priority"), "{message}");
    assert!(parse(&["a.wav", "--task", "sing"]).is_err());
    assert!(parse(&["a.wav", "--format", "docx"]).is_err());
    assert!(parse(&[]).is_err());
}
