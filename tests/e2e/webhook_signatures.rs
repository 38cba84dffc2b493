//! Signatures of webhooks against the packages `standardwebhooks` of PyPI and npm.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use steno_courier::{WebhookSecret, sign};
use steno_e2e::{foreign_client, node_program};

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
