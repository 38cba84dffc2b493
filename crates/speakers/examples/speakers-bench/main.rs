//! Error rate, counts, cost and memory over folders of recordings with `.rttm` beside them.
//!
//! `cargo run --release -p steno-speakers --example speakers-bench -- [OPTION FOLDER] FOLDER|FILE…`. Run by `make speakers-bench`.
//! With `--known`, counts how often the voices of a folder are recognised instead. With `--turns`, scores the RTTM files of a
//! folder, which another program wrote (`tests/dialogues/peer.py`). With `--check`, fails if the error rates exceed the bounds of a
//! file (`bounds.tsv`).

mod bounds;
mod known;
mod recording;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use steno_speakers::{Bounds, DiarizationErrors, Diarizer, Networks, Turn, score};
use steno_weights::Cache;

use recording::{Recording, found, name};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let weights = Cache::from_env()?.open_verified_speakers()?;
    let networks = Networks::from_bytes(&fs::read(weights.path())?)?;

    let mut arguments = std::env::args_os().skip(1).peekable();
    let options = ["--known", "--turns", "--check"];
    let option = arguments.next_if(|argument| options.iter().any(|option| argument == option));
    let place = option.as_ref().and_then(|_| arguments.next());
    let place = place.map(PathBuf::from).unwrap_or_default();
    let mut recordings = Vec::new();
    for argument in arguments {
        recordings.extend(found(Path::new(&argument))?);
    }
    let measure_own = || measure_all(&recordings, &|_, samples| diarize(&networks, samples));
    match option.as_ref().and_then(|option| option.to_str()) {
        Some("--known") => known::measure(&networks, &place, &recordings),
        Some("--turns") => {
            let of_another = |path: &Path| recording::read_turns(&place.join(name(path)));
            measure_all(&recordings, &|path, _| of_another(path)).map(drop)
        }
        Some(_) => check(&place, &measure_own()?),
        None => measure_own().map(drop),
    }
}

/// Fails if the sums exceed the bounds of a file.
fn check(bounds: &Path, sums: &[(String, Sum)]) -> Result<()> {
    let exceeded = bounds::exceeded(bounds, sums)?;
    if exceeded.is_empty() {
        return Ok(());
    }
    Err(format!("worse than {}: {}", bounds.display(), exceeded.join("; ")).into())
}

/// Finds the turns of a recording with these samples.
type Find<'a> = dyn Fn(&Path, &[f32]) -> Result<Vec<Turn>> + 'a;

/// Prints a line for each recording and for each set of recordings, and returns the sums of the sets.
fn measure_all(recordings: &[PathBuf], find: &Find<'_>) -> Result<Vec<(String, Sum)>> {
    println!(
        "{:<24}{:>8}{:>8}{:>8}{:>8}{:>9}",
        "recording", "seconds", "DER 0", "DER .25", "count", "s/s"
    );

    let mut sums: Vec<(String, Sum)> = Vec::new();
    for recording in recordings {
        let one = measure(recording, find)?;
        one.print(&name(recording));
        let set = set(&name(recording)).to_owned();
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
    Ok(sums)
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

    /// Recordings whose speakers were counted right.
    fn right_counts(&self) -> usize {
        let is_right = |count: &&(usize, usize)| count.0 == count.1;
        self.counts.iter().filter(is_right).count()
    }

    fn print(&self, name: &str) {
        let counts = match self.counts.as_slice() {
            [(found, truth)] => format!("{found}/{truth}"),
            many => format!("{} of {}", self.right_counts(), many.len()),
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

fn diarize(networks: &Networks, samples: &[f32]) -> Result<Vec<Turn>> {
    let mut read = |from: usize, buffer: &mut [f32]| {
        buffer.copy_from_slice(&samples[from..from + buffer.len()]);
        Ok(())
    };
    let diarizer = Diarizer::new(networks, Bounds::default());
    let speakers = diarizer.speakers(samples.len(), &mut read, &mut |_| true)?;
    Ok(speakers.turns)
}

fn measure(path: &Path, find: &Find<'_>) -> Result<Sum> {
    let Recording {
        samples,
        turns: reference,
        ..
    } = Recording::read(path)?;

    let started = cpu_seconds();
    let turns = find(path, &samples)?;
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

/// `c` for `c1_open3`, `ami` for `ami_dev2`, else the name.
fn set(name: &str) -> &str {
    let head = name.split('_').next().unwrap_or(name);
    head.trim_end_matches(|c: char| c.is_ascii_digit())
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
