//! Downloads whose courier is killed or stopped: another one continues them.

use steno_e2e::{Process, Settings, eventually, fixture};
use steno_models::{FetchState, JobId};

use crate::by_url::{expected_text, recording, settings, submit, wait_for_download};
use crate::origin::{Origin, Request, Step, answer, head_of};

#[test]
fn a_courier_that_is_killed_loses_no_download() {
    let mut service = settings().start();
    let body = recording();
    let origin = Origin::start(move |request| match request.index {
        0 => vec![
            Step::Send(head_of("200 OK", body.len())),
            Step::Send(body[..body.len() / 2].to_vec()),
            Step::Hang,
        ],
        _ => answer("200 OK", &body),
    });
    let job = submit(&service, &origin.url("/"));
    wait_for_download(&service, job);
    service.couriers.remove(0).kill();

    let waiting = eventually("the download waits for a courier", || {
        service
            .client
            .status(job)
            .fetch
            .filter(|fetch| fetch.problem.as_deref() == Some("no_courier"))
    });
    assert_eq!(waiting.state, FetchState::Waiting);
    service.start_courier();
    assert_eq!(service.client.wait_for_text(job), expected_text(&service));
    eventually("no part of the first download is left", || {
        service.files().is_empty().then_some(())
    });
}

/// A recording that its server knows by an `ETag`. It stops in the middle of the first transfer; `later` is the body of every
/// other, from where it was asked for if its tag is the first.
fn origin_that_hangs_once(tag: &'static str, later: &[u8]) -> Origin {
    let (first, later) = (recording(), later.to_vec());
    Origin::start(move |request: &Request| {
        if request.index == 0 {
            let head = head_of("200 OK\r\netag: \"one\"", first.len());
            let half = first[..first.len() / 2].to_vec();
            return vec![Step::Send(head), Step::Send(half), Step::Hang];
        }
        let range = request.header("range").filter(|_| tag == "\"one\"");
        match range.and_then(|range| range[6..].trim_end_matches('-').parse::<usize>().ok()) {
            Some(start) => {
                let end = later.len() - 1;
                let head = format!(
                    "206 Partial Content\r\ncontent-range: bytes {start}-{end}/{}",
                    later.len()
                );
                answer(&head, &later[start..])
            }
            None => answer(&format!("200 OK\r\netag: {tag}"), &later),
        }
    })
}

/// Downloads half of a recording, ends the courier by `end`, and lets another one finish. Returns what is stored in the end.
fn stored_by_two_couriers(origin: &Origin, end: impl FnOnce(Process)) -> Vec<u8> {
    // Without a worker, the recording stays.
    let mut service = Settings::with_workers(0)
        .in_data_folder()
        .with_courier()
        .set("STENO_OUTBOUND_ALLOW", "127.0.0.1")
        .set("STENO_SWEEP_INTERVAL", "1s")
        .start();
    let job = submit(&service, &origin.url("/talk.opus"));
    let half = recording().len() as u64 / 2;
    eventually("half of the recording is here", || {
        let fetch = service.client.status(job).fetch?;
        (fetch.bytes == half).then_some(())
    });

    end(service.couriers.remove(0));
    let orphan = format!("incoming/{}.fetched.part", JobId::random());
    let orphan = service.data().join(orphan);
    std::fs::write(&orphan, "of a job that is gone").unwrap();
    eventually("the api has deleted what no job needs", || {
        (!orphan.exists()).then_some(())
    });
    service.start_courier();
    eventually("the recording is here", || {
        service.client.status(job).fetch.is_none().then_some(())
    });

    let files = service.files();
    assert_eq!(files.len(), 1, "{files:?}");
    std::fs::read(service.data().join("incoming").join(&files[0])).unwrap()
}

#[test]
fn a_download_goes_on_where_a_killed_courier_was() {
    let origin = origin_that_hangs_once("\"one\"", &recording());
    let stored = stored_by_two_couriers(&origin, |courier| drop(courier.kill()));
    assert!(
        stored == recording(),
        "other bytes than those of the server"
    );

    let second = &origin.requests()[1];
    let half = recording().len() / 2;
    assert_eq!(second.header("range"), Some(&*format!("bytes={half}-")));
    assert_eq!(second.header("if-range"), Some("\"one\""));
}

#[test]
fn a_download_goes_on_where_a_stopped_courier_was() {
    let origin = origin_that_hangs_once("\"one\"", &recording());
    let stored = stored_by_two_couriers(&origin, |mut courier| {
        assert!(courier.terminate().success(), "{}", courier.log());
    });
    assert!(
        stored == recording(),
        "other bytes than those of the server"
    );
    assert!(origin.requests()[1].header("range").is_some());
}

#[test]
fn a_recording_that_changed_while_no_courier_ran_is_fetched_from_its_start() {
    let other = std::fs::read(fixture("clip.mp3")).unwrap();
    let origin = origin_that_hangs_once("\"two\"", &other);
    let stored = stored_by_two_couriers(&origin, |courier| drop(courier.kill()));
    assert!(stored == other, "other bytes than those of the server");
    assert!(origin.requests()[1].header("if-range").is_some());
}
