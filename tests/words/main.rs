//! Transcribes files for `make words`: by a whole service, or by whisper-rs alone. Called by words.py, which scores the text.
//!
//! Reads lines of JSON from standard input and writes one line of JSON for each, in any order. Never scores.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot continue fails"
)]

mod alone;
mod service;

use std::io::{Write as _, stdin, stdout};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One file to transcribe.
#[derive(Deserialize)]
struct Question {
    /// Returned with the answer.
    id: String,
    /// A recording for the service, raw 32-bit floats (16 kHz, mono) for whisper-rs.
    path: PathBuf,
    /// Code of the language; detected if absent.
    language: Option<String>,
}

fn main() {
    let system = std::env::args().nth(1).unwrap_or_default();
    let questions = stdin()
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();

    match system.as_str() {
        "service" => service::transcribe(questions),
        "alone" => alone::transcribe(questions),
        _ => panic!("usage: words service|alone < questions"),
    }
}

/// Writes a line that the caller can read at once.
fn answer(answer: &impl Serialize) {
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, answer).unwrap();
    out.write_all(b"\n").unwrap();
    out.flush().unwrap();
}
