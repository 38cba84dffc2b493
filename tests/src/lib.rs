//! Runs Steno as its users do: real processes on a temporary data folder, used over HTTP.
//!
//! Used by the end-to-end tests and the benchmark. Panics where a test cannot continue, with the log of the process at fault.
#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod client;
mod process;
mod service;
mod shared;
mod words;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

pub use client::{Answer, Client, Event, Events, form};
pub use process::{Process, binary_path, children_of, descendants_of, name_of};
pub use service::{Service, Settings};
pub use shared::Shared;
pub use words::{same_words, word_error_rate};

/// Time limit for a condition on a slow and busy machine.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A committed audio file or transcript.
pub fn fixture(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name);
    assert!(path.exists(), "no fixture {}", path.display());
    path
}

/// A committed Ogg recording repeated `times` times in one file in `folder`. Ogg allows chained streams.
pub fn repeated(name: &str, times: usize, folder: &Path) -> PathBuf {
    let path = folder.join(format!("{times}-times-{name}"));
    std::fs::write(&path, std::fs::read(fixture(name)).unwrap().repeat(times)).unwrap();
    path
}

/// A program installed by `scripts/ensure-clients.sh`, such as `python/bin/python`. `None`, with a
/// message, if the registry that has it could not be reached.
pub fn foreign_client(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/clients");
    let registry = if name.starts_with("python") {
        "pypi"
    } else {
        "npm"
    };
    if folder.join(registry).with_extension("unreachable").exists() {
        eprintln!("skipped: {registry} could not be reached when {name} was to be installed");
        return None;
    }

    let path = folder.join(name);
    assert!(
        path.exists(),
        "no {}: run scripts/ensure-clients.sh first",
        path.display()
    );
    Some(path)
}

/// A program of tests/clients, copied to where Node finds its packages: it searches them beside
/// the program.
pub fn node_program(name: &str) -> Option<PathBuf> {
    let program = foreign_client("node_modules")?.with_file_name(name);
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("clients")
        .join(name);
    std::fs::copy(source, &program).unwrap();
    Some(program)
}

/// Waits until `condition` returns a value, and fails the test after [`PATIENCE`].
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, condition)
}

/// Waits until `condition` returns a value, and fails the test after `limit`.
pub fn within<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
