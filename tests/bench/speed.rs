//! Transcription by the whole service, from upload to result, in ratios.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, available_parallelism};

use steno_e2e::statistics::median;
use steno_e2e::{Service, Settings, eventually, fixture, repeated, word_error_rate};

use crate::baseline::{Baseline, decode};
use crate::report::{line, medians, seconds};

const MIB: f64 = 1024.0 * 1024.0;

/// A service with `workers` processes of `slots` slots.
fn service(workers: usize, slots: usize) -> Service {
    Settings::with_workers(workers)
        .set("STENO_SLOTS", &slots.to_string())
        .start()
}

/// A service with an engine and its default slots: four a core, or one.
pub(crate) fn service_of(engine: &str) -> Service {
    let cores = available_parallelism().map_or(1, usize::from);
    let slots = if engine == "native" { 4 * cores } else { cores };
    Settings::with_workers(1)
        .set("STENO_ENGINE", engine)
        .set("STENO_SLOTS", &slots.to_string())
        .start()
}

fn transcribe(service: &Service, audio: &Path) -> String {
    let job = service.client.submit(audio, "language=en");
    service.client.wait_for_text(job)
}

fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

/// A minute: one slot against whisper-rs alone on one thread.
pub(crate) fn minute_against_whisper() {
    let audio = fixture("minute.opus");
    let (service, baseline) = (service(1, 1), Baseline::load(&audio));
    let [alone, whole] = medians(
        5,
        [&mut || drop(baseline.transcribe(1)), &mut || {
            drop(transcribe(&service, &audio));
        }],
    );
    line(
        "60 s, one slot: whole job / whisper-rs alone, one thread",
        &ratio(whole / alone),
        "<= 1.05",
    );
    line(
        "60 s, one slot: times real time",
        &format!("{:.1}", 60.4 / whole),
        "",
    );
}

/// 11 s alone, from submission to result, as clients get it by default: with five beams, or greedily.
pub(crate) fn clip_alone(runs: usize) {
    let folder = tempfile::tempdir().unwrap();
    let audio = folder.path().join("clip.wav");
    write_wav(&audio, &decode(&fixture("minute.opus"))[..11 * 16_000]);
    let (native, whisper_cpp) = (service_of("native"), service_of("whisper-cpp"));
    let [own, other] = medians(
        runs,
        [&mut || drop(transcribe(&native, &audio)), &mut || {
            drop(transcribe(&whisper_cpp, &audio));
        }],
    );
    line(
        "11 s alone: native / whisper.cpp",
        &ratio(own / other),
        "<= 0.5",
    );
    line("11 s alone: native", &format!("{own:.2} s"), "");
}

/// 7 min 40 s over slots and workers, against whisper-rs alone with two threads.
pub(crate) fn long_recording(runs: usize) {
    let folder = tempfile::tempdir().unwrap();
    let audio = repeated("long.opus", 5, folder.path());
    let length = 460.2;
    let baseline = Baseline::load(&audio);
    let (one, two, processes) = (service(1, 1), service(1, 2), service(2, 1));
    let expected = fs::read_to_string(fixture("long.txt")).unwrap().repeat(5);
    let (mut alone_text, mut text) = (String::new(), String::new());
    let cpu = |service: &Service| {
        service
            .workers
            .iter()
            .map(steno_e2e::Process::cpu_seconds)
            .sum::<f64>()
    };

    let before = cpu(&two);
    let [alone, one_slot, two_slots, two_workers] = medians(
        runs,
        [
            &mut || alone_text = baseline.transcribe(2),
            &mut || drop(transcribe(&one, &audio)),
            &mut || text = transcribe(&two, &audio),
            &mut || drop(transcribe(&processes, &audio)),
        ],
    );

    let cpu = (cpu(&two) - before) / runs as f64;
    line(
        "460 s, 2 slots / whisper-rs alone, 2 threads",
        &ratio(two_slots / alone),
        "<= 0.6",
    );

    line(
        "460 s, speed of 2 slots / 1 slot",
        &ratio(one_slot / two_slots),
        ">= 1.85",
    );

    line(
        "460 s, speed of 2 workers / 1 worker, one slot each",
        &ratio(one_slot / two_workers),
        ">= 1.85",
    );

    line(
        "460 s, 2 slots: real-time factor",
        &format!("{:.4}", two_slots / length),
        "",
    );

    line(
        "460 s, 2 slots: CPU s per s of audio",
        &format!("{:.4}", cpu / length),
        "",
    );

    let errors = |text: &str| format!("{:.1} %", word_error_rate(&expected, text) * 100.0);
    line(
        "460 s, word error rate: 2 slots",
        &errors(&text),
        "not above the next",
    );

    line(
        "460 s, word error rate: whisper-rs alone",
        &errors(&alone_text),
        "",
    );
}

