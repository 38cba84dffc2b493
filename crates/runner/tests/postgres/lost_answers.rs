//! Invariant: a file that a commit without an answer may name is kept.

use std::time::Duration;

use steno_runner::Ended;
use steno_testbed::{Postgres, Setup, wait_until};

use crate::support::Queue;

#[test]
fn the_spool_of_a_plan_whose_commit_had_no_answer_is_kept() {
    // No standby has this name, so a commit gets no answer. Sessions with `synchronous_commit = local` do not wait for a standby.
    let server = Setup::default()
        .set("synchronous_standby_names", "nobody")
        .start();
    let database = server.create_database();
    reconnect_with(&server, &database.name, "local");
    let queue = Queue::new(database);
    let worker = queue.start_worker(Duration::from_secs(60));

    queue.submit();
    let plan = worker.next_step();
    reconnect_with(&server, &queue.database.name, "on");
    drop(plan);
    wait_until("the plan is committed and waits for the standby", || {
        queue.count("SELECT count(*) FROM tasks WHERE kind = 'transcribe'") == 2
    });
    reconnect_with(&server, &queue.database.name, "local");

    // The next task begins when the slot has finished the first one.
    queue.submit();
    let next = worker.next_step();
    worker.stop();
    drop(next);
    assert_eq!(worker.join(), Ended::Drained);
    assert_eq!(queue.spools(), 2);
}

/// Ends all connections to a database. The next ones commit with that `synchronous_commit`.
fn reconnect_with(server: &Postgres, database: &str, synchronous_commit: &str) {
    let statement =
        format!("ALTER DATABASE {database} SET synchronous_commit = {synchronous_commit}");
    server
        .connect("postgres")
        .batch_execute(&statement)
        .unwrap();
    server.terminate_connections(database);
}
