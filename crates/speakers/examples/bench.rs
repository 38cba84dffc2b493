//! Error rate, counts, cost and memory over folders of recordings with `.rttm` beside them.
//!
//! `cargo run --release -p steno-speakers --example bench -- FOLDER|FILE…`. Run by `make speakers-bench`.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use steno_speakers::{Bounds, DiarizationErrors, Diarizer, Networks, Turn, score};
use steno_weights::Cache;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let weights = Cache::from_env()?.open_verified_speakers()?;
    let networks = Networks::from_bytes(&fs::read(weights.path())?)?;

    let mut recordings = Vec::new();
    for argument in std::env::args_os().skip(1) {
        recordings.extend(found(Path::new(&argument))?);
    }
    println!(
        "{:<24}{:>8}{:>8}{:>8}{:>8}{:>9}",
        "recording", "seconds", "DER 0", "DER .25", "count", "s/s"
    );

    let mut sums: Vec<(String, Sum)> = Vec::new();
    for recording in recordings {
        let one = measure(&networks, &recording)?;
        one.print(&name(&recording));
        let set = set(&name(&recording)).to_owned();
        match sums.iter_mut().find(|(name, _)| *name == set) {
            Some((_, sum)) => sum.add(&one),
            None => sums.push((set, one)),
        }
    }
    println!();
    for (set, sum) in &sums {
        sum.print(&format!("{set} ({})", sum.recordings));
    }
    println!("peak memory: {} MB", peak_memory_mb());
    Ok(())
}

/// What was measured over some recordings.
struct Sum {
    recordings: usize,
    seconds: f64,
    cost: f64,
    exact: DiarizationErrors,
    lenient: DiarizationErrors,
    counts: Vec<(usize, usize)>,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.recordings += other.recordings;
        self.seconds += other.seconds;
        self.cost += other.cost;
        self.exact = self.exact.plus(other.exact);
        self.lenient = self.lenient.plus(other.lenient);
        self.counts.extend(&other.counts);
    }

    fn print(&self, name: &str) {
        let counts = match self.counts.as_slice() {
            [(found, truth)] => format!("{found}/{truth}"),
            many => {
                let right = many.iter().filter(|(found, truth)| found == truth).count();
                format!("{right} of {}", many.len())
            }
        };
        println!(
            "{name:<24}{:>8.1}{:>8.1}{:>8.1}{counts:>8}{:>9.4}   missed {:.1} false {:.1} confused {:.1}",
            self.seconds,
            self.exact.rate() * 100.0,
            self.lenient.rate() * 100.0,
            self.cost / self.seconds,
            self.exact.missed / self.exact.total * 100.0,
            self.exact.false_alarm / self.exact.total * 100.0,
            self.exact.confused / self.exact.total * 100.0,
        );
    }
}

fn measure(networks: &Networks, recording: &Path) -> Result<Sum> {
    let samples = decode(recording)?;
    let reference = read_rttm(&recording.with_extension("rttm"))?;

    let started = cpu_seconds();
    let mut read = |from: usize, buffer: &mut [f32]| {
        buffer.copy_from_slice(&samples[from..from + buffer.len()]);
        Ok(())
    };
    let diarizer = Diarizer::new(networks, Bounds::default());
    let speakers = diarizer.speakers(samples.len(), &mut read, &mut |_| true)?;
    let turns = speakers.turns;
    let cost = cpu_seconds() - started;

    let length = samples.len() as u64;
    Ok(Sum {
        recordings: 1,
        seconds: length as f64 / 16_000.0,
        cost,
        exact: score(&reference, &turns, length, 0.0),
        lenient: score(&reference, &turns, length, 0.25),
        counts: vec![(count(&turns), count(&reference))],
    })
}

fn count(turns: &[Turn]) -> usize {
    let mut speakers: Vec<usize> = turns.iter().map(|turn| turn.speaker).collect();
    speakers.sort_unstable();
    speakers.dedup();
    speakers.len()
}

/// The recording, or those in the folder that have a reference.
fn found(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut recordings = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let is_audio = matches!(
            path.extension().and_then(OsStr::to_str),
            Some("flac" | "wav")
        );
        if is_audio && path.with_extension("rttm").exists() {
            recordings.push(path);
        }
    }
    recordings.sort();
    Ok(recordings)
}

fn name(recording: &Path) -> String {
    let stem = recording.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// `c` for `c1_open3`, `ami` for `ami_dev2`, else the name.
fn set(name: &str) -> &str {
    let head = name.split('_').next().unwrap_or(name);
    head.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// `SPEAKER recording 1 start length <NA> <NA> name …`
fn read_rttm(path: &Path) -> Result<Vec<Turn>> {
    let mut names = HashMap::new();
    let mut turns = Vec::new();
    for line in fs::read_to_string(path)?.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.first() != Some(&"SPEAKER") {
            continue;
        }
        let start: f64 = fields[3].parse()?;
        let length: f64 = fields[4].parse()?;
        let next = names.len();
        turns.push(Turn {
            start: (start * 16_000.0) as u64,
            end: ((start + length) * 16_000.0) as u64,
            speaker: *names.entry(fields[7].to_owned()).or_insert(next),
        });
    }
    Ok(turns)
}

/// Samples of a mono recording at 16 kHz.
fn decode(path: &Path) -> Result<Vec<f32>> {
    let stream = MediaSourceStream::new(
        Box::new(File::open(path)?),
        MediaSourceStreamOptions::default(),
    );
    let mut format = symphonia::default::get_probe().probe(
        &Hint::new(),
        stream,
        FormatOptions::default(),
        MetadataOptions::default(),
    )?;
    let track = format.default_track(TrackType::Audio).ok_or("no audio")?;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or("no audio")?;
    if parameters.sample_rate != Some(16_000) {
        return Err(format!("{}: not at 16 kHz", path.display()).into());
    }
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())?;

    let mut samples = Vec::new();
    let mut block = Vec::new();
    while let Some(packet) = format.next_packet()? {
        decoder
            .decode(&packet)?
            .copy_to_vec_interleaved::<f32>(&mut block);
        samples.extend_from_slice(&block);
    }
    Ok(samples)
}

/// Processor time of this process, which has one thread.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = stat
        .split_whitespace()
        .next()
        .and_then(|text| text.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}

fn peak_memory_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}
