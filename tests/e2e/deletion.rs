//! Invariant: what was retrieved, deleted or has expired is gone, from the api and from the disk.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use steno_e2e::{Service, Settings, eventually, fixture};
use steno_models::{JobId, ProblemCode, Status, TombstoneReason};

fn gone(service: &Service, job: JobId) -> Option<TombstoneReason> {
    let answer = service.client.get(&format!("/transcribe/{job}?keep=true"));
    (answer.status == 410).then(|| {
        let problem = answer.problem();
        assert_eq!(problem.code, ProblemCode::Gone);
        problem.tombstone.unwrap().reason
    })
}

#[test]
fn a_retrieved_result_stays_for_its_grace_and_repeats_the_same_bytes() {
    let service = Settings::with_workers(1)
        .set("STENO_RETRIEVAL_GRACE", "30s")
        .start();
    let job = service.client.submit(
        &fixture("clip.wav"),
        "language=en&metadata=%7B%22m%22%3A%22marker-5531%22%7D",
    );
    service.client.wait(job);
    let path = format!("/transcribe/{job}");
    for not_a_retrieval in [
        ("range", "bytes=0-3"),
        ("sec-purpose", "prefetch"),
        ("purpose", "prefetch"),
    ] {
        service.client.get_with(&path, &[not_a_retrieval]);
    }

    assert_eq!(service.client.status(job).retrieved_at, None);
    let first = service.client.get(&path);
    let tag = first.header("etag").unwrap().to_owned();
    eventually("the retrieval is noted", || {
        service.client.status(job).retrieved_at
    });
    let again = service.client.get(&path);
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(
        service
            .client
            .get_with(&path, &[("if-none-match", &tag)])
            .status,
        304
    );

    assert!(
        service.holds("marker-5531"),
        "the test can see what is there"
    );
    let reason = eventually("the job is gone", || gone(&service, job));
    assert_eq!(reason, TombstoneReason::Retrieved);
    let log = service.api.as_ref().unwrap().log();
    let noted = format!("delivered the result of job {job}");
    assert_eq!(log.matches(&noted).count(), 1, "{log}");
    eventually("its bytes are gone", || {
        (!service.holds("marker-5531")).then_some(())
    });

    assert_eq!(service.files(), Vec::<String>::new());
}

#[test]
fn an_answer_that_its_client_did_not_read_is_no_retrieval() {
    let service = Settings::with_scripted_workers(1).start();
    let ask = |job: JobId| {
        let mut connection = TcpStream::connect(service.address()).unwrap();
        let head = format!(
            "GET /transcribe/{job} HTTP/1.1\r\nhost: {}\r\n\r\n",
            service.address()
        );
        connection.write_all(head.as_bytes()).unwrap();
        connection
    };

    // The whole answer lies in the buffers of the kernel, and its client goes away with some of it.
    // An answer that lies there for half a second counts as read, so a client that was too slow does not count.
    let job = (0..5).find_map(|_| {
        let job = service.client.submit(&fixture("clip.wav"), "language=en");
        service.client.wait(job);
        let mut is_quick = true;
        for _ in 0..20 {
            let began = Instant::now();
            let mut connection = ask(job);
            connection.read_exact(&mut [0; 100]).unwrap();
            drop(connection);
            is_quick &= began.elapsed() < Duration::from_millis(400);
        }
        is_quick.then_some(job)
    });
    let job = job.expect("one of five tries is quick enough");
    eventually("the connections have ended", || {
        let metrics = service.client.get("/metrics").text();
        let count = metrics
            .lines()
            .find_map(|line| line.strip_prefix("steno_connections "));
        count
            .unwrap()
            .parse::<f64>()
            .is_ok_and(|count| count <= 1.0)
            .then_some(())
    });
    assert_eq!(service.client.status(job).retrieved_at, None);
    let api = service.api.as_ref().unwrap();
    let noted = format!("delivered the result of job {job}");
    assert!(!api.log().contains(&noted), "{}", api.log());

    // One that has read everything and keeps its connection has retrieved.
    let mut connection = ask(job);
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut part = [0; 4096];
        let read = connection.read(&mut part).unwrap();
        answer.extend_from_slice(&part[..read]);
    }
    eventually("it was retrieved", || {
        service.client.status(job).retrieved_at
    });
    drop(connection);
}

#[test]
fn a_call_after_a_retrieval_does_not_wait_for_it() {
    let service = Settings::with_scripted_workers(1).start();
    let job = service.client.submit(&fixture("clip.wav"), "language=en");
    service.client.wait(job);
    // All on one connection: the next call shows that the answer before it was read.
    let mut took: Vec<Duration> = (0..50)
        .map(|_| {
            let began = Instant::now();
            let answer = service.client.get(&format!("/transcribe/{job}"));
            assert_eq!(answer.status, 200);
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    // A silent connection is watched for half a second.
    let median = took[took.len() / 2];
    assert!(median < Duration::from_millis(250), "{took:?}");
}

#[test]
fn without_grace_a_result_can_be_fetched_once() {
    let service = Settings::with_workers(1)
        .set("STENO_RETRIEVAL_GRACE", "0")
        .start();
    let job = service.client.submit(&fixture("clip.wav"), "language=en");
    service.client.wait(job);
    assert_eq!(
        service
            .client
            .get(&format!("/transcribe/{job}?format=text"))
            .status,
        200
    );
    assert_eq!(
        eventually("the job is gone", || gone(&service, job)),
        TombstoneReason::Retrieved
    );
}

#[test]
fn every_status_ends_at_the_deadline() {
    let mut service = Settings::with_scripted_workers(1)
        .set("STENO_TTL", "20s")
        .set("STENO_SWEEP_INTERVAL", "1s")
        .start();
    let done = service.client.submit(&fixture("clip.wav"), "language=en");
    assert_eq!(service.client.wait(done).status, Status::Completed);
    assert!(service.workers.remove(0).terminate().success());
    let waiting = service.client.submit(&fixture("clip.wav"), "language=en");
    for job in [done, waiting] {
        let reason = eventually("the job expires", || gone(&service, job));
        assert_eq!(reason, TombstoneReason::Expired);
    }
    eventually("its audio is gone", || {
        service.files().is_empty().then_some(())
    });
    eventually("its tombstone is gone", || {
        (service.client.get(&format!("/transcribe/{done}")).status == 404).then_some(())
    });
}

#[test]
fn a_running_job_is_cancelled_within_one_pass_of_the_engine() {
    let service = Settings::with_workers(1).start();
    let long = service.client.submit(&fixture("long.opus"), "language=en");
    eventually("the engine is at work", || {
        service.workers[0]
            .log()
            .contains("claimed span 0")
            .then_some(())
    });

    let next = service
        .client
        .submit(&fixture("clip.wav"), "language=en&priority=-10");
    assert_eq!(
        service.client.delete(&format!("/transcribe/{long}")).status,
        204
    );
    assert_eq!(
        service.client.delete(&format!("/transcribe/{long}")).status,
        204,
        "twice is no error"
    );

    assert_eq!(gone(&service, long), Some(TombstoneReason::Deleted));
    // Spans of the deleted job would go first: the other one waits behind them with its low priority.
    service.client.wait_for_text(next);
    service.workers[0].wait_for_log(&format!("of job {long}: the claim is gone"));
    let worker_log = service.workers[0].log();
    assert!(!worker_log.contains("claimed span 2"), "{worker_log}");
    assert!(
        !worker_log.contains("ERROR"),
        "stopping is no error: {worker_log}"
    );

    eventually("all files are gone", || {
        service.files().is_empty().then_some(())
    });
}
