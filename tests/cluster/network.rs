//! A worker whose machine vanishes: its packets are dropped, and come back later.

use std::time::{Duration, Instant};

use steno_e2e::{Settings, Shared, fixture, within};
use steno_models::Status;
use steno_testbed::{Host, Postgres, S3};

use crate::{SOON, is_full, report};

const LEASE: Duration = Duration::from_secs(10);

#[test]
fn a_worker_that_lost_its_network_loses_its_task_and_its_late_result_is_dropped() {
    let (postgres, s3) = (Postgres::start(), S3::start_for_hosts());
    let Some(host) = Host::create() else {
        return;
    };
    let shared = Shared::on(&postgres, &s3);
    let lease = format!("{}s", LEASE.as_secs());
    let settings = |workers| Settings::with_scripted_workers(workers).set("STENO_LEASE", &lease);
    let mut near = settings(0).sharing(&shared).start();
    let mut far = settings(0).sharing_from(&shared, &host).start_nothing();
    far.start_worker();
    let far_run = || -> Option<String> {
        let query = "SELECT max(run_id::text) FROM tasks WHERE status = 'claimed'";
        shared
            .database
            .connect()
            .query_one(query, &[])
            .unwrap()
            .get(0)
    };

    // Longer than the lease and the start of another worker, so that the lost worker finishes after its claim is gone.
    let job = near
        .client
        .submit(&fixture("clip.opus"), "language=en&prompt=wait:30000");
    let first = within(SOON, "it is claimed", far_run);
    near.start_worker();
    host.drop_packets();
    let dropped = Instant::now();
    within(SOON, "another worker takes it", || {
        far_run().filter(|run| *run != first)
    });
    let took = dropped.elapsed();
    report(
        "packets dropped",
        &format!("claimed elsewhere after {took:.1?}, lease {LEASE:?}"),
    );
    // One heartbeat may have arrived just before, and dead processes are searched for about once a second. Other tests run
    // at the same time as the reduced form.
    let search = Duration::from_secs(if is_full() { 2 } else { 7 });
    assert!(took < LEASE + search, "{took:?}");

    host.deliver_packets();
    let status = near.client.wait(job);
    assert_eq!(status.status, Status::Completed, "{:?}", status.error);
    // The worker that came back ends, because its claims are gone. Its service manager starts it
    // again.
    let mut lost = far.workers.remove(0);
    assert_eq!(lost.wait().code(), Some(75), "{}", lost.log());
    assert!(!lost.log().contains("ended preparation"), "{}", lost.log());
    far.start_worker();
    near.workers.remove(0).kill();
    let next = near.client.submit(&fixture("clip.opus"), "language=en");
    near.client.wait_for_text(next);
}
