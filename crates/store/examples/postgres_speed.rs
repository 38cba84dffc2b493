//! Measures submissions and claims of 64 sessions behind a backlog: 8 stores with 8 connections each, like 8 processes. Starts its
//! own PostgreSQL, whose commits wait for the disk.
//!
//! `cargo run --release -p steno-store --example postgres_speed -- [PENDING] [SECONDS] [MINUTES OF CHURN]` prints rates and
//! percentiles; with churn, before and after it. PostgreSQL has to be installed, but not running.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on fails")]

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use steno_models::{JobId, TombstoneReason};
use steno_store::{
    Claim, DatabaseAddress, NewJob, Place, PlannedSpan, Prepared, RunRole, RunSettings, SpanOutput,
    Store, StoreSettings, TaskKind, TaskOutput, WorkerRun,
};
use steno_testbed::{Database, Setup};

/// Stores, each with the connections of a process.
const STORES: usize = 8;

/// Threads of each store, as many as it has connections.
const THREADS: usize = 8;

/// Submissions of each thread.
const SUBMISSIONS: usize = 20;

/// Copies of the first job in one transaction.
const BATCH: usize = 1000;

/// How long each task takes in `measure_tasks`.
const TASK: Duration = Duration::from_millis(250);

/// Pause of each thread between two jobs of `churn`.
const CHURN_PAUSE: Duration = Duration::from_secs(2);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| arguments.next().map_or(default, |n| n.parse().unwrap());
    let pending = number(100_000);
    let seconds = number(10);
    let minutes = number(0);

    let server = Setup::default()
        .durable()
        .set("shared_buffers", "512MB")
        .start();
    let database = server.create_database();
    let root = tempfile::tempdir().unwrap();
    let place = Place {
        data: root.path().join("data"),
        database: Some(DatabaseAddress::parse(&database.url, None, None).unwrap()),
    };
    Store::init(place.clone()).unwrap();
    let stores: Vec<Arc<Store>> = (0..STORES)
        .map(|_| Arc::new(Store::open(place.clone(), settings()).unwrap()))
        .collect();

    fill(&stores[0], &database, pending);
    let runs: Vec<WorkerRun> = stores.iter().map(|store| register(store)).collect();
    let runs = Arc::new(runs);
    let duration = Duration::from_secs(seconds as u64);
    if minutes == 0 {
        measure_submissions(&stores);
    }
    measure_tasks(&stores, &runs, duration);
    if minutes > 0 {
        churn(&stores, &runs, &database, minutes);
        measure_tasks(&stores, &runs, duration);
    }
    measure_claims(&stores, &runs, duration);
}

fn settings() -> StoreSettings {
    StoreSettings {
        ttl: Duration::from_secs(24 * 3600),
        retrieval_grace: Duration::from_secs(60),
        lease: Duration::from_secs(30),
    }
}

fn new_job(store: &Store, owner: usize) -> NewJob {
    let mut upload = store.files().begin_upload(JobId::random(), 0).unwrap();
    upload.write(b"RIFF").unwrap();
    NewJob {
        owner: format!("owner-{owner}"),
        ..NewJob::of(upload.store().unwrap())
    }
}

/// Makes `pending` jobs as copies of one that was submitted.
fn fill(store: &Store, database: &Database, pending: usize) {
    store
        .submit_job(store.clock().now(), new_job(store, 0))
        .unwrap();

    let mut client = database.connect();
    for batch in 0..pending.div_ceil(BATCH) {
        client
            .batch_execute(&format!(
                "INSERT INTO jobs (id, owner, priority, due_at, created_at, ttl_deadline)
                 SELECT uuid_send(gen_random_uuid()), 'owner-{owner}', priority, due_at, created_at, ttl_deadline
                 FROM (SELECT * FROM jobs ORDER BY seq LIMIT 1) AS first, generate_series(1, {BATCH});
                 INSERT INTO inputs (job, options, requires, audio, audio_bytes, audio_sha256, fingerprint)
                 SELECT jobs.seq, options, requires, 'copy-' || jobs.seq, audio_bytes, audio_sha256, fingerprint
                 FROM jobs, (SELECT * FROM inputs ORDER BY job LIMIT 1) AS first
                 WHERE jobs.seq > (SELECT max(job) FROM inputs);
                 INSERT INTO tasks (job, kind, owner, priority, due_at)
                 SELECT seq, 'prepare', owner, priority, due_at FROM jobs WHERE seq > (SELECT max(job) FROM tasks)",
                owner = batch % 10
            ))
            .unwrap();
    }
    // Each batch has updated one row of `owners` a thousand times in one transaction, which makes the table large. Jobs that are
    // submitted one by one do not.
    client.batch_execute("VACUUM FULL owners").unwrap();
    client.batch_execute("VACUUM ANALYZE").unwrap();
    println!("{pending} jobs are pending");
}

fn measure_submissions(stores: &[Arc<Store>]) {
    // Their recordings are on disk before the measurement begins.
    let jobs = each_thread(stores, |store, thread| {
        let jobs = (0..SUBMISSIONS).map(|_| new_job(store, thread % 10));
        Mutex::new(jobs.collect::<Vec<_>>())
    });
    let jobs = Arc::new(jobs);

    let begun = Instant::now();
    let times = each_thread(stores, move |store, thread| {
        let jobs = std::mem::take(&mut *jobs[thread].lock().unwrap());
        let submit = |job| timed(|| store.submit_job(store.clock().now(), job).unwrap()).1;
        jobs.into_iter().map(submit).collect::<Vec<_>>()
    });
    report("submit", times.concat(), begun.elapsed());
}

