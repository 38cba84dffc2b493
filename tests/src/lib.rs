//! Runs Steno as its users do: real processes on a temporary data folder, used over HTTP.
//!
//! Used by the end-to-end tests and the benchmark. Panics where a test cannot continue, with the log of the process at fault.
#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod client;
mod process;
mod service;
mod shared;
pub mod statistics;
mod words;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub use client::{Answer, Client, Event, Events, form};
pub use process::{Process, binary_path, children_of, descendants_of, name_of};
pub use service::{Service, Settings};
pub use shared::Shared;
pub use steno_testbed::{free_port, skip, within};
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
        skip(&format!(
            "{registry} could not be reached when {name} was to be installed"
        ));
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

/// The Chromium that scripts/ensure-browser.sh finds or installs. `None`, with a message, if it can do neither.
pub fn chromium() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/ensure-browser.sh");
    let output = Command::new(script).output().unwrap();
    if !output.status.success() {
        skip(String::from_utf8_lossy(&output.stderr).trim());
        return None;
    }
    let path = String::from_utf8(output.stdout).unwrap();
    Some(PathBuf::from(path.trim()))
}

/// Waits until `condition` returns a value, and fails the test after [`PATIENCE`].
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, condition)
}
