//! `make bench` (minutes) and `make bench-full` (half an hour): speed and memory of the whole service.
//!
//! Times are compared within one run, interleaved, as ratios of medians, because absolute times of a shared machine mean little.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot continue fails")]

mod baseline;
mod peers;
mod queue;
mod report;
mod speed;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use steno_e2e::statistics::median;
use steno_e2e::{Settings, fixture};

use crate::report::{line, section};

fn main() {
    let is_full = std::env::args().any(|argument| argument == "full");
    println!("  {:<62} {:>10}  target", "measure", "value");
    section("Idle and start");
    idle_processor();
    start_of_a_job();
    section("Queue");
    queue::span_overhead();
    queue::backlog();
    queue::uploads();
    queue::status_calls();
    section("Speed");
    baseline::stages();
    speed::minute_against_whisper();
    speed::clip_alone(if is_full { 9 } else { 3 });
    speed::long_recording(if is_full { 3 } else { 1 });
    if is_full {
        speed::busy_neighbour(3);
        section("Against faster-whisper");
        peers::faster_whisper(3);
    }

    section("Memory");
    speed::api_memory();
    if is_full {
        speed::worker_memory("native", 3, true);
        speed::worker_memory("whisper-cpp", 3, true);
    } else {
        speed::worker_memory("native", 2, false);
    }

    if let Some(folder) = std::env::var_os("SPEECH").filter(|folder| is_full && !folder.is_empty())
    {
        section("Word error rate");
        peers::accuracy(&PathBuf::from(folder));
    }
}

/// Processor time of api and worker while nothing happens.
fn idle_processor() {
    let service = Settings::with_workers(1).start();
    let used = || service.api.as_ref().unwrap().cpu_seconds() + service.workers[0].cpu_seconds();
    let (before, began) = (used(), Instant::now());
    thread::sleep(Duration::from_secs(20));
    let percent = (used() - before) / began.elapsed().as_secs_f64() * 100.0;
    line(
        "idle service, share of one core",
        &format!("{percent:.2} %"),
        "< 1 %",
    );
}

/// From the commit of a job to its first claim.
fn start_of_a_job() {
    let service = Settings::with_workers(1).start();
    let waits = (0..10).map(|_| {
        let job = service
            .client
            .submit(&fixture("silence.flac"), "language=en");
        let ended = service.client.wait(job);
        (ended.started_at.unwrap().ms() - ended.created_at.ms()) as f64
    });
    let waits: Vec<_> = waits.collect();
    let longest = waits.iter().copied().fold(0.0, f64::max);
    line(
        "idle slot starts a fresh job, median",
        &format!("{:.0} ms", median(waits)),
        "< 50 ms",
    );
    line(
        "idle slot starts a fresh job, longest of 10",
        &format!("{longest:.0} ms"),
        "< 50 ms",
    );
}
