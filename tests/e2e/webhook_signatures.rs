//! Signatures of webhooks against the packages `standardwebhooks` of PyPI and npm.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use steno_courier::{WebhookSecret, sign};
use steno_e2e::{Client, Settings, eventually, fixture, foreign_client, node_program};

use crate::keys;
use crate::receiver::{Manner, Received, Receiver};
use crate::webhooks::escaped;

const ID: &str = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";
const BODY: &str = r#"{"type":"transcription.completed","data":{"job_id":"é"}}"#;

/// What a program that verifies says about a webhook.
fn verify(program: &mut Command, arguments: [&str; 4], body: &str) -> String {
    let mut child = program
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(body.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();

    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn check(mut program: impl FnMut() -> Command) {
    let new = WebhookSecret::generate().unwrap();
    let old = WebhookSecret::generate().unwrap();
    let strange = WebhookSecret::generate().unwrap();
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = since_epoch.unwrap().as_secs() as i64;
    let signatures = sign(&[new.clone(), old.clone()], ID, now, BODY.as_bytes());
    let time = now.to_string();

    for secret in [&new, &old] {
        let said = verify(
            &mut program(),
            [&secret.reveal(), ID, &time, &signatures],
            BODY,
        );
        assert_eq!(said.trim(), "ok: transcription.completed");
    }

    let secret = new.reveal();
    let earlier = (now - 3_600).to_string();
    for (why, arguments, body) in [
        (
            "another secret",
            [&*strange.reveal(), ID, &time, &signatures],
            BODY,
        ),
        ("another id", [&secret, "msg_2", &time, &signatures], BODY),
        ("another time", [&secret, ID, &earlier, &signatures], BODY),
        ("another body", [&secret, ID, &time, &signatures], "{}"),
    ] {
        let said = verify(&mut program(), arguments, body);
        assert!(said.starts_with("refused: "), "{why}: {said}");
    }
}

fn client(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("clients")
        .join(name)
}

#[test]
fn the_python_package_accepts_signatures_and_refuses_forgeries() {
    let Some(python) = foreign_client("python/bin/python") else {
        return;
    };
    check(|| {
        let mut program = Command::new(&python);
        program.arg(client("standard_webhooks.py"));
        program
    });
}

#[test]
fn the_javascript_package_accepts_signatures_and_refuses_forgeries() {
    let Some(program) = node_program("standard_webhooks.mjs") else {
        return;
    };
    check(|| {
        let mut command = Command::new("node");
        command.arg(&program);
        command
    });
}

/// The webhook of a job that this client submits, as it arrives.
fn webhook_of(client: &Client) -> Received {
    let receiver = Receiver::start(&[Manner::Status(200, "")]);
    let query = format!("language=en&callback_url={}", escaped(&receiver.url));
    client.submit(&fixture("clip.opus"), &query);
    eventually("the webhook arrives", || receiver.received().pop())
}

#[test]
fn a_secret_is_changed_without_a_restart_and_without_a_webhook_that_is_refused() {
    let Some(python) = foreign_client("python/bin/python") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api-keys");
    let [alice, bob] = ["alice", "bob"].map(|name| keys::add(&file, name));
    let service = Settings::with_scripted_workers(1)
        .with_courier()
        .set("STENO_OUTBOUND_ALLOW", "127.0.0.0/8")
        .set("STENO_API_KEYS_FILE", file.to_str().unwrap())
        .start();
    let [alice, bob] = [alice, bob].map(|key| service.client.with_key(&key));

    let secret = |arguments: &[&str]| {
        let data = service.data().to_str().unwrap().to_owned();
        let command = [&["keys", "webhook-secret", "--data", &data][..], arguments].concat();
        let (code, secret, problem) = service.cli(&command);
        assert_eq!(code, Some(0), "{problem}");
        secret.trim().to_owned()
    };
    let accepts = |secret: &str, webhook: &Received| {
        let [id, time, signature] = ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .map(|name| webhook.header(name));
        let mut program = Command::new(&python);
        program.arg(client("standard_webhooks.py"));
        verify(&mut program, [secret, id, time, signature], &webhook.body).starts_with("ok: ")
    };

    let old = secret(&["alice"]);
    assert!(accepts(&old, &webhook_of(&alice)));
    let new = secret(&["alice", "--rotate"]);
    let between = webhook_of(&alice);
    assert!(accepts(&old, &between) && accepts(&new, &between));
    assert_eq!(secret(&["alice", "--finish"]), new);
    let after = webhook_of(&alice);
    assert!(accepts(&new, &after) && !accepts(&old, &after));

    let of_bob = webhook_of(&bob);
    assert!(accepts(&secret(&[]), &of_bob) && !accepts(&new, &of_bob));
}
