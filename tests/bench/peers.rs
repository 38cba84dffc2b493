//! The same recordings through the service and through faster-whisper, in turn. Needs Python and PyPI, and reports
//! if they are missing. Also measures word error rates over a given folder of real speech.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use steno_e2e::{Service, Settings};

use crate::baseline::Baseline;
use crate::report::{line, medians};
use crate::speed::material;

/// A Python process with the other model. It answers each line of JSON with another.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// `None`, and a printed reason, if it cannot be installed.
    fn start() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/peer.sh");
        let mut child = Command::new(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut peer = Self {
            child,
            input,
            output: BufReader::new(output),
        };
        peer.read().or_else(|| {
            println!("  faster-whisper cannot be installed here (see above): not compared");
            None
        })?;
        Some(peer)
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.input, "{question}").unwrap();
        self.read().expect("the peer answers")
    }

    fn read(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).ok()
    }

    fn transcribe(&mut self, files: &[PathBuf], batch: usize, speech_detection: bool) {
        self.ask(&json!({"files": files, "batch": batch, "vad": speech_detection}));
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn service() -> Service {
    Settings::with_workers(1).set("STENO_SLOTS", "2").start()
}

/// Sends all files at once, like many clients. Texts are in the order of the files.
fn transcribe(service: &Service, files: &[PathBuf]) -> Vec<String> {
    thread::scope(|scope| {
        let started: Vec<_> = files
            .iter()
            .map(|file| {
                scope.spawn(|| {
                    service
                        .client
                        .wait_for_text(service.client.submit(file, "language=en"))
                })
            })
            .collect();
        started
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// Wall times against faster-whisper with int8 weights and two threads.
pub(crate) fn faster_whisper(runs: usize) {
    let Some(peer) = Peer::start() else { return };
    let peer = std::cell::RefCell::new(peer);
    let folder = tempfile::tempdir().unwrap();
    let (long, clips, sparse) = material(folder.path());
    let (long, sparse) = ([long], [sparse]);
    let service = service();
    let compare = |measure: &str, files: &[PathBuf], batch: usize, vad: bool, target: &str| {
        let [own, other] = medians(
            runs,
            [&mut || drop(transcribe(&service, files)), &mut || {
                peer.borrow_mut().transcribe(files, batch, vad);
            }],
        );
        line(measure, &format!("{:.2}", own / other), target);
    };

    compare(
        "460 s, 2 slots / faster-whisper int8 batched (8)",
        &long,
        8,
        true,
        "<= 0.8",
    );

    compare("460 s, 2 slots / faster-whisper int8", &long, 0, false, "");
    compare(
        "ten clips of 4-15 s, 2 slots / faster-whisper int8",
        &clips,
        0,
        false,
        "<= 0.5",
    );

    compare(
        "234 s, 89 % silent, 2 slots / faster-whisper int8 with VAD",
        &sparse,
        0,
        true,
        "<= 1.0",
    );
}

/// Word error rates over a folder with `manifest.tsv` (columns file, language or lang, reference), by whisper's normaliser.
pub(crate) fn accuracy(folder: &Path) {
    let Some(mut peer) = Peer::start() else {
        return;
    };
    let rows = peer.ask(&json!({"manifest": folder.join("manifest.tsv")}));
    let files: Vec<PathBuf> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|file| folder.join(file.as_str().unwrap()))
        .collect();

    let service = service();
    let own = transcribe(&service, &files);
    let alone: Vec<String> = files
        .iter()
        .map(|file| Baseline::load(file).transcribe(2))
        .collect();

    for (who, texts) in [
        ("the service", own),
        ("whisper-rs alone on whole files", alone),
    ] {
        let score = peer.ask(&json!({"manifest": folder.join("manifest.tsv"), "texts": texts}));
        let (errors, words) = (
            score["errors"].as_u64().unwrap(),
            score["words"].as_u64().unwrap(),
        );
        let rate = format!("{:.2} %", errors as f64 * 100.0 / words as f64);
        line(
            &format!("{errors} errors in {words} words: {who}"),
            &rate,
            "",
        );
    }
}
