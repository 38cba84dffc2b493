//! `make run`: scripts/run.sh with the programs under test.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use steno_e2e::{Settings, binary_path, eventually, fixture, same_words};

#[test]
fn make_run_shows_the_text_alone_and_then_what_to_try() {
    // Fails with a hint if the weights are missing.
    drop(Settings::with_workers(1));
    let folder = tempfile::tempdir().unwrap();
    let screen = folder.path().join("screen");
    let log = folder.path().join("log");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/run.sh");
    let output = File::create(&screen).unwrap();
    let mut run = Command::new(script)
        .arg(fixture("clip.opus"))
        .arg(binary_path("steno").parent().unwrap())
        .arg(&log)
        .env("STENO_DATA", folder.path().join("data"))
        .env("STENO_BIND", &address)
        .env("STENO_SLOTS", "1")
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let shown = eventually("the script shows what to try", || {
        let shown = fs::read_to_string(&screen).unwrap();
        assert_eq!(run.try_wait().unwrap(), None, "it has ended: {shown}");
        shown.contains("/docs describes the api").then_some(shown)
    });
    kill_process(Pid::from_child(&run), Signal::TERM).unwrap();
    assert!(run.wait().unwrap().success());

    let text = fs::read_to_string(fixture("clip.txt")).unwrap();
    let lines: Vec<&str> = shown.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines[0].contains(log.to_str().unwrap()), "{shown}");
    assert!(lines[1].starts_with("Transcribing "), "{shown}");
    assert!(same_words(lines[2], &text), "{shown}");
    assert!(lines[3].contains(&format!("http://{address}")), "{shown}");
    assert_eq!(lines.len(), 8, "{shown}");
    assert!(fs::read_to_string(&log).unwrap().contains("listening on"));
    assert!(!log.with_extension("client").exists());
}
