//! Recordings that crash their worker: each fails after its tries, and no other job does.

use std::time::Instant;

use steno_e2e::{Settings, fixture};
use steno_models::Status;

use crate::bed::{Bed, Ledger, RECORDINGS, report};

/// A job that does what `script` says to every worker, beside other jobs in the same process.
fn check(script: &str, code: &str) {
    let settings = Settings::with_scripted_workers(1)
        .set("STENO_SLOTS", "4")
        .set("STENO_STALL_TIMEOUT", "10s");
    let mut bed = Bed::new(settings, "wait:200");
    let mut ledger = Ledger::default();
    for name in RECORDINGS {
        bed.submit_surely(&mut ledger, name);
    }
    let poison = bed.service.client.submit(
        &fixture("clip.opus"),
        &format!("language=en&prompt={script}"),
    );
    for _ in 0..4 {
        bed.submit_surely(&mut ledger, RECORDINGS[0]);
    }
    let began = Instant::now();
    let ended = bed.outlast("the poison ends", |client| {
        Some(client.status(poison)).filter(|job| job.status.is_terminal())
    });
    assert_eq!((ended.status, ended.attempts), (Status::Failed, 3));
    assert_eq!(ended.error.unwrap().code.as_str(), code);
    let restarts = bed.restarts;
    let tally = bed.settle(ledger);
    assert_eq!(tally.crashed, 0, "no other job fails because of it");
    report(
        &format!("poison: {script}"),
        &format!("failed in {:.1?}, {restarts} restarts", began.elapsed()),
    );
}

#[test]
fn a_recording_that_aborts_its_worker_harms_no_other_job() {
    check("abort", "worker_crashed");
}

#[test]
fn a_recording_on_which_the_engine_panics_harms_no_other_job() {
    check("panic", "worker_crashed");
}

#[test]
fn a_recording_on_which_the_engine_hangs_harms_no_other_job() {
    check("hang", "worker_crashed");
}

#[test]
fn a_recording_on_which_the_engine_fails_harms_no_other_job() {
    check("fail", "engine_error");
}