/// Each session claims a task, waits as long as a task takes, finishes it, and claims the next.
fn measure_tasks(stores: &[Arc<Store>], runs: &Arc<Vec<WorkerRun>>, duration: Duration) {
    let begun = Instant::now();
    let runs = Arc::clone(runs);
    let times = each_thread(stores, move |store, thread| {
        let run = &runs[thread % STORES];
        // Threads do not begin at the same moment.
        thread::sleep(TASK * thread as u32 / (STORES * THREADS) as u32);
        let mut times = Vec::new();
        while begun.elapsed() < duration {
            let (claim, time) = timed(|| claim(store, run));
            times.push(time);
            thread::sleep(TASK);
            let ((), time) = timed(|| finish(store, &claim));
            times.push(time);
        }
        times
    });
    let (claims, finishes): (Vec<_>, Vec<_>) = times
        .iter()
        .flat_map(|times| times.chunks_exact(2).map(|pair| (pair[0], pair[1])))
        .unzip();
    report("claim, with tasks of 250 ms", claims, begun.elapsed());
    report("finish, with tasks of 250 ms", finishes, begun.elapsed());
}

/// Each session claims again and again.
fn measure_claims(stores: &[Arc<Store>], runs: &Arc<Vec<WorkerRun>>, duration: Duration) {
    let begun = Instant::now();
    let runs = Arc::clone(runs);
    let times = each_thread(stores, move |store, thread| {
        let mut times = Vec::new();
        while begun.elapsed() < duration {
            times.push(timed(|| claim(store, &runs[thread % STORES])).1);
        }
        times
    });
    report("claim, without a pause", times.concat(), begun.elapsed());
}

/// Submits, claims, finishes and deletes jobs at a low rate, and reports each minute how long claims take and what the tables hold.
fn churn(stores: &[Arc<Store>], runs: &Arc<Vec<WorkerRun>>, database: &Database, minutes: usize) {
    for minute in 1..=minutes {
        let begun = Instant::now();
        let runs = Arc::clone(runs);
        let times = each_thread(stores, move |store, thread| {
            let run = &runs[thread % STORES];
            // Threads do not begin at the same moment.
            thread::sleep(CHURN_PAUSE * thread as u32 / (STORES * THREADS) as u32);
            store.heartbeat(store.clock().now(), run).unwrap();
            let mut times = Vec::new();
            while begun.elapsed() < Duration::from_secs(60) {
                let now = store.clock().now();
                store.submit_job(now, new_job(store, thread % 10)).unwrap();
                let (claim, time) = timed(|| claim(store, run));
                times.push(time);
                finish(store, &claim);
                let reason = TombstoneReason::Deleted;
                store.delete_job(now, None, claim.job_id, reason).unwrap();
                store.heartbeat(store.clock().now(), run).unwrap();
                thread::sleep(CHURN_PAUSE);
            }
            times
        });
        report(
            &format!("minute {minute}: claim"),
            times.concat(),
            begun.elapsed(),
        );

        let tables = "SELECT relname, n_live_tup, n_dead_tup, pg_total_relation_size(relid) / 1024 FROM pg_stat_user_tables \
             WHERE relname IN ('jobs', 'tasks', 'owners', 'counters', 'fairness') ORDER BY relname";
        for row in database.connect().query(tables, &[]).unwrap() {
            let (table, numbers): (String, [i64; 3]) =
                (row.get(0), [1, 2, 3].map(|at| row.get(at)));
            println!(
                "  {table}: {} rows, {} dead, {} KiB",
                numbers[0], numbers[1], numbers[2]
            );
        }
    }
}

fn claim(store: &Store, run: &WorkerRun) -> Claim {
    let claim = store.claim_task(store.clock().now(), run, &TaskKind::ALL);
    claim.unwrap().expect("the backlog is large enough")
}

/// Completes a job of one span at once.
fn finish(store: &Store, claim: &Claim) {
    let prepared = Prepared {
        duration_ms: 1000,
        language: Some("en".into()),
        language_probability: Some(0.9),
        spool: "unused".into(),
        spans: vec![PlannedSpan::default()],
        blocks: Vec::new(),
        outputs: Some(vec![SpanOutput::default()]),
        diarization: None,
        warnings: Vec::new(),
        model: "base".into(),
    };
    let output = TaskOutput::Plan(Box::new(prepared));
    store
        .finish_task(store.clock().now(), claim, &output, &[])
        .unwrap();
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let value = work();
    (value, begun.elapsed())
}

fn register(store: &Store) -> WorkerRun {
    let run = store.begin_run().unwrap();
    let settings = RunSettings {
        role: RunRole::Worker,
        slots: THREADS as u32,
        model: "base".into(),
        version: "1".into(),
    };
    store
        .register_run(store.clock().now(), &run, &settings)
        .unwrap();
    run
}

/// Runs `work` on every thread of every store. `work` gets the number of its thread.
fn each_thread<T: Send + 'static>(
    stores: &[Arc<Store>],
    work: impl Fn(&Store, usize) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let work = Arc::new(work);
    let threads: Vec<_> = (0..STORES * THREADS)
        .map(|number| {
            let store = Arc::clone(&stores[number % STORES]);
            let work = Arc::clone(&work);
            thread::spawn(move || work(&store, number))
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect()
}

fn report(what: &str, mut times: Vec<Duration>, elapsed: Duration) {
    times.sort_unstable();
    let percentile = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{what}: {:.0}/s, p50 {:.1?}, p99 {:.1?}",
        times.len() as f64 / elapsed.as_secs_f64(),
        percentile(0.5),
        percentile(0.99)
    );
}
