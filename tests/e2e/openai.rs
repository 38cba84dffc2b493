//! What OpenAI's clients rely on beyond the shape of answers: a call is a job, and a job is not lost.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use steno_e2e::{Answer, Service, Settings, eventually, fixture, form};
use steno_models::{JobId, JobList, JobStatus};

const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";

fn jobs(service: &Service) -> Vec<JobStatus> {
    serde_json::from_slice::<JobList>(&service.client.get("/transcribe").body)
        .unwrap()
        .jobs
}

fn job_of(answer: &Answer) -> JobId {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-job-id").unwrap().parse().unwrap()
}

/// Sends a transcription and leaves without waiting for the answer.
fn send_and_leave(service: &Service) {
    let (content_type, body) = form(
        &fixture("clip.opus"),
        &[("model", "whisper-1"), ("language", "en")],
    );
    let mut connection = TcpStream::connect(service.address()).unwrap();
    let length = body.len();
    let head = format!(
        "POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {length}"
    );
    write!(connection, "{head}\r\n\r\n").unwrap();
    connection.write_all(&body).unwrap();
    eventually("the upload is a job", || {
        (jobs(service).len() == 1).then_some(())
    });
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
    assert!(
        !service.api.as_ref().unwrap().log().contains(&delivered),
        "no client was there to read it"
    );
    assert_eq!(ended.retrieved_at, None);
    let fields = [("model", "whisper-1"), ("language", "en")];
    let again = service
        .client
        .post_form(TRANSCRIPTIONS, &fixture("clip.opus"), &fields);
    assert_eq!(job_of(&again), job);
    assert_eq!(again.json()["text"], ended.result.unwrap().text.as_str());
    service.api.as_ref().unwrap().wait_for_log(&delivered);
    assert!(
        service.client.status(job).retrieved_at.is_some(),
        "the call counts as retrieval"
    );
    assert_eq!(jobs(&service).len(), 1);
    let other = service.client.post_form(
        TRANSCRIPTIONS,
        &fixture("clip.opus"),
        &[("model", "whisper-1"), ("language", "de")],
    );
    assert_ne!(job_of(&other), job, "other options are another job");
}

#[test]
fn a_stream_is_a_retrieval_when_it_ends() {
    let service = Settings::with_workers(1)
        .set("STENO_SLOTS", "2")
        .set("STENO_RETRIEVAL_GRACE", "60s")
        .start();
    let fields = [
        ("model", "whisper-1"),
        ("language", "en"),
        ("stream", "true"),
    ];

    let answer = service
        .client
        .post_form(TRANSCRIPTIONS, &fixture("long.opus"), &fields);
    let job = job_of(&answer);
    let deltas = answer.text().matches("transcript.text.delta").count();
    assert!(deltas > 5, "it came in {deltas} pieces");
    // On a busy machine, lines that keep the connection alive come before the first piece.
    let events: Vec<_> = answer
        .text()
        .split("\n\n")
        .filter(|event| !event.starts_with(':'))
        .map(ToOwned::to_owned)
        .collect();
    assert!(
        events[0].starts_with("event: transcript.text.delta\ndata: {"),
        "{}",
        events[0]
    );

    assert_eq!(events[events.len() - 2..], ["data: [DONE]", ""]);
    let done = events[events.len() - 3]
        .strip_prefix("event: transcript.text.done\ndata: ")
        .unwrap();
    let usage = &serde_json::from_str::<serde_json::Value>(done).unwrap()["usage"];
    let number = |name: &str| usage[name].as_u64().unwrap();
    assert_eq!(usage["type"], "tokens");
    assert!(number("output_tokens") > 0);
    assert_eq!(
        number("total_tokens"),
        number("input_tokens") + number("output_tokens")
    );
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
    write!(
        connection,
        "GET /transcribe/{job}?wait=60 HTTP/1.1\r\nhost: localhost\r\n\r\n"
    )
    .unwrap();
    // Another call over the same server, so that the first is surely being answered.
    assert_eq!(service.client.get("/healthz").status, 200);
    connection.shutdown(Shutdown::Both).unwrap();
    service.start_worker();
    // Followed by its events: a long poll of this test would write the same line.
    let path = format!("/transcribe/{job}/events");
    let mut events = service.client.events(&path, None);
    assert!(events.any(|event| event.name == "completed"));
    service
        .api
        .as_ref()
        .unwrap()
        .wait_for_log("GET /transcribe/{job_id} answered 200");
    assert_eq!(service.client.status(job).retrieved_at, None);
}

