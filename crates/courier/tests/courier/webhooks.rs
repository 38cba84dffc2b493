//! Receivers of webhooks that answer, refuse, or do neither.

use std::time::{Duration, Instant, SystemTime};

use steno_courier::{Message, Outcome, WebhookLimits, WebhookSecret, send_webhook, sign};

use crate::server::{Server, Step, answer, send};
use crate::support::{Names, client};

const PATIENT: WebhookLimits = WebhookLimits {
    total: Duration::from_secs(20),
};
const IMPATIENT: WebhookLimits = WebhookLimits {
    total: Duration::from_millis(500),
};

fn message() -> Message {
    Message {
        id: "msg_1".to_owned(),
        body: r#"{"type":"transcription.completed"}"#.to_owned(),
        secrets: vec![
            WebhookSecret::generate().unwrap(),
            WebhookSecret::generate().unwrap(),
        ],
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the receiver checks against the real time"
)]
async fn deliver(steps: Vec<Step>, limits: WebhookLimits) -> (Outcome, Server) {
    let server = Server::start(move |_, _| steps.clone()).await;
    let address = server.url("/hook?token=secret").parse().unwrap();
    let client = client(Names::of(&[]));
    let outcome = send_webhook(&client, &address, &message(), limits, SystemTime::now()).await;
    (outcome, server)
}

fn code(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered { .. } => "delivered",
        Outcome::Failed { code, .. } | Outcome::GivenUp { code, .. } => code,
    }
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the receiver checks against the real time"
)]
async fn a_receiver_gets_the_body_and_a_signature_for_each_secret() {
    let server = Server::start(|_, _| answer("200 OK", b"")).await;
    let address = server.url("/hook?token=secret").parse().unwrap();
    let message = message();
    let client = client(Names::of(&[]));
    let outcome = send_webhook(&client, &address, &message, PATIENT, SystemTime::now()).await;

    assert_eq!(outcome, Outcome::Delivered { status: 200 });
    let request = &server.requests()[0];
    assert!(
        request.starts_with("POST /hook?token=secret HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.ends_with(&message.body));
    let value = |name: &str| {
        let line = request.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().to_owned()
    };
    assert_eq!(value("webhook-id: "), "msg_1");
    let timestamp = value("webhook-timestamp: ").parse().unwrap();
    let signatures = sign(
        &message.secrets,
        "msg_1",
        timestamp,
        message.body.as_bytes(),
    );
    assert_eq!(value("webhook-signature: "), signatures);
    assert_eq!(value("content-type: "), "application/json");
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let (outcome, server) = deliver(
        answer("307 Temporary Redirect\r\nlocation: /", b""),
        PATIENT,
    )
    .await;

    assert_eq!(code(outcome), "redirect_refused");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_is_slow_is_given_up_in_time() {
    let began = Instant::now();
    for steps in [
        vec![Step::Wait],
        vec![
            send("HTTP/1.1 200 OK\r\n"),
            Step::Repeat(b"a: b\r\n".to_vec(), Duration::from_millis(50)),
        ],
    ] {
        let (outcome, _) = deliver(steps, IMPATIENT).await;
        assert_eq!(code(outcome), "timed_out");
    }
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn what_a_receiver_says_besides_its_status_is_not_read() {
    let endless = vec![
        send("HTTP/1.1 200 OK\r\n\r\n"),
        Step::Repeat(vec![b'a'; 4096], Duration::ZERO),
    ];
    let lying = vec![
        send("HTTP/1.1 202 Accepted\r\ncontent-length: 1000000\r\n\r\n"),
        Step::Wait,
    ];
    for steps in [endless, lying] {
        let (outcome, _) = deliver(steps, PATIENT).await;
        assert_eq!(code(outcome), "delivered");
    }
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the receiver checks against the real time"
)]
async fn a_receiver_that_breaks_off_gets_it_again_and_a_refused_address_does_not() {
    let (outcome, _) = deliver(vec![], PATIENT).await;
    assert!(
        matches!(
            outcome,
            Outcome::Failed {
                code: "cut_short",
                ..
            }
        ),
        "{outcome:?}"
    );

    let client = client(Names::of(&[]));
    let address = "http://169.254.169.254/".parse().unwrap();
    let outcome = send_webhook(&client, &address, &message(), PATIENT, SystemTime::now()).await;
    let refused = Outcome::GivenUp {
        code: "address_refused",
        status: None,
    };
    assert_eq!(outcome, refused);
}
