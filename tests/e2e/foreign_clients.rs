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
        .args([
            fixture("clip.wav"),
            fixture("clip.txt"),
            fixture("manifest.tsv"),
        ])
        .env("NO_PROXY", "*"));
    assert_eq!(answers.matches("ok: ").count(), 16, "{answers}");
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
        .args([
            fixture("clip.wav"),
            fixture("clip.txt"),
            fixture("manifest.tsv"),
        ])
        .env("NO_PROXY", "*"));
    assert_eq!(answers.matches("ok: ").count(), 9, "{answers}");
}

#[test]
fn litellm_and_langchain_understand_the_answers() {
    let service = Settings::with_workers(1).start();
    let answers = run(Command::new(foreign_client("python/bin/python"))
        .arg(clients().join("others.py"))
        .arg(url(&service))
        .args([fixture("clip.wav"), fixture("clip.txt")])
        .envs([("NO_PROXY", "*"), ("LITELLM_LOCAL_MODEL_COST_MAP", "True")]));
    assert_eq!(answers.matches("ok: ").count(), 4, "{answers}");
}

#[test]
fn vercel_s_ai_sdk_understands_the_answers() {
    let service = Settings::with_workers(1).start();
    // Node looks for packages beside the program.
    let program = foreign_client("node_modules").with_file_name("ai_sdk.mjs");
    std::fs::copy(clients().join("ai_sdk.mjs"), &program).unwrap();
    let answers = run(Command::new("node")
        .arg(&program)
        .arg(url(&service))
        .args([fixture("clip.wav"), fixture("clip.txt")])
        .env("NO_PROXY", "*"));
    assert_eq!(answers.matches("ok: ").count(), 3, "{answers}");
}

#[test]
fn a_fuzzer_finds_nothing_that_the_description_does_not_say() {
    let service = Settings::with_workers(1).start();
    // The description cannot say that a field has to be JSON and a file a recording: only that check is left out.
    run(Command::new(foreign_client("python/bin/schemathesis"))
        .args([
            "run",
            &format!("{}/openapi.json", url(&service)),
            "--max-examples",
            "30",
            "--seed",
            "1",
        ])
        .args([
            "--exclude-checks",
            "positive_data_acceptance",
            "--request-timeout",
            "60",
        ])
        .current_dir(service.scratch())
        .env("NO_PROXY", "*"));
}

/// The fenced blocks of a page in a language.
fn examples(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = page
        .split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.collect()
}

#[test]
fn every_example_of_the_api_s_page_runs() {
    let service = Settings::with_workers(1).start();
    let page = std::fs::read_to_string(clients().join("../../docs/API.md")).unwrap();
    let page = page.replace("http://127.0.0.1:8080", &url(&service));
    let folder = foreign_client("node_modules").with_file_name("examples");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(fixture("clip.mp3"), folder.join("talk.mp3")).unwrap();
    let mut ran = 0;
    for (language, program, name) in [
        ("sh", std::path::PathBuf::from("bash"), "example.sh"),
        ("python", foreign_client("python/bin/python"), "example.py"),
        ("js", std::path::PathBuf::from("node"), "example.mjs"),
    ] {
        for example in examples(&page, language) {
            // A line that fails ends a script of the shell, too.
            let example = if language == "sh" {
                format!("set -euo pipefail\n{example}")
            } else {
                example
            };
            std::fs::write(folder.join(name), example).unwrap();
            let said = run(Command::new(&program)
                .arg(name)
                .current_dir(&folder)
                .env("NO_PROXY", "*")
                .env("no_proxy", "*"));
            assert!(language == "sh" || said.contains("weather"), "{said}");
            ran += 1;
        }
    }
    assert!(ran >= 10, "only {ran} examples");
}
