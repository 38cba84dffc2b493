//! Invariant: a worker whose server was replaced by one with another clock keeps its lease.

use std::time::Duration;

use steno_testbed::{Postgres, wait_until};

use crate::support::Queue;

#[test]
fn a_worker_that_has_reconnected_extends_its_lease_at_once() {
    let queue = Queue::new(Postgres::shared().create_database());
    let worker = queue.start_worker(Duration::from_secs(60));
    let lease = || queue.count("SELECT lease_until FROM workers");
    let before = lease();

    Postgres::shared().terminate_connections(&queue.database.name);
    wait_until("the lease is extended", || lease() != before);
    worker.stop();
    worker.join();
}
