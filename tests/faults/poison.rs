//! Recordings that bring their worker down: each fails after its tries, and takes nobody with it.

use std::time::{Duration, Instant};

use steno_e2e::{Settings, fixture};
use steno_models::Status;

use crate::bed::{Bed, Ledger, RECORDINGS, report};

/// A job that does to every worker what `script` says, beside others in the same process.
fn check(script: &str, code: &str) {
    let settings = Settings::with_scripted_workers(1)
        .set("STENO_SLOTS", "4")
        .set("STENO_STALL_TIMEOUT", "10s");
    let mut bed = Bed::new(settings, "wait:200");
    let mut ledger = Ledger::default();
    for name in RECORDINGS {
        bed.submit(&mut ledger, name).unwrap();
    }
    let poison = bed.service.client.submit(
        &fixture("clip.opus"),
        &format!("language=en&prompt={script}"),
    );
    for _ in 0..4 {
        bed.submit(&mut ledger, RECORDINGS[0]).unwrap();
    }
    let began = Instant::now();
    let ended = bed.outlast("the poison ends", |client| {
        Some(client.status(poison)).filter(|job| job.status.is_terminal())
    });
    assert_eq!((ended.status, ended.attempts), (Status::Failed, 3));
    assert_eq!(ended.error.unwrap().code.as_str(), code);
    let restarts = bed.restarts;
    let tally = bed.settle(ledger);
    assert_eq!(tally.crashed, 0, "its neighbours do not fail for it");
    report(
        &format!("poison: {script}"),
        &format!("failed in {:.1?}, {restarts} restarts", began.elapsed()),
    );
    assert!(began.elapsed() < Duration::from_secs(180));
}

#[test]
fn a_recording_that_aborts_its_worker() {
    check("abort", "worker_crashed");
}

#[test]
fn a_recording_on_which_the_engine_panics() {
    check("panic", "worker_crashed");
}

#[test]
fn a_recording_on_which_the_engine_hangs() {
    check("hang", "worker_crashed");
}

#[test]
fn a_recording_on_which_the_engine_fails() {
    check("fail", "engine_error");
}
