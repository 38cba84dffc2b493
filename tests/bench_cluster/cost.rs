//! What a job costs the servers: statements, transactions, bytes of WAL, rows, and requests to S3.

use std::thread;
use std::time::{Duration, Instant};

use steno_e2e::{Settings, Shared, fixture};

use crate::{line, statistics};

/// What the servers have counted so far.
struct Counts {
    statements: i64,
    transactions: i64,
    wal_bytes: i64,
    /// Rows inserted, updated and deleted.
    rows: [i64; 3],
    requests: u64,
}

impl Counts {
    fn read(client: &mut postgres::Client, shared: &Shared<'_>) -> Self {
        let query = "SELECT \
            (SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements \
             JOIN pg_database ON oid = dbid WHERE datname = current_database()), \
            xact_commit, (pg_current_wal_lsn() - '0/0')::bigint, tup_inserted, tup_updated, tup_deleted \
            FROM pg_stat_database WHERE datname = current_database()";
        let row = client.query_one(query, &[]).unwrap();
        Self {
            statements: row.get(0),
            transactions: row.get(1),
            wal_bytes: row.get(2),
            rows: [row.get(3), row.get(4), row.get(5)],
            requests: shared.s3.requests().values().sum(),
        }
    }
}

/// Submits, transcribes, fetches and deletes jobs of one span, one after the other.
pub(crate) fn of_a_job(shared: &Shared<'_>) {
    const JOBS: i64 = 100;
    let service = Settings::with_scripted_workers(1).sharing(shared).start();
    let mut client = statistics(shared);
    let life = || {
        let job = service.client.submit(&fixture("clip.opus"), "language=en");
        service.client.wait_for_text(job);
        service.client.delete(&format!("/transcribe/{job}"));
    };
    life();

    let before = Counts::read(&mut client, shared);
    (0..JOBS).for_each(|_| life());
    steno_e2e::eventually("the statistics have the rows of every job", || {
        // Each job inserts several rows; statistics arrive when a session is idle.
        (Counts::read(&mut client, shared).rows[2] - before.rows[2] >= JOBS).then_some(())
    });
    let after = Counts::read(&mut client, shared);

    let each = |after: i64, before: i64| format!("{:.1}", (after - before) as f64 / JOBS as f64);
    line(
        "statements a job",
        &each(after.statements, before.statements),
        "",
    );
    line(
        "transactions a job",
        &each(after.transactions, before.transactions),
        "",
    );
    line(
        "bytes of WAL a job",
        &each(after.wal_bytes, before.wal_bytes),
        "",
    );
    for (index, what) in ["inserted", "updated", "deleted"].iter().enumerate() {
        let value = each(after.rows[index], before.rows[index]);
        line(&format!("rows {what} a job"), &value, "");
    }
    let requests = each(after.requests as i64, before.requests as i64);
    line("requests to S3 a job", &requests, "");
}

/// Statements of processes that have nothing to do.
pub(crate) fn of_an_idle_process(shared: &Shared<'_>) {
    const WORKERS: usize = 10;
    let _service = Settings::with_scripted_workers(WORKERS)
        .sharing(shared)
        .start();
    let mut client = statistics(shared);
    let registered = "SELECT count(*) FROM workers WHERE role = 'worker'";
    steno_e2e::eventually("every worker is registered", || {
        (shared.count(registered) == WORKERS as i64).then_some(())
    });

    let (before, began) = (Counts::read(&mut client, shared), Instant::now());
    thread::sleep(Duration::from_secs(20));
    let after = Counts::read(&mut client, shared);

    let statements = (after.statements - before.statements) as f64;
    let rate = statements / began.elapsed().as_secs_f64() / (WORKERS + 1) as f64;
    line(
        "statements a second of an idle process",
        &format!("{rate:.2}"),
        "< 1",
    );
}
