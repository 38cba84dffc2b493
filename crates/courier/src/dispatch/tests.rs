//! Attempts over hours, with the real schedule and a clock that is set by hand.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use steno_models::{JobId, TranscribeRequest};
use steno_store::{JobLookup, PlannedSpan, Prepared, RunRole, SpanOutput, TaskKind, TaskOutput};
use tokio::net::TcpSocket;

use super::*;
use crate::outbound::{AddressPolicy, SystemResolver};
use crate::test_queue::TestQueue;

const MINUTE_MS: i64 = 60_000;

/// A job that is completed and was retrieved, and whose webhook goes to this address.
fn retrieved_job(queue: &TestQueue, receiver: SocketAddr) -> JobId {
    let mut upload = queue
        .store
        .files()
        .begin_upload(JobId::random(), 0)
        .unwrap();
    upload.write(b"RIFF").unwrap();
    let options = TranscribeRequest {
        callback_url: Some(format!("http://{receiver}/hook").parse().unwrap()),
        ..TranscribeRequest::default()
    };
    let job = queue.submit(upload.store().unwrap().into(), options);

    let run = queue.begin_run(RunRole::Worker);
    let claim = queue.claim(&run, TaskKind::Prepare);
    let prepared = Prepared {
        duration_ms: 1000,
        language: None,
        language_probability: None,
        spool: String::new(),
        spans: vec![PlannedSpan::default()],
        blocks: Vec::new(),
        outputs: Some(vec![SpanOutput::default()]),
        diarization: None,
        warnings: Vec::new(),
        model: "base".to_owned(),
    };
    let output = TaskOutput::Plan(Box::new(prepared));
    let finished = queue
        .store
        .finish_task(queue.now(), &claim, &output, &[])
        .unwrap();
    assert_eq!(finished.settled, Settled::Stored);
    let now = queue.now();
    queue.store.mark_retrieved(now, now.wall, job).unwrap();
    job
}

/// What a courier needs to send the webhooks of a queue. The queue's folder lives as long as the returned handle.
fn dispatch(queue: TestQueue, run_id: &str) -> (Arc<Dispatch>, tempfile::TempDir) {
    let policy = AddressPolicy::parse("127.0.0.1").unwrap();
    let dispatch = Dispatch {
        secrets: SecretsFile::open(queue.folder.path().join("webhook-secrets")).unwrap(),
        clock: queue.clock,
        outbound: Arc::new(Outbound::new(policy, Arc::new(SystemResolver))),
        limits: WebhookLimits::default(),
        run_id: run_id.to_owned(),
        in_flight: Mutex::default(),
        is_broken: AtomicBool::new(false),
        store: Arc::new(queue.store),
    };
    (Arc::new(dispatch), queue.folder)
}

fn is_there(store: &Store, now: Now, job: JobId) -> bool {
    let found = store.get_job(now, None, job).unwrap();
    matches!(found, Some(JobLookup::Job(..)))
}

/// Answers one request with 200. Returns its head and body.
fn answer_one(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = String::new();
    while !request.contains("\r\n\r\n{") || !request.ends_with('}') {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "{request}");
        request.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    request
}

#[tokio::test]
async fn a_receiver_that_is_down_for_an_hour_gets_its_webhook_after_it_is_back() {
    // Bound but not listening: connections are refused, and no other test can take the port.
    let place = TcpSocket::new_v4().unwrap();
    place.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = place.local_addr().unwrap();
    let queue = TestQueue::new();
    let job = retrieved_job(&queue, address);
    let courier = queue.begin_run(RunRole::Courier);

    let clock = Arc::clone(&queue.clock);
    let (dispatch, _folder) = dispatch(queue, courier.id());
    let store = Arc::clone(&dispatch.store);
    let attempt_what_is_due = async || {
        let now = clock.now();
        let due = store.claim_deliveries(now, courier.id(), 64).unwrap();
        let count = due.len();
        for delivery in due {
            dispatch.attempt(delivery).await;
        }
        count
    };

    let mut attempts = 0;
    for _ in 0..60 {
        attempts += attempt_what_is_due().await;
        store.sweep(clock.now()).unwrap();
        assert!(is_there(&store, clock.now(), job));
        clock.advance_ms(MINUTE_MS);
    }
    // After 0, 1, 2, about 8 and about 40 minutes.
    assert_eq!(attempts, 5);

    let listener = place.listen(1).unwrap().into_std().unwrap();
    listener.set_nonblocking(false).unwrap();
    let receiver = thread::spawn(move || answer_one(&listener));
    let mut minutes = 0;
    while attempt_what_is_due().await == 0 {
        assert!(minutes < 140, "the pauses are two hours at most");
        minutes += 1;
        clock.advance_ms(MINUTE_MS);
        store.sweep(clock.now()).unwrap();
        assert!(is_there(&store, clock.now(), job));
    }
    let request = receiver.join().unwrap();
    assert!(request.contains("transcription.completed"), "{request}");
    store.sweep(clock.now()).unwrap();
    assert!(!is_there(&store, clock.now(), job));
}

#[test]
fn webhooks_of_a_claim_without_an_answer_are_claimed_again_and_those_being_sent_are_not() {
    let queue = TestQueue::new();
    let receiver = ([127, 0, 0, 1], 9).into();
    let being_sent = retrieved_job(&queue, receiver);
    let lost = retrieved_job(&queue, receiver);
    let courier = queue.begin_run(RunRole::Courier);
    let (dispatch, _folder) = dispatch(queue, courier.id());
    let mut has_failed = false;

    for delivery in dispatch.claim(&mut has_failed).unwrap() {
        if delivery.job_id() == being_sent {
            dispatch.in_flight().push(delivery.claim_id());
        }
    }
    assert!(dispatch.claim(&mut has_failed).unwrap().is_empty());

    has_failed = true;
    let claimed = dispatch.claim(&mut has_failed).unwrap();
    let claimed: Vec<_> = claimed.iter().map(ClaimedDelivery::job_id).collect();
    assert_eq!(claimed, [lost]);
    assert!(!has_failed);
}
