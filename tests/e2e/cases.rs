//! Recordings after public bug reports, beside this repository: each gives what its manifest says.
//!
//! Runs only where `../shared/audio/cases` is. The kinds of these files have fixtures of their own, which always run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use steno_e2e::{Settings, word_error_rate};
use steno_models::{JobStatus, Status};

/// Words that may differ: accents and digits, not a missing sentence.
const MAX_ERRORS: f64 = 0.35;
/// Seconds by which the first words may be off.
const MAX_SHIFT: f64 = 1.0;
/// Raw samples without a header: nothing in them says what they are.
const RAW: [&str; 3] = ["a22b_raw.gsm", "a23d_raw.g722", "a23f_raw.ulaw"];

/// A line of the manifest.
struct Case {
    file: String,
    expectation: String,
    reference: String,
    first_words_at: Option<f64>,
}

/// The folder, where it is.
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/audio/cases");
    folder.is_dir().then_some(folder)
}

fn cases(folder: &Path, prefix: &str) -> Vec<Case> {
    let manifest = fs::read_to_string(folder.join("manifest.tsv")).unwrap();
    let case = |line: &str| {
        let columns: Vec<_> = line.split('\t').collect();
        Case {
            file: columns[0].to_owned(),
            expectation: columns[1].to_owned(),
            reference: columns[2].to_owned(),
            first_words_at: columns.get(4).and_then(|at| at.trim().parse().ok()),
        }
    };
    manifest
        .lines()
        .skip(1)
        .map(case)
        .filter(|case| case.file.starts_with(prefix))
        .collect()
}

/// As much of the reference as a text has words: where a part of the recording is lost.
fn beginning(reference: &str, text: &str) -> String {
    let words = text.split_whitespace().count();
    reference
        .split_whitespace()
        .take(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// What is wrong with how a case came out.
fn complaint(case: &Case, job: &JobStatus, has_ffmpeg: bool) -> Option<String> {
    let Some(result) = &job.result else {
        let error = job.error.as_ref()?;
        let told =
            case.expectation.contains("told") || case.expectation.starts_with("unsupported_media");
        // The manifest asks for the centre channel, which takes an ffmpeg.
        let may_fail = RAW.contains(&case.file.as_str())
            || case.file.starts_with("a36")
            || (!has_ffmpeg && (told || case.file.starts_with("a17")));
        let clear = error.code.as_str() == "unsupported_media";
        return (!may_fail || !clear).then(|| format!("failed: {}: {}", error.code, error.message));
    };
    if case.reference == "(no words)" {
        return Some(format!("was transcribed: {}", result.text));
    }

    let is_part = ["what is there", "the first fifth"]
        .iter()
        .any(|part| case.expectation.starts_with(part));
    let reference = if is_part {
        beginning(&case.reference, &result.text)
    } else {
        case.reference.clone()
    };
    let errors = word_error_rate(&reference, &result.text);
    if errors > MAX_ERRORS || result.text.split_whitespace().count() < 3 {
        return Some(format!(
            "{:.0} % of the words are wrong: {}",
            errors * 100.0,
            result.text
        ));
    }
    if case.expectation.contains("a sign that the rest") && result.warnings.is_empty() {
        return Some("nothing is said about what is lost".to_owned());
    }
    let found = result.segments.first().map_or(0.0, |segment| segment.start);
    let expected = case.first_words_at?;
    ((found - expected).abs() > MAX_SHIFT)
        .then(|| format!("the first words are at {found} s, not {expected} s"))
}

/// Transcribes every case whose name begins with `prefix`, and returns what is wrong by file.
fn complaints(folder: &Path, prefix: &str, ffmpeg: &str) -> BTreeMap<String, String> {
    let service = Settings::with_workers(1)
        .set("STENO_SLOTS", "2")
        .set("STENO_FFMPEG", ffmpeg)
        .start();
    let cases = cases(folder, prefix);
    assert!(!cases.is_empty());
    let jobs: Vec<_> = cases
        .iter()
        .map(|case| {
            service
                .client
                .submit(&folder.join(&case.file), "language=en")
        })
        .collect();
    let check = |(case, job): (&Case, _)| {
        let status = service.client.wait(job);
        assert!(matches!(status.status, Status::Completed | Status::Failed));
        Some((
            case.file.clone(),
            complaint(case, &status, ffmpeg != "off")?,
        ))
    };
    cases.iter().zip(jobs).filter_map(check).collect()
}

#[test]
fn every_file_of_the_cases_is_heard_or_named() {
    let Some(folder) = folder() else { return };
    assert_eq!(complaints(&folder, "a", "auto"), BTreeMap::new());
    assert_eq!(
        complaints(&folder, "a", "off"),
        BTreeMap::new(),
        "without ffmpeg"
    );
}
