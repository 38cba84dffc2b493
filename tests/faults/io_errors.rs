//! The disk fails once, at any write or sync: a 202 is only sent for a durable job, and a process that cannot know the state on disk
//! exits.

use steno_e2e::Settings;

use crate::bed::{Bed, report, scale};
use crate::crash_points::{Victim, scenario};
use crate::shim::{self, Fault};

/// `limit` writes and as many syncs fail, evenly spread over those of a run without faults.
fn campaign(victim: Victim, limit: usize) {
    let mut bed = Bed::new(
        Settings::with_scripted_workers(1)
            .in_data_folder()
            .set("STENO_SWEEP_INTERVAL", "1s"),
        "wait:1",
    );
    let log = bed.service.scratch().join("points");
    scenario(&mut bed, victim, &log, Fault::None);
    let undisturbed = shim::read(&log);

    for call in ["write", "sync"] {
        let count = undisturbed
            .iter()
            .filter(|point| point.call == call)
            .count();
        let (mut failed, mut ended) = (0, 0);
        for index in 0..limit {
            // The numbering of calls varies slightly between runs, so further rounds hit other calls.
            let number = 1 + index * count / limit % count;
            let log = bed.service.scratch().join(format!("{call}.{index}"));
            let has_ended = scenario(&mut bed, victim, &log, Fault::IoError(call, number));
            let points = shim::read(&log);
            let mut calls = points.iter().filter(|point| point.call == call);
            let at_fault = calls.nth(number - 1);
            // SQLite ignores a failed sync of the data folder, so the store syncs it again.
            let folder = bed.service.data().to_str().unwrap().to_owned();
            let is_repeated = points
                .iter()
                .filter(|point| point.call == "sync" && point.path == folder)
                .count()
                > 1;
            let may_go_on =
                call != "sync" || at_fault.is_none_or(|point| point.path == folder && is_repeated);
            assert!(
                has_ended || may_go_on,
                "the process continued after a failed sync: {at_fault:?}"
            );
            failed += usize::from(at_fault.is_some());
            ended += usize::from(has_ended);
        }
        report(
            &format!("I/O errors of {victim:?}"),
            &format!("{failed} of {call} failed, {ended} times the process ended"),
        );
        assert!(failed * 2 > limit, "{failed} of {limit}");
    }
}

#[test]
fn the_api_survives_disk_errors() {
    campaign(Victim::Api, scale(50, 3));
}

#[test]
fn a_worker_survives_disk_errors() {
    campaign(Victim::Worker, scale(50, 3));
}
