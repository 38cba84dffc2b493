//! Webhooks through the whole service: receivers of every kind, and a courier that is killed.

use std::net::TcpListener;

use steno_courier::{SecretsFile, sign};
use steno_e2e::{Service, Settings, eventually, fixture};
use steno_models::{Delivery, DeliveryStatus, JobId, Status};

use crate::receiver::{Manner, Received, Receiver};

const OK: Manner = Manner::Status(200, "");

/// A service whose engine is a script, and whose courier may call this machine.
fn service() -> Service {
    settings()
        .set("STENO_OUTBOUND_ALLOW", "127.0.0.0/8")
        .start()
}

fn settings() -> Settings {
    Settings::with_scripted_workers(1).with_courier()
}

fn submit(service: &Service, url: &str) -> JobId {
    let query = format!("language=en&callback_url={}", escaped(url));
    service.client.submit(&fixture("clip.opus"), &query)
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('?', "%3F")
        .replace('&', "%26")
        .replace('=', "%3D")
        .replace('[', "%5B")
        .replace(']', "%5D")
}

fn deliveries(service: &Service, job: JobId) -> Vec<Delivery> {
    let answer = service.client.get(&format!("/transcribe/{job}/deliveries"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_value(answer.json()["deliveries"].clone()).unwrap()
}

pub(crate) fn delivery(service: &Service, job: JobId, status: DeliveryStatus) -> Delivery {
    eventually(
        &format!("the webhook of {job} is {}", status.as_str()),
        || {
            let mut found = deliveries(service, job).into_iter();
            found.find(|delivery| delivery.status == status)
        },
    )
}

fn check_signature(service: &Service, received: &Received) {
    let secrets = SecretsFile::open(service.data().join("webhook-secrets")).unwrap();
    let secrets = secrets.secrets_of("").unwrap();
    let timestamp = received.header("webhook-timestamp").parse().unwrap();
    let id = received.header("webhook-id");
    let expected = sign(&secrets, id, timestamp, received.body.as_bytes());
    assert_eq!(received.header("webhook-signature"), expected);
}

#[test]
fn the_end_of_a_job_is_reported_with_a_signature() {
    let service = service();
    let receiver = Receiver::start(&[OK]);
    let job = submit(&service, &receiver.url);
    let delivered = delivery(&service, job, DeliveryStatus::Delivered);
    let arrived = receiver.received();

    assert_eq!(arrived.len(), 1);
    check_signature(&service, &arrived[0]);
    assert_eq!(arrived[0].header("webhook-id"), delivered.webhook_id);
    let body = arrived[0].json();
    assert_eq!(body["type"], "transcription.completed");
    assert_eq!(body["data"]["job_id"], job.to_string());
    assert_eq!(body["data"]["status"], "completed");
    assert!(body["data"].get("result").is_none(), "no transcript leaves");
    assert_eq!(
        (delivered.attempts, delivered.response_status),
        (1, Some(200))
    );
    let status = service.client.status(job);
    assert_eq!(status.deliveries, [delivered]);
}

#[test]
fn a_failure_is_reported_and_events_can_be_chosen() {
    let service = service();
    let receiver = Receiver::start(&[OK]);
    let bad = |events: &str| {
        let query = format!(
            "callback_url={}&callback_events={events}",
            escaped(&receiver.url)
        );
        let file = fixture("clip.txt");
        let answer = service.client.post(
            &format!("/transcribe?{query}"),
            "application/octet-stream",
            &std::fs::read(file).unwrap(),
        );
        answer.accepted().unwrap()
    };
    let silent = bad("transcription.completed");
    let failed = bad("transcription.completed,transcription.failed");
    delivery(&service, failed, DeliveryStatus::Delivered);

    assert_eq!(service.client.wait(silent).status, Status::Failed);
    assert!(deliveries(&service, silent).is_empty());
    let arrived = receiver.received();
    assert_eq!(arrived.len(), 1);
    let body = arrived[0].json();
    assert_eq!(body["type"], "transcription.failed");
    assert_eq!(body["data"]["error"]["code"], "unsupported_media");
}

#[test]
fn receivers_that_fail_get_it_again_with_the_same_id() {
    let service = service();
    let submit_to = |manner| {
        let receiver = Receiver::start(&[manner, OK]);
        (submit(&service, &receiver.url), receiver)
    };
    let cases = [
        (Manner::Status(500, ""), "http_status"),
        (Manner::Status(302, "location: /\r\n"), "redirect_refused"),
        (Manner::Status(429, "retry-after: 6\r\n"), "http_status"),
        (Manner::Close, "cut_short"),
        (Manner::Hang, "timed_out"),
        (Manner::Drip, "timed_out"),
    ];
    let mut jobs = cases.map(|(manner, _)| submit_to(manner));
    let lying = Receiver::start(&[Manner::LieInLength]);
    let lied = submit(&service, &lying.url);

    // Each is between its attempts for a few seconds only, so all are polled together. One that was missed is repeated.
    let mut failures = [const { None }; 6];
    eventually("every first attempt fails", || {
        for (index, failure) in failures.iter_mut().enumerate() {
            if failure.is_some() {
                continue;
            }
            match deliveries(&service, jobs[index].0).into_iter().next() {
                Some(found) if found.attempts == 1 => *failure = Some(found),
                Some(found) if found.attempts > 1 => jobs[index] = submit_to(cases[index].0),
                _ => {}
            }
        }
        failures.iter().all(Option::is_some).then_some(())
    });

    for (((job, receiver), (manner, reason)), failed) in jobs.iter().zip(cases).zip(failures) {
        let failed = failed.unwrap();
        assert_eq!(failed.reason.as_deref(), Some(reason), "{manner:?}");
        let pause_ms = failed.next_attempt_at.unwrap().ms() - failed.last_attempt_at.unwrap().ms();
        let expected = if matches!(manner, Manner::Status(429, _)) {
            6_000..=6_600
        } else {
            5_000..=5_500
        };
        assert!(expected.contains(&pause_ms), "{manner:?}: {pause_ms} ms");

        let delivered = delivery(&service, *job, DeliveryStatus::Delivered);
        assert_eq!(delivered.attempts, 2, "{manner:?}");
        let received = receiver.received();
        assert_eq!(received.len(), 2, "{manner:?}");
        assert_eq!(
            received[0].header("webhook-id"),
            received[1].header("webhook-id")
        );
        assert_eq!(received[0].body, received[1].body);
        check_signature(&service, &received[1]);
    }
    // A status is an answer, whatever follows it.
    assert_eq!(
        delivery(&service, lied, DeliveryStatus::Delivered).attempts,
        1
    );
}

#[test]
fn a_receiver_that_is_gone_gets_nothing_until_its_client_asks_for_it() {
    let service = service();
    let receiver = Receiver::start(&[Manner::Status(410, ""), OK]);
    let job = submit(&service, &receiver.url);
    let failed = delivery(&service, job, DeliveryStatus::Failed);
    assert_eq!(
        (failed.reason.as_deref(), failed.response_status),
        (Some("gone"), Some(410))
    );

    let path = format!("/transcribe/{job}/deliveries/redeliver");
    assert_eq!(
        service.client.post(&path, "application/json", b"").status,
        202
    );
    let delivered = delivery(&service, job, DeliveryStatus::Delivered);
    assert_eq!(delivered.webhook_id, failed.webhook_id);

    let silent = service.client.submit(&fixture("clip.opus"), "language=en");
    service.client.wait(silent);
    let path = format!("/transcribe/{silent}/deliveries/redeliver");
    assert_eq!(
        service.client.post(&path, "application/json", b"").status,
        409
    );
    let path = format!("/transcribe/{}/deliveries/redeliver", JobId::random());
    assert_eq!(
        service.client.post(&path, "application/json", b"").status,
        404
    );
}

#[test]
fn a_job_stays_until_a_receiver_that_was_down_has_its_webhook() {
    let mut settings = settings();
    settings = settings.set("STENO_OUTBOUND_ALLOW", "127.0.0.1");
    let service = settings
        .set("STENO_RETRIEVAL_GRACE", "0")
        .set("STENO_SWEEP_INTERVAL", "500ms")
        .start();
    // Nothing listens there yet.
    let place = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let job = submit(&service, &format!("http://{address}/hook"));
    let failed = eventually("an attempt fails", || {
        let found = deliveries(&service, job).into_iter().next()?;
        (found.attempts > 0).then_some(found)
    });
    assert_eq!(failed.reason.as_deref(), Some("connection_failed"));
    service.client.wait_for_text(job);
    assert_eq!(
        service.client.get(&format!("/transcribe/{job}")).status,
        200,
        "it is still there"
    );

    let receiver = Receiver::on(TcpListener::bind(address).unwrap(), &[OK]);
    eventually("the job is deleted", || {
        (service
            .client
            .get(&format!("/transcribe/{job}?keep=true"))
            .status
            == 410)
            .then_some(())
    });
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn a_courier_that_is_killed_loses_no_webhook() {
    let mut service = service();
    let receivers: Vec<_> = (0..4)
        .map(|_| Receiver::start(&[Manner::Hang, Manner::Hang, OK]))
        .collect();
    let jobs: Vec<_> = receivers
        .iter()
        .map(|receiver| submit(&service, &receiver.url))
        .collect();
    for kills in 1..=2 {
        for receiver in &receivers {
            eventually("the webhook is being sent", || {
                (receiver.received().len() >= kills).then_some(())
            });
        }
        service.couriers.pop().unwrap().kill();
        service.start_courier();
    }

    for (job, receiver) in jobs.iter().zip(&receivers) {
        let delivered = delivery(&service, *job, DeliveryStatus::Delivered);
        let received = receiver.received();
        let id = received[0].header("webhook-id");
        assert!(
            received
                .iter()
                .all(|received| received.header("webhook-id") == id)
        );
        assert_eq!(delivered.webhook_id, id);
    }
}

#[test]
fn no_webhook_reaches_the_network_of_the_server() {
    let service = settings().start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let jobs: Vec<_> = [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
    ]
    .iter()
    .map(|host| (host, submit(&service, &format!("http://{host}:{port}/"))))
    .collect();
    for (host, job) in jobs {
        let failed = delivery(&service, job, DeliveryStatus::Failed);
        assert_eq!(failed.reason.as_deref(), Some("address_refused"), "{host}");
    }
    assert!(listener.accept().is_err(), "a connection was made");

    for url in [
        "ftp://example.org/",
        "http://user:password@example.org/",
        "nonsense",
        "",
    ] {
        let answer = service.client.upload(
            &fixture("clip.opus"),
            &format!("language=en&callback_url={}", escaped(url)),
        );
        assert_eq!(answer.status, 422, "{url}");
        assert!(answer.text().contains("/callback_url"), "{}", answer.text());
    }
}

#[test]
fn the_log_names_the_host_of_a_receiver_and_nothing_else_of_its_address() {
    let mut service = service();
    let receiver = Receiver::start(&[Manner::Close, OK]);
    let job = submit(&service, &receiver.url);
    delivery(&service, job, DeliveryStatus::Delivered);
    let courier = service.couriers.pop().unwrap();

    let origin = receiver.url.split("/hook").next().unwrap();
    courier.wait_for_log(&format!("delivered the webhook of job {job} to {origin}"));
    let secret = std::fs::read_to_string(service.data().join("webhook-secrets")).unwrap();
    let secret = secret.split_whitespace().last().unwrap();
    for log in [
        courier.log(),
        service.api.as_ref().unwrap().log(),
        service.workers[0].log(),
    ] {
        assert!(
            !log.contains("token") && !log.contains("/hook") && !log.contains(secret),
            "{log}"
        );
    }
}

#[test]
fn a_courier_that_is_stopped_finishes_what_it_is_sending() {
    let mut service = service();
    let receiver = Receiver::start(&[Manner::Hang]);
    let job = submit(&service, &receiver.url);
    eventually("the webhook is being sent", || {
        (!receiver.received().is_empty()).then_some(())
    });
    let mut courier = service.couriers.pop().unwrap();
    assert!(courier.terminate().success());

    let found = deliveries(&service, job);
    assert_eq!(
        (found[0].attempts, found[0].reason.as_deref()),
        (1, Some("timed_out"))
    );
}