/// Another process uses one core, as on a shared machine.
pub(crate) fn busy_neighbour(runs: usize) {
    let folder = tempfile::tempdir().unwrap();
    let audio = repeated("long.opus", 2, folder.path());
    let service = service(1, 2);
    transcribe(&service, &audio);
    let alone = median(
        (0..runs)
            .map(|_| seconds(|| drop(transcribe(&service, &audio))))
            .collect(),
    );
    let mut neighbour = Neighbour::start();
    let beside = median(
        (0..runs)
            .map(|_| seconds(|| drop(transcribe(&service, &audio))))
            .collect(),
    );
    neighbour.0.kill().unwrap();
    line(
        "184 s, 2 slots: beside a busy process / undisturbed",
        &ratio(beside / alone),
        "<= 2.2",
    );
}

/// A process that never waits.
struct Neighbour(Child);

impl Neighbour {
    fn start() -> Self {
        let spin = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .stdin(Stdio::null())
            .spawn();
        Self(spin.unwrap())
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Preparation and the first twentieth of two hours, or all of three.
pub(crate) fn worker_memory(engine: &str, hours: usize, to_the_end: bool) {
    let service = service_of(engine);
    // 92.04 s each.
    let recording = repeated("long.opus", hours * 3600 / 92, &service.scratch());
    let job = service.client.submit(&recording, "language=en");
    if to_the_end {
        // Longer than the limit of `wait`: seven minutes on two cores.
        while !service
            .client
            .get(&format!("/transcribe/{job}?keep=true&wait=30"))
            .json()["finished_at"]
            .is_string()
        {}
    } else {
        eventually("a twentieth is transcribed", || {
            (service.client.status(job).progress > 0.05).then_some(())
        });
    }
    let (_, peak) = service.workers[0].memory_bytes();
    let what = if to_the_end {
        "whole"
    } else {
        "first twentieth"
    };
    line(
        &format!("worker, {engine}: peak memory, {hours} h recording, {what}"),
        &format!("{:.0} MB", peak as f64 / 1e6),
        "<= 400 MB",
    );
    service.client.delete(&format!("/transcribe/{job}"));
}

/// Eight clients, 200 MB each, at once.
pub(crate) fn api_memory() {
    let service = Settings::with_workers(0).start();
    let upload = service.scratch().join("upload");
    fs::File::create(&upload)
        .unwrap()
        .set_len(200_000_000)
        .unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| service.client.submit(&upload, ""));
        }
    });
    let (_, peak) = service.api.as_ref().unwrap().memory_bytes();
    line(
        "api: peak memory, 8 uploads of 200 MB",
        &format!("{:.0} MiB", peak as f64 / MIB),
        "<= 76 MiB",
    );
}

/// Writes a wav of 16 kHz mono s16.
pub(crate) fn write_wav(path: &Path, samples: &[f32]) {
    let bytes: Vec<u8> = samples
        .iter()
        .flat_map(|s| ((s * 32_767.0) as i16).to_le_bytes())
        .collect();
    let size = bytes.len() as u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + size).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data");
    wav.extend(size.to_le_bytes());
    wav.extend(bytes);
    fs::write(path, wav).unwrap();
}

/// What the comparison with other software transcribes: a long file, clips of 4 to 15 s, and a file that is mostly silent.
pub(crate) fn material(folder: &Path) -> (PathBuf, Vec<PathBuf>, PathBuf) {
    let speech = decode(&fixture("long.opus"));
    let long = folder.join("long.wav");
    write_wav(&long, &speech.repeat(5));
    let mut clips = Vec::new();
    let mut at = 0;
    for length in [4, 6, 8, 11, 15, 5, 9, 13, 7, 12] {
        let clip = folder.join(format!("clip-{at}.wav"));
        write_wav(&clip, &speech[at..(at + length * 16_000).min(speech.len())]);
        clips.push(clip);
        at += length * 16_000;
    }
    // 26 s of speech in four parts, 209 s of silence.
    let sparse = folder.join("sparse.wav");
    let mut samples = Vec::new();
    for part in 0..4 {
        samples.resize(samples.len() + 52 * 16_000, 0.0);
        samples.extend(&speech[part * 13 * 8_000 * 2..][..13 * 8_000]);
    }
    write_wav(&sparse, &samples);
    (long, clips, sparse)
}
