//! Programs that are not ours against a running server: OpenAI's clients, a fuzzer of the api's description, and the examples
//! of docs/API.md.

use std::path::Path;
use std::process::Command;

use steno_e2e::{Service, Settings, fixture, foreign_client};

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}");
    text.into_owned()
}

fn url(service: &Service) -> String {
    format!("http://{}", service.address())
}

fn clients() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

#[test]
fn openai_s_python_client_understands_every_answer() {
    let service = Settings::with_workers(1).start();
    let answers = run(Command::new(foreign_client("python/bin/python"))
        .arg(clients().join("openai_sdk.py"))
        .arg(url(&service))
        .args([fixture("clip.wav"), fixture("clip.txt"), fixture("manifest.tsv")])
        .env("NO_PROXY", "*"));
    assert_eq!(answers.matches("ok: ").count(), 15, "{answers}");
}

#[test]
fn openai_s_javascript_client_understands_every_answer() {
    let service = Settings::with_workers(1).start();
    // Node looks for packages beside the program.
    let program = foreign_client("node_modules").with_file_name("openai_sdk.mjs");
    std::fs::copy(clients().join("openai_sdk.mjs"), &program).unwrap();
    let answers = run(Command::new("node")
        .arg(&program)
        .arg(url(&service))
        .args([fixture("clip.wav"), fixture("clip.txt"), fixture("manifest.tsv")])
        .env("NO_PROXY", "*"));
    assert_eq!(answers.matches("ok: ").count(), 9, "{answers}");
}

#[test]
fn a_fuzzer_finds_nothing_that_the_description_does_not_say() {
    let service = Settings::with_workers(1).start();
    // The description cannot say that a field has to be JSON and a file a recording: only that check is left out.
    run(Command::new(foreign_client("python/bin/schemathesis"))
        .args(["run", &format!("{}/openapi.json", url(&service)), "--max-examples", "30", "--seed", "1"])
        .args(["--exclude-checks", "positive_data_acceptance", "--request-timeout", "60"])
        .current_dir(service.scratch())
        .env("NO_PROXY", "*"));
}
