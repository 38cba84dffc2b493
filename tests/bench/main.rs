//! `make bench`: speed and memory of the whole service, against whisper-rs alone where that can be compared.
//!
//! Times are compared within one run, in turn, as ratios of medians: absolute times of a shared machine mean little.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

mod baseline;

use std::fs::File;
use std::io::{BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use steno_e2e::{Service, Settings, eventually, fixture};

use crate::baseline::Baseline;

/// Runs of each thing that is timed.
const RUNS: usize = 5;
const MIB: f64 = 1024.0 * 1024.0;

fn main() {
    println!("{:<58} {:>10} {:>10}", "measure", "value", "target");
    idle_processor();
    start_of_a_job();
    whole_job_against_whisper();
    api_memory_under_uploads();
    worker_memory_on_a_long_recording();
}

fn report(measure: &str, value: &str, target: &str) {
    println!("{measure:<58} {value:>10} {target:>10}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor time of api and worker while nothing happens.
fn idle_processor() {
    let service = Settings::with_workers(1).start();
    let used = || service.api.as_ref().unwrap().cpu_seconds() + service.workers[0].cpu_seconds();
    let (before, began) = (used(), Instant::now());
    thread::sleep(Duration::from_secs(20));
    let percent = (used() - before) / began.elapsed().as_secs_f64() * 100.0;
    report("idle service, share of one core", &format!("{percent:.2} %"), "< 1 %");
}

/// From the commit of a job to its first claim.
fn start_of_a_job() {
    let service = Settings::with_workers(1).start();
    let waits = (0..RUNS * 2).map(|_| {
        let job = service.client.submit(&fixture("silence.flac"), "language=en");
        let ended = service.client.wait(job);
        (ended.started_at.unwrap().ms() - ended.created_at.ms()) as f64
    });
    let waits: Vec<_> = waits.collect();
    let longest = waits.iter().copied().fold(0.0, f64::max);
    report("idle slot starts a fresh job, median", &format!("{:.0} ms", median(waits)), "< 50 ms");
    report("idle slot starts a fresh job, longest of 10", &format!("{longest:.0} ms"), "< 50 ms");
}

/// The whole job, upload to result, against `full()` of whisper-rs over the same decoded audio: one thread each.
fn whole_job_against_whisper() {
    let service = Settings::with_workers(1).start();
    let audio = fixture("minute.opus");
    let baseline = Baseline::load(&audio);
    let (mut alone, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let began = Instant::now();
        baseline.transcribe();
        alone.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let job = service.client.submit(&audio, "language=en");
        service.client.wait(job);
        whole.push(began.elapsed().as_secs_f64());
    }
    let (alone, whole) = (median(alone), median(whole));
    report("60 s recording, whisper-rs alone, one thread", &format!("{alone:.2} s"), "");
    report("60 s recording, whole job, one slot", &format!("{whole:.2} s"), "");
    report("60 s recording, whole job / whisper-rs alone", &format!("{:.2}", whole / alone), "<= 1.05");
}

/// Eight clients, 200 MB each, at once.
fn api_memory_under_uploads() {
    let service = Settings::with_workers(0).start();
    let upload = service.scratch().join("upload");
    File::create(&upload).unwrap().set_len(200_000_000).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| service.client.submit(&upload, ""));
        }
    });
    let (_, peak) = service.api.as_ref().unwrap().memory_bytes();
    report("api, peak memory, 8 uploads of 200 MB", &format!("{:.0} MiB", peak as f64 / MIB), "<= 76 MiB");
}

/// Two hours: the preparation and the first twentieth of the transcription. Each span after that needs what the first did.
fn worker_memory_on_a_long_recording() {
    let service = Settings::with_workers(1).set("STENO_SLOTS", "1").start();
    let recording = two_hours(&service);
    let job = service.client.submit(&recording, "language=en");
    eventually("a twentieth is transcribed", || (service.client.status(job).progress > 0.05).then_some(()));
    let (_, peak) = service.workers[0].memory_bytes();
    let weights = steno_weights::Cache::from_env().unwrap().lookup("base").unwrap().unwrap().size_bytes;
    let beyond = (peak.saturating_sub(weights)) as f64 / MIB;
    report("worker, peak memory beyond its weights, 2 h recording", &format!("{beyond:.0} MiB"), "<= 333 MiB");
    service.client.delete(&format!("/transcribe/{job}"));
}

/// A wav of two hours: the long fixture over and over.
fn two_hours(service: &Service) -> PathBuf {
    let spool = service.scratch().join("pcm");
    baseline::decode(&fixture("long.opus"), &spool);
    let mut samples = Vec::new();
    File::open(spool).unwrap().read_to_end(&mut samples).unwrap();
    let bytes_wanted = 2 * 3600 * 16_000 * 2;
    let path = service.scratch().join("two-hours.wav");
    write_wav(&path, samples.iter().copied().cycle().take(bytes_wanted), bytes_wanted as u32);
    path
}

/// 16 kHz mono s16.
fn write_wav(path: &Path, samples: impl Iterator<Item = u8>, bytes: u32) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(b"RIFF").unwrap();
    file.write_all(&(36 + bytes).to_le_bytes()).unwrap();
    file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data").unwrap();
    file.write_all(&bytes.to_le_bytes()).unwrap();
    samples.for_each(|byte| file.write_all(&[byte]).unwrap());
    file.flush().unwrap();
}