#[test]
fn a_call_is_answered_whatever_other_services_fields_it_has() {
    let service = Settings::with_workers(1)
        .set("STENO_MODEL_ALIASES", "best=base")
        .start();
    let clip = fixture("clip.opus");
    let long = "x".repeat(100_000);
    let keywords = [("keywords[]", "Steno"); 40];
    let language = ("language", "en-US");
    let plain = service.client.post_form(TRANSCRIPTIONS, &clip, &[language]);
    for fields in [
        &[
            ("vad_filter", "true"),
            ("hotwords", "Steno"),
            ("to_language", "en"),
            ("known_speaker_names[]", "Zoé"),
        ][..],
        &[
            ("temperature", ""),
            ("stream", ""),
            ("model", ""),
            ("response_format", ""),
            ("prompt", ""),
        ],
        &[("known_speaker_references[]", long.as_str())],
        &[("model", "gpt-4o-transcribe")],
        &[("model", "openai/whisper-base")],
        &[("model", "Systran/faster-whisper-base")],
        &[("model", "best")],
        &[("timestamp_granularities[0]", "segment")],
        &[("chunking_strategy[type]", "server_vad")],
    ] {
        let answer =
            service
                .client
                .post_form(TRANSCRIPTIONS, &clip, &[&[language], fields].concat());
        assert_eq!(
            (answer.status, answer.json()),
            (200, plain.json()),
            "{fields:?}: {}",
            answer.text()
        );
        assert_eq!(job_of(&answer), job_of(&plain), "it is the same job");
    }

    for fields in [&[("prompt", long.as_str())][..], &keywords] {
        assert_eq!(
            service
                .client
                .post_form(TRANSCRIPTIONS, &clip, &[&[language], fields].concat())
                .status,
            200
        );
    }

    let srt = service.client.post_form(
        TRANSCRIPTIONS,
        &clip,
        &[language, ("response_format", "srt"), ("stream", "true")],
    );

    assert_eq!(
        srt.header("content-type"),
        Some("text/plain; charset=utf-8")
    );

    assert!(srt.text().starts_with("1\n00:00:0"));
}

#[test]
fn every_model_that_is_listed_is_found() {
    let service = Settings::with_workers(1)
        .set("STENO_MODEL_ALIASES", "best=base,gone=huge")
        .start();
    let list = service.client.get("/v1/models").json();
    let ids: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();

    for id in [
        "base",
        "whisper-1",
        "whisper",
        "gpt-4o-transcribe",
        "openai/whisper-base",
        "best",
    ] {
        assert!(ids.contains(&id), "{id}");
    }

    for id in ids {
        let escaped = id.replace('/', "%2F");
        for path in [id, &escaped] {
            let model = service.client.get(&format!("/v1/models/{path}"));
            assert_eq!(
                (model.status, model.json()["id"].as_str()),
                (200, Some(id)),
                "{path}"
            );
        }
    }

    assert_eq!(service.client.get("/v1/models/gone").status, 404);

    assert_eq!(
        service.client.get("/v1/models/whisper-9").json()["error"]["code"],
        "model_not_found"
    );
}

#[test]
fn errors_have_openai_s_shape_and_leave_no_file() {
    let service = Settings::with_workers(0).start();
    let clip = fixture("clip.opus");
    for (fields, param, code) in [
        (
            &[("temperature", "NaN")][..],
            "temperature",
            "invalid_options",
        ),
        (&[("temperature", "2")], "temperature", "invalid_options"),
        (&[("language", "klingon")], "language", "invalid_options"),
        (
            &[("languages[]", "en"), ("languages[]", "klingon")],
            "languages",
            "invalid_options",
        ),
        (&[("prompt", "a\0b")], "prompt", "invalid_options"),
        (
            &[("model", "whisper-1"), ("model", "whisper-1")],
            "model",
            "invalid_options",
        ),
        (
            &[("response_format", "docx")],
            "response_format",
            "invalid_options",
        ),
        (
            &[("timestamp_granularities[]", "word")],
            "timestamp_granularities",
            "invalid_options",
        ),
        (&[("model", "../../etc/passwd")], "model", "model_not_found"),
        (&[("model", "openai/whisper-9")], "model", "model_not_found"),
    ] {
        let answer = service.client.post_form(TRANSCRIPTIONS, &clip, fields);
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, error["param"].as_str()),
            (400, Some(param)),
            "{}",
            answer.text()
        );
        assert_eq!(error.as_object().unwrap().len(), 4);
        assert_eq!(
            (error["type"].as_str(), error["code"].as_str()),
            (Some("invalid_request_error"), Some(code))
        );
    }

    let nothing = service.client.post_form(
        TRANSCRIPTIONS,
        &fixture("bad/empty.wav"),
        &[("model", "whisper-1")],
    );

    assert_eq!(
        (nothing.status, nothing.json()["error"]["param"].as_str()),
        (400, Some("file"))
    );
    for (content_type, status) in [
        ("audio/wav", 415),
        ("application/json", 415),
        ("multipart/form-data", 400),
    ] {
        let answer = service.client.post(TRANSCRIPTIONS, content_type, b"RIFF");
        assert_eq!(
            (answer.status, answer.json()["error"]["type"].as_str()),
            (status, Some("invalid_request_error"))
        );
    }

    assert_eq!(
        service.client.get("/v1/nothing").json()["error"]["code"],
        "not_found"
    );
    assert_eq!(service.client.get(TRANSCRIPTIONS).status, 405);
    assert_eq!(service.files(), Vec::<String>::new());

    assert!(jobs(&service).is_empty());
}
