//! Steno on many machines: processes that share a database of PostgreSQL and a bucket of S3 storage, and nothing else.
//!
//! Each service of a test has a data folder of its own, as a machine has. `cargo test` runs a reduced form, `make faults`
//! (`STENO_FAULTS=full`) the full campaigns.
#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]

mod hosts;
mod load;
mod network;
mod privacy;
mod server_faults;

use std::time::Duration;

use steno_e2e::{Client, Service, Settings, Shared};
use steno_models::{JobId, JobStatus};

/// Number of repetitions: `full` with `STENO_FAULTS=full`, otherwise `reduced`.
fn scale(full: usize, reduced: usize) -> usize {
    if is_full() { full } else { reduced }
}

/// Whether the full campaigns were asked for.
fn is_full() -> bool {
    std::env::var("STENO_FAULTS").is_ok_and(|scale| scale == "full")
}

/// Whether a test that only `make faults` runs has to end now. Says so.
fn is_left_to_make_faults() -> bool {
    if !is_full() {
        eprintln!("skipped: make faults runs it");
    }
    !is_full()
}

/// Prints a figure of a test for the report.
fn report(test: &str, figures: &str) {
    println!("{test}: {figures}");
}

/// A machine with one api and some scripted workers.
fn machine(shared: &Shared<'_>, workers: usize) -> Service {
    Settings::with_scripted_workers(workers)
        .sharing(shared)
        .start()
}

/// The job, if the api answers and it has ended.
fn ended(client: &Client, job: JobId) -> Option<JobStatus> {
    let answer = client.try_get(&format!("/transcribe/{job}?keep=true&wait=1"))?;
    assert!(
        answer.status == 200 || is_unavailable(&answer),
        "{} {}",
        answer.status,
        answer.text()
    );
    let status: JobStatus = serde_json::from_slice(&answer.body).ok()?;
    status.status.is_terminal().then_some(status)
}

/// Whether the server says that it cannot answer now, and when to ask again.
fn is_unavailable(answer: &steno_e2e::Answer) -> bool {
    let wait = answer
        .header("retry-after")
        .and_then(|wait| wait.parse::<u64>().ok());
    answer.status == 503 && wait.is_some_and(|wait| (1..=120).contains(&wait))
}

/// Time for what a single machine does within a second.
const SOON: Duration = Duration::from_secs(120);
