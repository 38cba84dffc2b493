//! What the api says about itself holds: its `OpenAPI` description, tried by a fuzzer, and the
//! examples of docs/API.md, run as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use steno_e2e::{Settings, fixture, foreign_client};

fn run(command: &mut Command) -> String {
    let output = command
        .env("NO_PROXY", "*")
        .env("no_proxy", "*")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}");
    text.into_owned()
}

#[test]
fn a_fuzzer_finds_nothing_that_the_description_does_not_say() {
    let Some(schemathesis) = foreign_client("python/bin/schemathesis") else {
        return;
    };
    let service = Settings::with_workers(1).start();
    let description = format!("http://{}/openapi.json", service.address());
    // The description cannot say that a field has to be JSON and a file a recording, so that check
    // is left out.
    run(Command::new(schemathesis)
        .args(["run", &description, "--max-examples", "30", "--seed", "1"])
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args(["--request-timeout", "60"])
        .current_dir(service.scratch()));
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
    let (Some(packages), Some(python)) = (
        foreign_client("node_modules"),
        foreign_client("python/bin/python"),
    ) else {
        return;
    };
    let service = Settings::with_workers(1).start();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/API.md");
    let page = fs::read_to_string(page).unwrap();
    let url = format!("http://{}", service.address());
    let page = page.replace("http://127.0.0.1:8080", &url);
    let folder = packages.with_file_name("examples");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(fixture("clip.mp3"), folder.join("talk.mp3")).unwrap();

    let mut ran = 0;
    for (language, program, name) in [
        ("sh", PathBuf::from("bash"), "example.sh"),
        ("python", python, "example.py"),
        ("js", PathBuf::from("node"), "example.mjs"),
    ] {
        for example in examples(&page, language) {
            // A shell script, too, has to end at a line that fails.
            let example = if language == "sh" {
                format!("set -euo pipefail\n{example}")
            } else {
                example
            };
            fs::write(folder.join(name), example).unwrap();
            let said = run(Command::new(&program).arg(name).current_dir(&folder));
            assert!(language == "sh" || said.contains("weather"), "{said}");
            ran += 1;
        }
    }
    assert!(ran >= 10, "only {ran} examples");
}
