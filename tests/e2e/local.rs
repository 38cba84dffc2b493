//! `steno transcribe` without a server: it starts one for itself and leaves nothing behind.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use steno_e2e::{
    Client, Process, Settings, binary_path, children_of, descendants_of, eventually, fixture,
    name_of, same_words,
};
use tempfile::TempDir;

/// A folder for the temporary files of a test, and the settings that go with it.
struct Bed {
    folder: TempDir,
}

impl Bed {
    fn new() -> Self {
        // Fails with a hint if the weights are missing.
        drop(Settings::with_workers(1));
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let folder = self.folder.path().to_str().unwrap();
        BTreeMap::from(
            [
                ("TMPDIR", folder),
                ("STENO_SLOTS", "1"),
                ("STENO_WEIGHTS_PULL", "false"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        )
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary_path("steno"));
        command.arg("transcribe").args(arguments);
        command.envs(self.environment()).output().unwrap()
    }

    /// A transcription that takes a while, and the processes that it has started once its job
    /// runs.
    fn start_long(&self) -> (Process, Vec<u32>) {
        let audio = fixture("long.opus");
        let words = ["transcribe", "--local", audio.to_str().unwrap()];
        let log = self.folder.path().join("client.log");
        let client = Process::start("steno", &words, &self.environment(), &log);
        client.wait_for_log("long.opus: job ");
        eventually("the worker has started", || {
            self.log().contains("working with").then_some(())
        });
        let started = descendants_of(client.pid());
        assert!(started.len() >= 3, "{started:?}");
        (client, started)
    }

    /// The folders of local servers.
    fn scratch(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.join("log").exists()).collect()
    }

