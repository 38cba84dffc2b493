//! The wall clock jumps: no lease is lost, nothing is deleted early, and nothing is kept forever.

use std::fs;

use steno_e2e::{Settings, eventually, fixture};
use steno_models::Status;

use crate::bed::{report, scale};
use crate::shim;

const HOUR: i64 = 3600;
const JUMPS: [i64; 5] = [HOUR, -HOUR, 25 * HOUR, -25 * HOUR, 10 * 365 * 24 * HOUR];

#[test]
fn jumps_of_the_wall_clock_delete_nothing_and_lose_no_lease() {
    let rounds = scale(10, 1);
    let mut service = Settings::with_scripted_workers(0)
        .in_data_folder()
        .set("STENO_SWEEP_INTERVAL", "1s")
        .start_nothing();
    let clock = service.scratch().join("clock");
    fs::write(&clock, "0").unwrap();
    let environment = shim::clock_environment(&clock);
    assert!(service.try_start_api(&shim::borrowed(&environment)));
    assert!(service.try_start_worker(&shim::borrowed(&environment)));
    let submit = |query: &str| service.client.submit(&fixture("clip.opus"), query);
    let mut offset = 0;
    for jump in JUMPS.into_iter().cycle().take(rounds * JUMPS.len()) {
        let completed = submit("language=en");
        let text = service.client.wait_for_text(completed);
        let processing = submit("language=en&prompt=wait:2500");
        let pending = submit("language=en&priority=-1");
        eventually("it is processed", || {
            (service.client.status(processing).status != Status::Pending).then_some(())
        });
        let life = |job| {
            let status = service.client.status(job);
            status.ttl_deadline.ms() - status.created_at.ms()
        };
        let before = life(completed);
        offset += jump;
        // Renamed into place, because the processes read it at every call of the clock.
        fs::write(service.scratch().join("clock.new"), offset.to_string()).unwrap();
        fs::rename(service.scratch().join("clock.new"), &clock).unwrap();
        assert_eq!(
            service.client.wait_for_text(completed),
            text,
            "after a jump of {jump} s"
        );
        for job in [processing, pending] {
            service.client.wait_for_text(job);
            assert_eq!(service.client.status(job).attempts, 1, "its lease was lost");
        }
        // Its remaining lifetime is unchanged.
        eventually("its deadline has moved with the clock", || {
            let moved = life(completed) - before;
            ((moved - jump * 1000).abs() < 10_000).then_some(())
        });
        let after = submit("language=en");
        service.client.wait_for_text(after);
        assert_eq!(
            life(after),
            24 * HOUR * 1000,
            "a later job has the full lifetime"
        );
        for job in [completed, processing, pending, after] {
            assert_eq!(
                service.client.delete(&format!("/transcribe/{job}")).status,
                204
            );
        }
    }

    eventually("no file is left", || {
        service.files().is_empty().then_some(())
    });

    report("wall clock", &format!("{rounds} times each of {JUMPS:?} s"));
}
