//! From upload to transcript, in every format.

use std::fs;
use std::time::{Duration, Instant};

use steno_e2e::{Settings, eventually, fixture, word_error_rate};
use steno_models::Status;

#[test]
fn a_recording_goes_through_every_status_to_its_words() {
    let mut service = Settings::with_workers(0).start();
    let job = service
        .client
        .submit(&fixture("sample.flac"), "metadata=%7B%22a%22%3A1%7D");
    let pending = service.client.status(job);
    assert_eq!(
        (pending.status, pending.position),
        (Status::Pending, Some(1))
    );
    assert_eq!((pending.started_at, pending.attempts), (None, 0));
    service.start_worker();
    let waiting = service.client.clone();
    let ended = waiting.wait(job);
    assert_eq!(
        (ended.status, ended.attempts, ended.progress),
        (Status::Completed, 1, 1.0)
    );
    assert!(ended.created_at <= ended.started_at.unwrap() && ended.started_at <= ended.finished_at);
    assert_eq!(ended.language.as_deref(), Some("en"));
    assert_eq!(ended.metadata.unwrap()["a"], 1);
    let result = ended.result.unwrap();
    assert!(result.language_probability.unwrap() > 0.5);
    let expected = fs::read_to_string(fixture("sample.txt")).unwrap();
    assert!(
        word_error_rate(&expected, &result.text) < 0.1,
        "{}",
        result.text
    );

    for pair in result.segments.windows(2) {
        assert!(pair[0].end <= pair[1].start + 0.001 && pair[0].start < pair[1].start);
    }
    assert!(result.segments.last().unwrap().end <= result.duration_seconds + 0.001);
    let log = service.workers[0].log();

    assert!(
        !log.contains(result.text.split(' ').next_back().unwrap()),
        "the log has words of the transcript"
    );
}

#[test]
fn the_result_comes_in_every_format() {
    let service = Settings::with_workers(1).start();
    let job = service.client.submit(&fixture("clip.wav"), "language=en");
    let text = service.client.wait_for_text(job);
    let get = |format: &str| {
        service
            .client
            .get(&format!("/transcribe/{job}?keep=true&format={format}"))
    };

    assert_eq!(get("json").json()["result"]["text"], text);
    let verbose = get("verbose_json").json();
    assert_eq!(
        (&verbose["language"], &verbose["task"]),
        (&"english".into(), &"transcribe".into())
    );
    assert_eq!(verbose["segments"][0].as_object().unwrap().len(), 10);
    assert_eq!(get("text").text().trim_end(), text);
    assert!(get("srt").text().starts_with("1\n00:00:0"));
    assert!(get("vtt").text().starts_with("WEBVTT\n\n00:00:0"));
    let srt = get("srt");
    assert_eq!(
        srt.header("content-type"),
        Some("application/x-subrip; charset=utf-8")
    );
    assert!(
        srt.header("content-disposition")
            .unwrap()
            .contains("filename*=UTF-8''")
    );

    assert_eq!(srt.header("cache-control"), Some("no-store"));
    let accepted = service.client.get_with(
        &format!("/transcribe/{job}?keep=true"),
        &[("accept", "text/vtt")],
    );
    assert!(accepted.text().starts_with("WEBVTT"));

    assert_eq!(get("docx").status, 422);
}

#[test]
fn a_long_poll_wakes_on_the_completion_itself() {
    let service = Settings::with_scripted_workers(1).start();
    let mut late_ms: Vec<i64> = (0..20)
        .map(|_| {
            // It is still running when the client begins to wait.
            let query = "language=en&prompt=wait:500";
            let job = service.client.submit(&fixture("clip.wav"), query);
            let ended = service.client.wait(job);
            let now = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_millis() as i64;
            now - ended.finished_at.unwrap().ms()
        })
        .collect();
    late_ms.sort_unstable();
    // The backstop alone would take up to a second, half a second on average.
    assert!(
        late_ms[late_ms.len() / 2] < 250,
        "reported so many ms after the end: {late_ms:?}"
    );
    let began = Instant::now();
    let pending = Settings::with_workers(0).start();
    let job = pending.client.submit(&fixture("clip.wav"), "");
    let answer = pending.client.get(&format!("/transcribe/{job}?wait=1"));
    assert_eq!(answer.json()["status"], "pending");
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn two_workers_share_the_work_and_never_do_a_task_twice() {
    let service = Settings::with_workers(2).start();
    let jobs: Vec<_> = (0..6)
        .map(|_| service.client.submit(&fixture("clip.flac"), "language=en"))
        .collect();
    let texts: Vec<_> = jobs
        .iter()
        .map(|job| service.client.wait_for_text(*job))
        .collect();
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    for job in &jobs {
        assert_eq!(service.client.status(*job).attempts, 1);
    }
    // A worker logs the end after the commit that a client already sees.
    let ends = |text: &str| {
        service
            .workers
            .iter()
            .map(|worker| worker.log().matches(text).count())
            .sum::<usize>()
    };
    eventually("all ends are logged", || {
        (ends("ended preparation") >= jobs.len()).then_some(())
    });
    for job in jobs {
        assert_eq!(ends(&format!("ended preparation of job {job}")), 1);
        assert_eq!(ends(&format!("claimed preparation of job {job}")), 1);
    }
}

#[test]
fn spans_of_a_long_recording_are_joined_without_losing_words() {
    let service = Settings::with_workers(1).set("STENO_SLOTS", "2").start();
    let job = service.client.submit(&fixture("long.opus"), "language=en");
    let text = service.client.wait_for_text(job);
    let expected = fs::read_to_string(fixture("long.txt")).unwrap();
    let rate = word_error_rate(&expected, &text);
    assert!(rate < 0.1, "word error rate {rate}: {text}");
    assert!(
        service.workers[0].log().contains("span 2"),
        "it was one span"
    );
}
