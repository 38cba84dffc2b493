//! A crash before and after every call that changes something on disk or notifies another process.

use std::path::Path;

use steno_e2e::{Settings, eventually};
use steno_models::JobId;

use crate::bed::{Bed, Ledger, RECORDINGS, report, scale};
use crate::shim::{self, Fault};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    Api,
    Worker,
}

/// The whole life of two jobs with a fault in one process. Returns whether the process died of it. A submission without an answer is
/// repeated with the same key, as a careful client does, and can then reach the job from before the fault.
pub(crate) fn scenario(bed: &mut Bed, victim: Victim, log: &Path, fault: Fault) -> bool {
    let environment = shim::environment(&bed.service.data(), log, fault);
    let environment = shim::borrowed(&environment);
    let restarts = bed.restarts;
    // If it dies while starting, the next process finds what it left behind.
    match victim {
        Victim::Api => {
            bed.service.api.take().unwrap().terminate();
            bed.service.try_start_api(&environment);
        }
        Victim::Worker => {
            bed.service.workers.remove(0).terminate();
            bed.service.try_start_worker(&environment);
        }
    }

    let mut ledger = Ledger::default();
    for name in RECORDINGS {
        bed.revive();
        let key = JobId::random().to_string();
        // An answer cut off by the crash does not count.
        eventually("a job is accepted", || {
            let accepted = bed.submit_as(Some(&key), &mut ledger, name);
            bed.revive();
            accepted
        });
    }

    let tally = bed.settle(ledger);
    assert_eq!(
        (tally.completed, tally.crashed),
        (RECORDINGS.len(), 0),
        "one crash fails no job"
    );

    // The last points belong to its shutdown.
    let ended = match victim {
        Victim::Api => bed.service.api.take().unwrap().terminate(),
        Victim::Worker => bed.service.workers.remove(0).terminate(),
    };

    let died = bed.restarts > restarts || !ended.success();
    bed.revive();
    bed.check_nothing_is_left();

    died
}

/// All points of a scenario without faults, or as many as the scale allows, evenly spread.
fn campaign(victim: Victim, limit: usize) {
    let mut bed = Bed::new(
        Settings::with_scripted_workers(1)
            .in_data_folder()
            .set("STENO_SWEEP_INTERVAL", "1s"),
        "wait:1",
    );
    let log = bed.service.scratch().join("points");
    assert!(!scenario(&mut bed, victim, &log, Fault::None));
    let points: Vec<_> = shim::read(&log)
        .into_iter()
        .filter(|point| point.call != "answer")
        .collect();
    for call in ["write", "sync", "datagram"] {
        assert!(
            points.iter().any(|point| point.call == call),
            "the shim sees no {call}"
        );
    }

    let step = points.len().div_ceil(limit);
    let mut deaths = 0;
    let mut tried = 0;
    for point in (1..=points.len()).step_by(step) {
        for fault in [Fault::KillBefore(point), Fault::KillAfter(point)] {
            deaths += usize::from(scenario(&mut bed, victim, &log, fault));
            tried += 1;
        }
    }

    report(
        &format!("crash points of {victim:?}"),
        &format!(
            "{} points, {tried} crashes tried, {deaths} died before their end",
            points.len()
        ),
    );

    assert!(deaths * 2 > tried, "{deaths} of {tried}");
}

#[test]
fn the_api_survives_a_crash_at_every_point() {
    campaign(Victim::Api, scale(usize::MAX, 8));
}

#[test]
fn a_worker_survives_a_crash_at_every_point() {
    campaign(Victim::Worker, scale(usize::MAX, 8));
}
