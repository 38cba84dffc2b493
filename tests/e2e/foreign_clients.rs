//! Clients of OpenAI's API by other authors against a running server. Each is a program of
//! tests/clients that prints a line `ok: …` for each call that it checked.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use steno_e2e::{Service, Settings, binary_path, chromium, fixture, foreign_client, node_program};

use crate::speakers::service_with_speakers;

fn run(command: &mut Command) -> String {
    let output = command.env("NO_PROXY", "*").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}");
    text.into_owned()
}

/// Runs a client against a service with a clip and its text. It has to check `checks` calls.
fn check(mut client: Command, service: &Service, more: &[&str], checks: usize) {
    client
        .arg(format!("http://{}", service.address()))
        .args([fixture("clip.wav"), fixture("clip.txt")])
        .args(more);
    let answers = run(&mut client);
    assert_eq!(answers.matches("ok: ").count(), checks, "{answers}");
}

/// A program of tests/clients in Python.
fn python(name: &str) -> Option<Command> {
    let mut command = Command::new(foreign_client("python/bin/python")?);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    command.arg(folder.join(name));
    // LiteLLM asks the internet for prices otherwise.
    command.envs([
        ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
        ("LITELLM_TELEMETRY", "False"),
    ]);
    Some(command)
}

/// A program of tests/clients in JavaScript.
fn node(name: &str) -> Option<Command> {
    let mut command = Command::new("node");
    command.arg(node_program(name)?);
    Some(command)
}

#[test]
fn openai_s_python_client_understands_every_answer() {
    let Some(client) = python("openai_sdk.py") else {
        return;
    };
    let service = Settings::with_workers(1).start();
    let not_audio = fixture("manifest.tsv");
    check(client, &service, &[not_audio.to_str().unwrap()], 18);
}

#[test]
fn openai_s_javascript_client_understands_every_answer() {
    let Some(client) = node("openai_sdk.mjs") else {
        return;
    };
    let service = Settings::with_workers(1).start();
    let not_audio = fixture("manifest.tsv");
    check(client, &service, &[not_audio.to_str().unwrap()], 11);
}

/// Has a client name the speakers of a conversation after recordings of their voices.
fn check_known_speakers(mut client: Command) {
    let Some(service) = service_with_speakers() else {
        return;
    };
    client
        .arg(format!("http://{}", service.address()))
        .arg(fixture("dialogue.opus"));
    for (name, voice) in [("Zoé", "dialogue_anna.opus"), ("Ben", "dialogue_ben.opus")] {
        client.arg(format!("{name}={}", fixture(voice).display()));
    }
    let answers = run(&mut client);
    assert_eq!(answers.matches("ok: ").count(), 3, "{answers}");
}

#[test]
fn openai_s_python_client_names_known_speakers() {
    let Some(client) = python("openai_known_speakers.py") else {
        return;
    };
    check_known_speakers(client);
}

#[test]
fn openai_s_javascript_client_names_known_speakers() {
    let Some(client) = node("openai_known_speakers.mjs") else {
        return;
    };
    check_known_speakers(client);
}

#[test]
fn litellm_and_langchain_understand_the_answers() {
    let Some(client) = python("others.py") else {
        return;
    };
    let service = Settings::with_workers(1).start();
    check(client, &service, &[], 4);
}

#[test]
fn litellm_s_proxy_passes_every_call_on() {
    let Some(client) = python("litellm_proxy.py") else {
        return;
    };
    let service = Settings::with_workers(1).start();
    let folder = service.scratch();
    check(client, &service, &[folder.to_str().unwrap()], 4);
}

#[test]
fn vercel_s_ai_sdk_understands_the_answers() {
    let Some(client) = node("ai_sdk.mjs") else {
        return;
    };
    let service = Settings::with_workers(1).start();
    check(client, &service, &[], 3);
}

/// Two ports that are free now.
fn free_ports() -> [String; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port().to_string())
}

/// OpenAI's client and the Chromium that it runs in.
fn client_in_chromium() -> Option<(Command, String)> {
    let chromium = chromium()?.into_os_string().into_string().unwrap();
    Some((node("browser.mjs")?, chromium))
}

#[test]
fn openai_s_client_in_chromium_works_from_an_invited_page_and_is_refused_from_others() {
    let Some((client, chromium)) = client_in_chromium() else {
        return;
    };
    let [invited, other] = free_ports();
    let service = Settings::with_workers(1)
        .set("STENO_CORS_ORIGINS", &format!("http://localhost:{invited}"))
        .start();
    check(client, &service, &[&chromium, &invited, &other], 4);
}

#[test]
fn openai_s_client_in_chromium_works_from_any_page_that_has_a_key() {
    let Some((client, chromium)) = client_in_chromium() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api-keys");
    let added = run(Command::new(binary_path("steno"))
        .args(["keys", "add", "alice", "--api-keys-file"])
        .arg(&file));
    let key = added.lines().next().unwrap();
    let service = Settings::with_workers(1)
        .set("STENO_API_KEYS_FILE", file.to_str().unwrap())
        .start();
    let [one, two] = free_ports();
    check(client, &service, &[&chromium, &one, &two, key], 7);
}
