//! Invariant: an accepted job is neither lost nor done twice, whichever process dies, and its text is the same.

use std::time::Duration;

use steno_e2e::{Service, Settings, eventually, fixture, repeated, within, word_error_rate};
use steno_models::{JobId, Status};

fn has_progress(service: &Service, job: JobId) -> bool {
    service.client.status(job).progress > 0.0
}

#[test]
fn another_worker_finishes_what_a_killed_one_began() {
    let mut service = Settings::with_workers(1).start();
    let undisturbed = service.client.submit(&fixture("long.opus"), "language=en");
    let expected = service.client.wait_for_text(undisturbed);

    let job = service.client.submit(&fixture("long.opus"), "language=en");
    eventually("a span is done", || {
        has_progress(&service, job).then_some(())
    });
    service.start_worker();
    service.workers.remove(0).kill();
    // The other worker or the api reclaims it. Its lease would last for 30 s.
    within(Duration::from_secs(25), "its task goes back", || {
        let logs = [
            service.workers[0].log(),
            service.api.as_ref().unwrap().log(),
        ];
        logs.iter()
            .any(|log| log.contains("returned the tasks of 1 dead workers"))
            .then_some(())
    });
    assert_eq!(service.client.wait_for_text(job), expected);
    assert!(service.client.status(job).attempts <= 2);
}

#[test]
fn a_kill_near_the_end_repeats_only_the_spans_in_flight() {
    let mut service = Settings::with_workers(1).set("STENO_SLOTS", "2").start();
    let recording = repeated("long.opus", 5, &service.scratch());
    let job = service.client.submit(&recording, "language=en");
    eventually("nine tenths are done", || {
        (service.client.status(job).progress >= 0.9).then_some(())
    });
    let first = service.workers.remove(0);
    let log_of_first = first.log();
    first.kill();
    service.start_worker();
    let text = service.client.wait_for_text(job);
    let expected = std::fs::read_to_string(fixture("long.txt"))
        .unwrap()
        .repeat(5);
    let rate = word_error_rate(&expected, &text);
    assert!(rate < 0.1, "word error rate {rate}: {text}");

    // A line logged between the look and the kill is missed; it can only make the count of claims smaller by two.
    let log = log_of_first + &service.workers[0].log();
    let index = |line: &str| {
        line.split("claimed span ")
            .nth(1)?
            .split_whitespace()
            .next()?
            .parse::<usize>()
            .ok()
    };
    let claimed: Vec<_> = log.lines().filter_map(index).collect();
    let (spans, claims) = (claimed.iter().max().unwrap() + 1, claimed.len());
    assert!(spans > 12, "too few spans to judge: {spans}");
    assert!(claims <= spans + 2, "{claims} claims for {spans} spans");
}

#[test]
fn a_recording_that_kills_every_worker_fails() {
    let mut service = Settings::with_workers(0).start();
    let job = service.client.submit(
        &repeated("long.opus", 10, &service.scratch()),
        "language=en",
    );
    for crash in 1..=3 {
        service.start_worker();
        service.workers[0].wait_for_log("claimed preparation");
        // Kill it in its first task, which takes seconds; the next start reclaims.
        service.workers.remove(0).kill();
        if crash < 3 {
            assert!(!service.client.status(job).status.is_terminal());
        }
    }
    let ended = service.client.wait(job);
    assert_eq!(ended.status, Status::Failed);
    assert_eq!(ended.error.unwrap().code.as_str(), "worker_crashed");
    eventually("its audio is gone", || {
        service.files().is_empty().then_some(())
    });
}

#[test]
fn every_accepted_upload_survives_a_kill_of_the_api() {
    let mut service = Settings::with_workers(1).start();
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(service.client.submit(&fixture("clip.flac"), "language=en"));
        service.api.take().unwrap().kill();
        service.start_api();
    }
    for job in jobs {
        service.client.wait_for_text(job);
    }
}

#[test]
fn pending_jobs_survive_a_restart_of_everything() {
    let mut service = Settings::with_workers(0).start();
    let job = service.client.submit(&fixture("clip.flac"), "language=en");
    assert!(service.api.take().unwrap().terminate().success());
    service.start_api();
    assert_eq!(service.client.status(job).status, Status::Pending);
    service.start_worker();
    service.client.wait_for_text(job);
}

#[test]
fn a_worker_that_is_asked_to_stop_finishes_its_span_and_takes_no_other() {
    let mut service = Settings::with_workers(1)
        .set("STENO_DRAIN_TIMEOUT", "300s")
        .start();
    let job = service.client.submit(&fixture("long.opus"), "language=en");
    service.workers[0].wait_for_log("claimed span 0");
    let mut worker = service.workers.remove(0);
    assert!(worker.terminate().success());
    let log = worker.log();
    assert!(log.contains("drained"), "{log}");
    assert_eq!(
        log.matches("claimed span").count(),
        log.matches("ended span").count(),
        "{log}"
    );
    let stopped = service.client.status(job);
    assert_eq!((stopped.status, stopped.attempts), (Status::Processing, 1));
    service.start_worker();
    service.client.wait_for_text(job);
    assert_eq!(
        service.client.status(job).attempts,
        1,
        "a drain costs no attempt"
    );
}

#[test]
fn a_worker_that_may_not_wait_gives_its_task_back() {
    let mut service = Settings::with_workers(1)
        .set("STENO_DRAIN_TIMEOUT", "0")
        .start();
    let job = service
        .client
        .submit(&fixture("minute.opus"), "language=en");
    service.workers[0].wait_for_log("claimed span 0");
    assert!(service.workers.remove(0).terminate().success());
    service.start_worker();
    service.client.wait_for_text(job);
    assert_eq!(service.client.status(job).attempts, 1);
}