    /// The log of the local server.
    fn log(&self) -> String {
        let folders = self.scratch();
        fs::read_to_string(folders[0].join("log")).unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn is_clip(transcript: &str) -> bool {
    same_words(
        transcript,
        &fs::read_to_string(fixture("clip.txt")).unwrap(),
    )
}

fn await_end_of(processes: &[u32]) {
    eventually("every process of the local server has ended", || {
        processes
            .iter()
            .all(|pid| name_of(*pid).is_none())
            .then_some(())
    });
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_recording_is_transcribed_without_a_server() {
    let bed = Bed::new();
    let audio = fixture("clip.opus");
    let audio = audio.to_str().unwrap();
    let output = bed.run(&["--local", audio, "--language", "en"]);
    let (transcript, log) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(is_clip(&transcript), "{transcript}");
    assert_eq!(
        log.matches("without a server, with the weights base")
            .count(),
        1
    );
    assert_eq!(log.lines().count(), 2, "{log}");
    assert_eq!(bed.scratch(), Vec::<PathBuf>::new());

    let broken = fixture("bad/text.txt");
    let out = format!("{}/", bed.folder.path().join("out").display());
    let broken = broken.to_str().unwrap();
    let output = bed.run(&["--local", broken, audio, "--json", "-o", &out]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    assert!(
        lines.contains(r#""status":"failed""#) && lines.contains("unsupported_media"),
        "{lines}"
    );
    assert!(is_clip(
        &fs::read_to_string(format!("{out}clip.txt")).unwrap()
    ));
    assert_eq!(bed.scratch(), Vec::<PathBuf>::new());
}

#[test]
fn only_a_server_that_was_not_named_is_replaced_by_a_local_one() {
    let bed = Bed::new();
    let audio = fixture("clip.opus");
    let audio = audio.to_str().unwrap();
    for named in ["--url", "--server"] {
        let output = bed.run(&[audio, named, "127.0.0.1:9"]);
        assert_eq!(output.status.code(), Some(3));
        assert!(text(&output.stderr).contains("cannot reach the server"));
    }

    if TcpStream::connect("127.0.0.1:8080").is_ok() {
        // A server of someone else: the check of the default address has unit tests.
        return;
    }
    let output = bed.run(&[audio, "--language", "en"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(is_clip(&text(&output.stdout)));
}

#[test]
fn a_local_server_is_closed_to_other_users() {
    let bed = Bed::new();
    let (mut client, started) = bed.start_long();
    let folder = &bed.scratch()[0];
    assert_eq!(
        folder.metadata().unwrap().permissions().mode() & 0o777,
        0o700
    );

    let log = bed.log();
    let address = log.split("listening on ").nth(1).unwrap();
    let address = address.split_whitespace().next().unwrap();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    assert_eq!(Client::new(address).get("/transcribe").status, 401);
    for pid in started {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!text(&arguments).contains("steno_"), "a key can be read");
    }
    client.signal(Signal::INT);
    client.wait();
}

#[test]
fn a_signal_ends_a_local_server_and_deletes_its_folder() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let bed = Bed::new();
        let (mut client, started) = bed.start_long();
        client.signal(signal);
        assert_eq!(client.wait().code(), Some(code), "{}", client.log());
        assert!(started.iter().all(|pid| name_of(*pid).is_none()));
        assert_eq!(bed.scratch(), Vec::<PathBuf>::new());
        assert!(!client.log().contains("steno fetch"), "{}", client.log());
    }
}

#[test]
fn a_local_server_ends_with_a_client_that_is_killed() {
    let bed = Bed::new();
    let (client, started) = bed.start_long();
    client.kill();
    await_end_of(&started);
    assert_eq!(bed.scratch(), Vec::<PathBuf>::new());
}

#[test]
fn what_killed_processes_left_is_deleted_by_the_next_run() {
    let bed = Bed::new();
    let (client, started) = bed.start_long();
    let supervisor = children_of(client.pid())[0];
    // Stopped, the client does not notice the end of its server.
    client.signal(Signal::STOP);
    kill(supervisor);
    client.kill();
    await_end_of(&started);
    let left = bed.scratch();
    assert_eq!(left.len(), 1);
    assert!(left[0].join("data/steno.db").exists());

    let audio = fixture("clip.opus");
    let output = bed.run(&["--local", audio.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(bed.scratch(), Vec::<PathBuf>::new());
}

#[test]
fn weights_that_are_missing_are_named_before_anything_starts() {
    let bed = Bed::new();
    let audio = fixture("clip.opus");
    let output = bed.run(&["--local", audio.to_str().unwrap(), "--model", "no-such"]);
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{log}");
    assert!(log.contains("steno weights pull no-such"), "{log}");
    assert_eq!(bed.scratch(), Vec::<PathBuf>::new());

    // A server refuses the same with the same code.
    let service = Settings::with_workers(0).start();
    let (code, _, log) =
        service.cli(&["transcribe", audio.to_str().unwrap(), "--model", "no-such"]);
    assert_eq!(code, Some(3), "{log}");
}

#[test]
fn another_program_at_the_address_of_the_server_is_reported_with_the_way_around_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let answer =
                "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let output = Bed::new().run(&[fixture("clip.opus").to_str().unwrap(), "--url", &address]);
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{log}");
    assert!(log.contains("transcribe --local"), "{log}");
}

#[test]
fn a_client_whose_local_server_ends_says_so_and_ends() {
    let bed = Bed::new();
    let (mut client, _) = bed.start_long();
    kill(children_of(client.pid())[0]);
    assert_eq!(client.wait().code(), Some(1));
    client.wait_for_log("cannot transcribe on this machine: signal: 9");
}

#[test]
fn a_machine_without_the_other_programs_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("steno");
    fs::copy(binary_path("steno"), &alone).unwrap();
    let output = transcribe_alone(&alone);
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{log}");
    assert!(
        log.contains("no steno-api and no steno-worker") && log.contains("--url"),
        "{log}"
    );
}

fn transcribe_alone(program: &Path) -> Output {
    Command::new(program)
        .args(["transcribe", "--local"])
        .arg(fixture("clip.opus"))
        .env("PATH", "")
        .output()
        .unwrap()
}
