//! Invariant: a drain costs no try, also while the database takes no writes.

use std::time::Duration;

use steno_runner::Ended;
use steno_testbed::{Postgres, wait_until};

use crate::support::{Queue, Worker};

/// The error of a server that restarts.
const CANNOT_CONNECT_NOW: &str = "57P03";

/// A draining worker whose plan the database has refused once. It refuses the first `refusals`.
fn drain_while_refused(drain_timeout: Duration, refusals: u32) -> (Queue, Worker) {
    let queue = Queue::new(Postgres::shared().create_database());
    let worker = queue.start_worker(drain_timeout);
    queue.submit();
    let plan = worker.next_step();
    let trigger = format!(
        "CREATE SEQUENCE refusals;
         GRANT ALL ON SEQUENCE refusals TO PUBLIC;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF nextval('refusals') > {refusals} THEN RETURN NEW; END IF;
           RAISE 'restarting' USING ERRCODE = '{CANNOT_CONNECT_NOW}';
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON tasks FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
    );
    queue.database.connect().batch_execute(&trigger).unwrap();

    let lease = || queue.count("SELECT lease_until FROM workers");
    let before = lease();
    worker.stop();
    wait_until("the drain has sent its first heartbeat", || {
        lease() != before
    });
    drop(plan);
    wait_until("the database refuses the plan", || {
        queue.count("SELECT count(*) FROM refusals WHERE is_called") == 1
    });
    (queue, worker)
}

#[test]
fn a_draining_worker_stores_its_result_when_the_database_is_back() {
    let (queue, worker) = drain_while_refused(Duration::from_secs(60), 2);
    assert_eq!(worker.join(), Ended::Drained);
    assert_eq!(
        queue.count("SELECT count(*) FROM tasks WHERE kind = 'transcribe'"),
        2
    );
}

#[test]
fn a_task_whose_result_cannot_be_stored_until_the_drain_ends_goes_back_unharmed() {
    let (queue, worker) = drain_while_refused(Duration::from_millis(1), u32::MAX);
    assert_eq!(worker.join(), Ended::Broken);
    let unharmed = "SELECT count(*) FROM tasks \
                    WHERE kind = 'prepare' AND status = 'ready' AND crashes + failures + is_suspect = 0";
    assert_eq!(queue.count(unharmed), 1);
    assert_eq!(queue.count("SELECT count(*) FROM workers"), 0);
}
