//! Measures how many subtitles keep each rule of docs/API.md, over recordings.
//!
//! `cargo run -p steno-e2e --example subtitles -- FOLDER…` transcribes every recording in the folders' `manifest.tsv` and reads its srt as a
//! player does: with one cue per segment, and readable, without and with word times. Results are kept in `target/subtitles`, so that
//! a changed layout is measured in a second.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use steno_e2e::{Service, Settings};
use steno_models::{Format, JobResult, Layout, Task, render};

/// Two frames of film at 24 a second, in milliseconds.
const TWO_FRAMES_MS: i64 = 83;

struct Cue {
    start_ms: i64,
    end_ms: i64,
    lines: Vec<String>,
}

/// A rule with how many cues keep it, and of how many.
#[derive(Default)]
struct Kept {
    kept: usize,
    of: usize,
}

impl Kept {
    fn count(&mut self, is_kept: bool) {
        self.of += 1;
        self.kept += usize::from(is_kept);
    }
}

#[derive(Default)]
struct Report {
    lines: Kept,
    columns: Kept,
    longest: Kept,
    shortest: Kept,
    speed: Kept,
    gap: Kept,
    orphan: Kept,
    sentence_ends: usize,
    clause_ends: usize,
}

fn main() {
    let folders: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    assert!(!folders.is_empty(), "name folders with a manifest.tsv");
    let files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| recordings(folder))
        .collect();
    let results = results(&files);
    let unbroken = Layout {
        max_line_width: Some(0),
        max_line_count: None,
    };

    for (label, layout, has_words) in [
        ("one cue per segment", unbroken, true),
        ("readable, without word times", Layout::default(), false),
        ("readable, with word times", Layout::default(), true),
    ] {
        let mut report = Report::default();
        for result in &results {
            let mut result = result.clone();
            if !has_words {
                result
                    .segments
                    .iter_mut()
                    .for_each(|segment| segment.words = None);
            }
            report.add(&parse(&render(
                &result,
                Task::Transcribe,
                Format::Srt,
                layout,
            )));
        }
        println!("\n{label}");
        report.print();
    }
}

fn recordings(folder: &Path) -> Vec<PathBuf> {
    let manifest =
        fs::read_to_string(folder.join("manifest.tsv")).expect("the folder has a manifest.tsv");
    manifest
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next())
        .map(|name| folder.join(name))
        .filter(|path| path.is_file())
        .collect()
}

/// The results of recordings with their words. Those that are not kept yet are transcribed.
fn results(files: &[PathBuf]) -> Vec<JobResult> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/subtitles");
    fs::create_dir_all(&kept).expect("the folder can be made");
    let place = |file: &Path| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        kept.join(format!("{name}.json"))
    };

    let missing: Vec<_> = files.iter().filter(|file| !place(file).exists()).collect();
    if !missing.is_empty() {
        let began = Instant::now();
        let service = Settings::with_workers(1).set("STENO_SLOTS", "2").start();
        let submit = |file: &&PathBuf| service.client.submit(file, "word_timestamps=true");
        let jobs: Vec<_> = missing.iter().map(submit).collect();
        for (file, job) in missing.iter().zip(jobs) {
            let result = service.client.wait(job).result.unwrap_or_default();
            let json = serde_json::to_vec(&result).expect("a result can be written");
            fs::write(place(file), json).expect("a result can be kept");
        }
        println!(
            "{} recordings in {:.0} s, worker at {} MiB",
            missing.len(),
            began.elapsed().as_secs_f64(),
            peak_mib(&service)
        );
    }

    let read = |file: &PathBuf| fs::read(place(file)).expect("the result is kept");
    files
        .iter()
        .map(|file| serde_json::from_slice(&read(file)).expect("a result"))
        .collect()
}

/// The most memory that the worker has had, in MiB.
fn peak_mib(service: &Service) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.workers[0].pid()))
        .unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or_default();
    let kib = line
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn parse(srt: &str) -> Vec<Cue> {
    let mut cues = Vec::new();
    for block in srt.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let mut lines = block.lines().skip(1);
        let times = lines.next().expect("a cue has a line of times");
        let (start, end) = times
            .split_once(" --> ")
            .expect("an arrow separates the times");
        cues.push(Cue {
            start_ms: milliseconds(start),
            end_ms: milliseconds(end),
            lines: lines.map(ToOwned::to_owned).collect(),
        });
    }
    cues
}

fn milliseconds(time: &str) -> i64 {
    let numbers: Vec<i64> = time
        .split([':', ','])
        .map(|number| number.parse().expect("a number"))
        .collect();
    ((numbers[0] * 60 + numbers[1]) * 60 + numbers[2]) * 1000 + numbers[3]
}

impl Report {
    fn add(&mut self, cues: &[Cue]) {
        for (index, cue) in cues.iter().enumerate() {
            let length_ms = cue.end_ms - cue.start_ms;
            let widths = cue.lines.iter().map(|line| columns(line));
            let all: usize = widths.clone().sum();
            self.lines.count(cue.lines.len() <= 2);
            self.columns.count(widths.max().unwrap_or(0) <= 42);
            self.longest.count(length_ms <= 7000);
            self.shortest.count(length_ms >= 1000);
            self.speed
                .count(all as f64 * 1000.0 <= 20.0 * length_ms.max(1) as f64 + 0.5);

            let text = cue.lines.join(" ");
            let before = index.checked_sub(1).map(|index| &cues[index]);
            if let Some(before) = before {
                self.gap
                    .count(cue.start_ms - before.end_ms >= TWO_FRAMES_MS);
            }
            // A word with a silence around it, or a sentence of one word, is no orphan.
            let is_near = |before: &Cue, after: &Cue| after.start_ms - before.end_ms < 1000;
            let is_torn = before.is_some_and(|before| {
                is_near(before, cue) && !ends_sentence(&before.lines.join(" "))
            });
            let goes_on = cues
                .get(index + 1)
                .is_some_and(|next| is_near(cue, next) && !ends_sentence(&text));
            let is_one_word = !text.contains(' ') && all <= 20;
            self.orphan.count(!(is_one_word && (is_torn || goes_on)));

            self.sentence_ends += usize::from(ends_sentence(&text));
            self.clause_ends +=
                usize::from(!ends_sentence(&text) && text.ends_with([',', ';', ':', '、', '，']));
        }
    }

    fn print(&self) {
        for (rule, kept) in [
            ("at most two lines", &self.lines),
            ("at most 42 columns a line", &self.columns),
            ("at most 7 s", &self.longest),
            ("at least 1 s", &self.shortest),
            ("at most 20 columns a second", &self.speed),
            ("two frames before the next", &self.gap),
            ("no word left alone", &self.orphan),
        ] {
            let share = kept.kept as f64 * 100.0 / kept.of.max(1) as f64;
            println!("{rule:<30} {share:6.1} %   {} of {}", kept.kept, kept.of);
        }
        let cues = self.lines.of.max(1) as f64;
        println!(
            "ends: sentence {:.0} %, clause {:.0} %, word {:.0} %",
            self.sentence_ends as f64 * 100.0 / cues,
            self.clause_ends as f64 * 100.0 / cues,
            (cues - self.sentence_ends as f64 - self.clause_ends as f64) * 100.0 / cues,
        );
    }
}

fn columns(line: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(line)
}

fn ends_sentence(text: &str) -> bool {
    text.trim_end_matches(['"', '\'', ')', '”', '’', '»', '」'])
        .ends_with(['.', '!', '?', '…', '。', '！', '？'])
}
