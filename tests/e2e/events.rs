//! Followers of a job miss nothing and cost next to nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use steno_e2e::{Event, Settings, eventually, fixture, repeated, word_error_rate};
use steno_models::{JobId, Status};

fn events_path(job: JobId) -> String {
    format!("/transcribe/{job}/events")
}

fn text(events: &[Event]) -> String {
    let segments = events.iter().filter(|event| event.name == "segment");
    segments
        .map(|event| event.data["text"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn segments_come_while_the_job_runs_and_are_those_of_the_result() {
    let service = Settings::with_workers(1).set("STENO_SLOTS", "2").start();
    let job = service.client.submit(&fixture("long.opus"), "language=en");
    let mut seen_early = false;
    let mut events = Vec::new();
    for event in service.client.events(&events_path(job), None) {
        seen_early |=
            event.name == "segment" && service.client.status(job).status == Status::Processing;
        events.push(event);
    }

    assert!(
        seen_early,
        "the first segments are there before the job ends"
    );
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert!(
        names[0] == "status" && names.contains(&"progress") && names.ends_with(&["completed"]),
        "{names:?}"
    );
    let progress: Vec<_> = events
        .iter()
        .filter_map(|event| event.data["progress"].as_f64())
        .collect();
    assert!(progress.is_sorted(), "{progress:?}");
    let ended = service.client.status(job);
    assert_eq!(ended.retrieved_at, None, "following is no retrieval");
    assert_eq!(
        events.last().unwrap().data["result"],
        serde_json::Value::Null
    );
    let result = ended.result.unwrap();
    assert_eq!(text(&events), result.text);
    let ids: Vec<_> = events
        .iter()
        .filter(|e| e.name == "segment")
        .map(|e| e.data["id"].as_u64().unwrap())
        .collect();

    assert_eq!(ids, (0..result.segments.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_resuming_follower_gets_the_remaining_events_from_any_process() {
    let mut service = Settings::with_workers(1).start();
    let recording = repeated("minute.opus", 3, &service.scratch());
    let job = service.client.submit(&recording, "language=en");
    let mut stream = service.client.events(&events_path(job), None);
    let mut events: Vec<Event> = Vec::new();
    while !events.iter().any(|event| event.name == "segment") {
        events.push(stream.next().unwrap());
    }
    let last = events.last().unwrap().id.clone();
    service.api.take().unwrap().kill();
    service.start_api();
    let rest: Vec<_> = service
        .client
        .events(&events_path(job), Some(&last))
        .collect();
    assert!(
        rest.iter().all(|event| event.name != "status"),
        "the status it has is not sent again"
    );
    events.extend(rest);
    let result = service.client.status(job).result.unwrap();
    assert_eq!(text(&events), result.text);
    // After the end, all events can be sent again, and a client that has all of them gets 204.
    let again: Vec<_> = service.client.events(&events_path(job), None).collect();
    assert_eq!(text(&again), result.text);
    let end = &again.last().unwrap().id;
    assert_eq!(
        service
            .client
            .get_with(&events_path(job), &[("last-event-id", end)])
            .status,
        204
    );

    let said = std::fs::read_to_string(fixture("minute.txt"))
        .unwrap()
        .repeat(3);

    assert!(
        word_error_rate(&said, &result.text) < 0.15,
        "{}",
        result.text
    );
}

#[test]
fn a_failure_is_an_event_and_an_unknown_id_a_problem() {
    let service = Settings::with_workers(1).start();
    let job = service.client.submit(&fixture("clip.txt"), "");
    let events: Vec<_> = service.client.events(&events_path(job), None).collect();
    let end = events.last().unwrap();
    assert_eq!(
        (end.name.as_str(), end.data["error"]["code"].as_str()),
        ("failed", Some("unsupported_media"))
    );
    assert_eq!(
        service
            .client
            .get(&events_path(JobId::random()))
            .problem()
            .status,
        404
    );
    let refused = service
        .client
        .get_with(&events_path(job), &[("last-event-id", "x")])
        .problem();
    assert_eq!(
        (refused.status, refused.errors[0].pointer.as_str()),
        (422, "/Last-Event-ID")
    );
    service.client.delete(&format!("/transcribe/{job}"));
    assert_eq!(service.client.get(&events_path(job)).problem().status, 410);
}

#[test]
fn five_hundred_idle_followers_cost_little_and_end_with_the_server() {
    let mut service = Settings::with_workers(0).start();
    let jobs: Vec<_> = (0..50)
        .map(|_| service.client.submit(&fixture("clip.opus"), ""))
        .collect();
    let follow = || -> Vec<TcpStream> {
        let connect = |index: usize| {
            let mut follower = TcpStream::connect(service.address()).unwrap();
            let path = events_path(jobs[index % jobs.len()]);
            write!(follower, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            follower
        };
        let mut followers: Vec<_> = (0..250).map(connect).collect();
        for follower in &mut followers {
            let mut head = [0; 512];
            let length = follower.read(&mut head).unwrap();
            assert!(head[..length].starts_with(b"HTTP/1.1 200"));
        }
        followers
    };
    // The first half fills caches and pools.
    let mut followers = follow();
    let (half, _) = service.api.as_ref().unwrap().memory_bytes();
    followers.extend(follow());

    let api = service.api.as_mut().unwrap();
    let (all, _) = api.memory_bytes();
    let bytes = all.saturating_sub(half) / 250;
    assert!(bytes < 100_000, "{bytes} bytes for each");
    // Until the next sign of life, 15 s later. A look at the database for each of them and second would show. Other programs
    // can make it look more, but not all the time.
    let mut idle_seconds = || {
        let before = api.cpu_seconds();
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(": keep-alive\n\n") {
            let mut chunk = [0; 512];
            let length = followers[0].read(&mut chunk).unwrap();
            assert!(
                length > 0,
                "the stream ended: {}",
                String::from_utf8_lossy(&heard)
            );
            heard.extend_from_slice(&chunk[..length]);
        }
        api.cpu_seconds() - before
    };
    let idle = [idle_seconds(), idle_seconds(), idle_seconds()];
    let least = idle.into_iter().fold(f64::INFINITY, f64::min);
    assert!(
        least < 0.5,
        "{idle:?} seconds of processor time in 15 s each"
    );
    assert!(api.terminate().success());
    for follower in &mut followers {
        let mut rest = Vec::new();
        follower.read_to_end(&mut rest).unwrap();
        let end = String::from_utf8_lossy(&rest);
        assert!(
            end.ends_with("0\r\n\r\n"),
            "the stream was cut off: {end:?}"
        );
    }

    service.start_api();

    assert!(
        eventually("the jobs are still there", || Some(
            service.client.status(jobs[0]).status
        )) == Status::Pending
    );
}
