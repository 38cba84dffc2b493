//! The same recordings through the service and through faster-whisper, in turn. Needs Python and PyPI, and reports
//! if they are missing. Also measures word error rates over a given folder of real speech.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use steno_e2e::Service;

use crate::baseline::Baseline;
use crate::report::{line, medians};
use crate::speed::{material, service_of};

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

    /// Returns the processor seconds it took.
    fn transcribe(&mut self, files: &[PathBuf], how: How) -> f64 {
        let How { batch, beam, vad } = how;
        let answer = self.ask(&json!({"files": files, "batch": batch, "beam": beam, "vad": vad}));
        answer["cpu"].as_f64().unwrap()
    }
}

/// How faster-whisper transcribes.
#[derive(Clone, Copy)]
struct How {
    /// Windows at a time; 0 is one after the other.
    batch: usize,
    beam: usize,
    /// Whether it leaves out what is no speech; its batches always do.
    vad: bool,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends all files at once, like many clients. Texts are in the order of the files.
fn transcribe(service: &Service, files: &[PathBuf], options: &str) -> Vec<String> {
    thread::scope(|scope| {
        let started: Vec<_> = files
            .iter()
            .map(|file| {
                scope.spawn(|| {
                    let job = service.client.submit(file, options);
                    service.client.wait_for_text(job)
                })
            })
            .collect();
        started
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// A comparison: what it is called, the recordings, the beams of both, and what the peer does.
struct Comparison<'a> {
    what: &'a str,
    files: &'a [PathBuf],
    beam: usize,
    against: &'a str,
    how: How,
    target: &'a str,
}

/// Wall and processor times of both engines against faster-whisper with int8 weights and two threads. `RECORDING` names a recording in
/// English to use as the long one.
pub(crate) fn faster_whisper(runs: usize) {
    let Some(peer) = Peer::start() else { return };
    let peer = std::cell::RefCell::new(peer);
    let folder = tempfile::tempdir().unwrap();
    let (long, clips, sparse) = material(folder.path());
    let given = std::env::var_os("RECORDING").filter(|given| !given.is_empty());
    let (long, sparse) = ([given.map_or(long, PathBuf::from)], [sparse]);
    let (native, whisper_cpp) = (service_of("native"), service_of("whisper-cpp"));
    let how = |batch, beam, vad| How { batch, beam, vad };

    let comparisons = [
        Comparison {
            what: "long recording",
            files: &long,
            beam: 1,
            against: "batched (8)",
            how: how(8, 1, true),
            target: "<= 0.5",
        },
        Comparison {
            what: "long recording, beam 5",
            files: &long,
            beam: 5,
            against: "batched (8), beam 5",
            how: how(8, 5, true),
            target: "<= 0.5",
        },
        Comparison {
            what: "long recording",
            files: &long,
            beam: 1,
            against: "plain",
            how: how(0, 1, false),
            target: "",
        },
        Comparison {
            what: "ten clips of 4-15 s",
            files: &clips,
            beam: 1,
            against: "plain",
            how: how(0, 1, false),
            target: "<= 0.2",
        },
        Comparison {
            what: "234 s, 89 % silent",
            files: &sparse,
            beam: 1,
            against: "with VAD",
            how: how(0, 1, true),
            target: "<= 1.0",
        },
    ];
    for comparison in &comparisons {
        let Comparison { files, beam, .. } = *comparison;
        let options = format!("language=en&beam_size={beam}");
        let before = [&native, &whisper_cpp].map(worker_seconds);
        let mut their_seconds = 0.0;
        let [own, other, theirs] = medians(
            runs,
            [
                &mut || drop(transcribe(&native, files, &options)),
                &mut || drop(transcribe(&whisper_cpp, files, &options)),
                &mut || their_seconds += peer.borrow_mut().transcribe(files, comparison.how),
            ],
        );
        let processor =
            |service: &Service, before: f64| (worker_seconds(service) - before) / their_seconds;
        let native_share = processor(&native, before[0]);
        comparison.report("native", own / theirs, native_share, comparison.target);
        let share = processor(&whisper_cpp, before[1]);
        comparison.report("whisper.cpp", other / theirs, share, "");
    }
}

fn worker_seconds(service: &Service) -> f64 {
    service.workers[0].cpu_seconds()
}

impl Comparison<'_> {
    fn report(&self, engine: &str, wall: f64, processor: f64, target: &str) {
        let measure = format!("{}: {engine} / faster-whisper {}", self.what, self.against);
        line(&measure, &format!("{wall:.2}"), target);
        let measure = format!("{measure}, processor time");
        line(&measure, &format!("{processor:.2}"), "");
    }
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

    let service = service_of("native");
    let own = transcribe(&service, &files, "language=en");
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
