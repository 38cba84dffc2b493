//! Invariant: a cluster without work leaves its database alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use steno_runner::{ClaimedTask, Done, RunnerSettings, Supervisor, TaskRunner, TaskSlot, Undone};
use steno_store::{DatabaseAddress, Place, RunSettings, Store, StoreSettings, TaskKind};
use steno_testbed::{Database, Setup};

const WORKERS: usize = 20;
const SLOTS: u32 = 4;
/// Long enough for each interval of the workers: polls, heartbeats, sweeps.
const MEASURED: Duration = Duration::from_secs(20);

/// Accepts every kind of task.
struct Idle;

impl TaskRunner for Idle {
    fn kinds(&self) -> &[TaskKind] {
        &TaskKind::ALL
    }

    fn open_slot(&self) -> Box<dyn TaskSlot + '_> {
        Box::new(Self)
    }
}

impl TaskSlot for Idle {
    fn run(&mut self, _: &ClaimedTask<'_>) -> Result<Done, Undone> {
        Err(Undone::Stopped)
    }
}

fn start(database: &Database, data: &std::path::Path) -> Supervisor {
    let place = Place {
        data: data.to_owned(),
        database: Some(DatabaseAddress::parse(&database.url, None, None).unwrap()),
    };
    Store::init(place.clone()).unwrap();
    let settings = StoreSettings {
        ttl: Duration::from_secs(3600),
        retrieval_grace: Duration::from_secs(60),
        lease: Duration::from_secs(30),
    };
    let store = Arc::new(Store::open(place, settings).unwrap());
    let clock = store.clock();
    let settings = RunnerSettings {
        run: RunSettings {
            slots: SLOTS,
            ..RunSettings::default()
        },
        stall_timeout: Duration::from_secs(60),
        drain_timeout: Duration::from_secs(5),
        sweep_interval: Duration::from_secs(10),
    };
    Supervisor::start(settings, store, Arc::new(Idle), clock).unwrap()
}

#[test]
fn an_idle_worker_costs_less_than_a_statement_per_second() {
    let server = Setup::default()
        .set("shared_preload_libraries", "pg_stat_statements")
        .set("max_connections", "400")
        .start();
    let database = server.create_database();
    let mut admin = database.connect();
    admin
        .batch_execute("CREATE EXTENSION pg_stat_statements")
        .unwrap();
    let root = tempfile::tempdir().unwrap();

    let stop = AtomicBool::new(false);
    let rates = thread::scope(|scope| {
        for number in 0..WORKERS {
            let supervisor = start(&database, &root.path().join(number.to_string()));
            let stop = &stop;
            scope.spawn(move || supervisor.run(stop).unwrap());
        }
        // The start of a worker is not idle time.
        let registered = "SELECT count(*) FROM workers";
        while admin.query_one(registered, &[]).unwrap().get::<_, i64>(0) < WORKERS as i64 {}
        let mut rate = || {
            let reset = "SELECT pg_stat_statements_reset()";
            admin.batch_execute(reset).unwrap();
            let began = Instant::now();
            // The measured time itself: nothing is waited for.
            thread::sleep(MEASURED);
            let query = "SELECT sum(calls)::bigint FROM pg_stat_statements";
            let calls: i64 = admin.query_one(query, &[]).unwrap().get(0);
            calls as f64 / began.elapsed().as_secs_f64() / WORKERS as f64
        };
        // On a busy machine, workers take each other for dead and ask more often. They do not do so all the time.
        let mut rates = Vec::new();
        while rates.len() < 3 && rates.iter().all(|rate| *rate >= 1.0) {
            rates.push(rate());
        }
        if let Ok(rows) = admin.query(
            "SELECT calls, left(query, 60) FROM pg_stat_statements ORDER BY 1 DESC LIMIT 12",
            &[],
        ) {
            for row in rows {
                println!("{} {}", row.get::<_, i64>(0), row.get::<_, String>(1));
            }
        }
        stop.store(true, Ordering::SeqCst);
        rates
    });
    println!("{rates:.2?} statements per second and worker");
    let rate = rates.last().unwrap();
    // Some, or the measurement does not see them.
    assert!((0.05..1.0).contains(rate), "{rates:.2?}");
}
