//! The disk fails once, at any write or sync: nothing is answered with 202 that is not there, and a process that cannot know what is
//! on disk ends.

use steno_e2e::Settings;

use crate::bed::{Bed, report, scale};
use crate::crash_points::{Victim, scenario};
use crate::shim::{self, Fault, Point};

fn campaign(victim: Victim, limit: usize) {
    let mut bed = Bed::new(Settings::with_scripted_workers(1).set("STENO_SWEEP_INTERVAL", "1s"), "wait:1");
    let log = bed.service.scratch().join("points");
    scenario(&mut bed, victim, &log, Fault::None);
    let points: Vec<_> = shim::read(&log).into_iter().filter(|point| point.call != "answer").collect();
    let can_fail = |point: &Point| matches!(point.call.as_str(), "write" | "sync");
    let failing: Vec<_> = (0..points.len()).filter(|index| can_fail(&points[*index])).map(|index| index + 1).collect();
    let (mut ended, mut syncs) = (0, 0);
    for index in 0..limit {
        // Which call a number is varies a little from run to run: beyond one round, other calls are hit.
        let point = failing[index * failing.len() / limit % failing.len()];
        let log = bed.service.scratch().join(format!("points.{index}"));
        let has_ended = scenario(&mut bed, victim, &log, Fault::IoError(point));
        let failed = shim::read(&log).into_iter().filter(|point| point.call != "answer").nth(point - 1);
        let is_sync = failed.as_ref().is_some_and(|point| point.call == "sync");
        assert!(has_ended || !is_sync, "a failed sync ends the process: {failed:?}");
        ended += usize::from(has_ended);
        syncs += usize::from(is_sync);
    }
    report(
        &format!("I/O errors of {victim:?}"),
        &format!("{limit} calls failed, {syncs} of them syncs; {ended} times the process ended"),
    );
    assert!(syncs > 0, "no sync was among them");
}

#[test]
fn the_disk_fails_under_the_api() {
    campaign(Victim::Api, scale(100, 6));
}

#[test]
fn the_disk_fails_under_a_worker() {
    campaign(Victim::Worker, scale(100, 6));
}
