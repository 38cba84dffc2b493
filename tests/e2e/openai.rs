//! What OpenAI's clients rely on beyond the shape of answers: a call is a job, and a job is not lost.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use steno_e2e::{Answer, Service, Settings, eventually, fixture, form};
use steno_models::{JobId, JobList, JobStatus};

const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";

fn jobs(service: &Service) -> Vec<JobStatus> {
    serde_json::from_slice::<JobList>(&service.client.get("/transcribe").body).unwrap().jobs
}

fn job_of(answer: &Answer) -> JobId {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-job-id").unwrap().parse().unwrap()
}

/// Sends a transcription and leaves without waiting for the answer.
fn send_and_leave(service: &Service) {
    let (content_type, body) = form(&fixture("clip.opus"), &[("model", "whisper-1"), ("language", "en")]);
    let mut connection = TcpStream::connect(service.address()).unwrap();
    let length = body.len();
    let head = format!(
        "POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {length}"
    );
    write!(connection, "{head}\r\n\r\n").unwrap();
    connection.write_all(&body).unwrap();
    eventually("the upload is a job", || (jobs(service).len() == 1).then_some(()));
    connection.shutdown(Shutdown::Both).unwrap();
}

#[test]
fn a_client_that_leaves_loses_nothing_and_nothing_is_computed_twice() {
    let mut service = Settings::with_workers(0).start();
    send_and_leave(&service);
    service.start_worker();
    let job = jobs(&service)[0].job_id;
    let ended = service.client.wait(job);
    let delivered = format!("delivered the result of job {job}");
    assert!(!service.api.as_ref().unwrap().log().contains(&delivered), "nobody was there to take it");
    assert_eq!(ended.retrieved_at, None);
    let fields = [("model", "whisper-1"), ("language", "en")];
    let again = service.client.post_form(TRANSCRIPTIONS, &fixture("clip.opus"), &fields);
    assert_eq!(job_of(&again), job);
    assert_eq!(again.json()["text"], ended.result.unwrap().text.as_str());
    service.api.as_ref().unwrap().wait_for_log(&delivered);
    assert!(service.client.status(job).retrieved_at.is_some(), "the call counts as retrieval");
    assert_eq!(jobs(&service).len(), 1);
    let other =
        service.client.post_form(TRANSCRIPTIONS, &fixture("clip.opus"), &[("model", "whisper-1"), ("language", "de")]);
    assert_ne!(job_of(&other), job, "other options are another job");
}

#[test]
fn a_stream_is_a_retrieval_when_it_ends() {
    let service = Settings::with_workers(1).set("STENO_SLOTS", "2").set("STENO_RETRIEVAL_GRACE", "60s").start();
    let fields = [("model", "whisper-1"), ("language", "en"), ("stream", "true")];
    let answer = service.client.post_form(TRANSCRIPTIONS, &fixture("long.opus"), &fields);
    let job = job_of(&answer);
    let deltas = answer.text().matches("transcript.text.delta").count();
    assert!(deltas > 5, "it came in {deltas} pieces");
    let status = eventually("the retrieval is noted", || {
        Some(service.client.status(job)).filter(|job| job.retrieved_at.is_some())
    });
    assert!(status.retrieved_at >= status.finished_at, "{status:?}");
}

#[test]
fn a_long_poll_whose_client_has_left_is_no_retrieval() {
    let mut service = Settings::with_workers(0).start();
    let job = service.client.submit(&fixture("clip.opus"), "language=en");
    let mut connection = TcpStream::connect(service.address()).unwrap();
    write!(connection, "GET /transcribe/{job}?wait=60 HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    // Another call over the same server, so that the first is surely being answered.
    assert_eq!(service.client.get("/healthz").status, 200);
    connection.shutdown(Shutdown::Both).unwrap();
    service.start_worker();
    service.client.wait(job);
    service.api.as_ref().unwrap().wait_for_log("GET /transcribe/{job_id} answered 200 OK");
    assert_eq!(service.client.status(job).retrieved_at, None);
}

#[test]
fn errors_have_openai_s_shape_and_leave_no_file() {
    let service = Settings::with_workers(0).start();
    let clip = fixture("clip.opus");
    let long = "x".repeat(100_000);
    for (fields, param) in [
        (&[("model", "whisper-1"), ("temperature", "NaN")][..], "temperature"),
        (&[("model", "whisper-1"), ("temperature", "2")], "temperature"),
        (&[("model", "whisper-1"), ("language", "klingon")], "language"),
        (&[("model", "whisper-1"), ("prompt", "a\0b")], "prompt"),
        (&[("model", "whisper-1"), ("prompt", long.as_str())], "prompt"),
        (&[("model", "whisper-1"), ("model", "whisper-1")], "model"),
        (&[("model", "../../etc/passwd")], "model"),
        (&[("model", "whisper-1"), ("stream", "true"), ("response_format", "srt")], "stream"),
        (&[("model", "whisper-1"), ("timestamp_granularities[]", "word")], "timestamp_granularities"),
        (&[("model", "whisper-1"), ("colour", "red")], "colour"),
        (&[], "model"),
    ] {
        let answer = service.client.post_form(TRANSCRIPTIONS, &clip, fields);
        let error = &answer.json()["error"];
        assert_eq!((answer.status, error["param"].as_str()), (400, Some(param)), "{}", answer.text());
        assert_eq!(error.as_object().unwrap().len(), 4);
        assert_eq!(
            (error["type"].as_str(), error["code"].as_str()),
            (Some("invalid_request_error"), Some("invalid_options"))
        );
    }
    let nothing = service.client.post_form(TRANSCRIPTIONS, &fixture("bad/empty.wav"), &[("model", "whisper-1")]);
    assert_eq!((nothing.status, nothing.json()["error"]["param"].as_str()), (400, Some("file")));
    for (content_type, status) in [("audio/wav", 415), ("application/json", 415), ("multipart/form-data", 400)] {
        let answer = service.client.post(TRANSCRIPTIONS, content_type, b"RIFF");
        assert_eq!((answer.status, answer.json()["error"]["type"].as_str()), (status, Some("invalid_request_error")));
    }
    assert_eq!(service.client.get("/v1/nothing").json()["error"]["code"], "not_found");
    assert_eq!(service.client.get(TRANSCRIPTIONS).status, 405);
    assert_eq!(service.files(), Vec::<String>::new());
    assert!(jobs(&service).is_empty());
}
