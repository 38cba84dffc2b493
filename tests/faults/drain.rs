//! A draining worker keeps its claims until it exits, even beyond its lease.

use rustix::process::Signal;
use steno_e2e::{Settings, eventually, fixture};

use crate::bed::{report, scale};

#[test]
fn a_drain_longer_than_the_lease_costs_no_try() {
    let rounds = scale(5, 1);
    let settings = Settings::with_scripted_workers(0)
        .set("STENO_LEASE", "10s")
        .set("STENO_DRAIN_TIMEOUT", "60s");
    let mut service = settings.start();
    for _ in 0..rounds {
        service.start_worker();
        let job = service
            .client
            .submit(&fixture("clip.opus"), "language=en&prompt=wait:15000");
        let mut draining = service.workers.remove(0);
        draining.wait_for_log("claimed preparation");
        draining.signal(Signal::TERM);
        // A second worker would take the task over at once.
        service.start_worker();
        eventually("it ends", || draining.has_ended().then_some(()));
        let log = draining.log();
        assert!(
            log.contains("ended preparation") && log.contains("drained"),
            "{log}"
        );
        service.client.wait_for_text(job);
        assert_eq!(service.client.status(job).attempts, 1);
        assert!(
            !service.workers[0].log().contains("claimed"),
            "the task was done twice"
        );
        service.workers.remove(0).terminate();
        service.client.delete(&format!("/transcribe/{job}"));
    }

    report(
        "drain beyond the lease",
        &format!("{rounds} times, no try spent"),
    );
}
