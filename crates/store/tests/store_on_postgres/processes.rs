//! Invariant: the task of a process that is gone is claimed again within two seconds, that of one that hangs when its lease is
//! over, and that of one that only lost its connections never.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use steno_models::JobId;
use steno_store::{
    Clock, DatabaseAddress, NewJob, Place, Quota, QuotaCheck, Reclaimed, Store, StoreSettings,
    Submission,
};
use steno_testbed::{Database, Postgres, Setup, Shutdown, wait_until};

/// Long enough that only the fast way recovers in time.
const LONG_LEASE: Duration = Duration::from_secs(60);
const SHORT_LEASE: Duration = Duration::from_secs(12);
/// Time between two searches for dead processes, as in every process.
const TICK: Duration = Duration::from_secs(1);

/// A queue on a server, and the process that watches it.
struct Cluster {
    _root: tempfile::TempDir,
    database: Database,
    store: Store,
    clock: Arc<dyn Clock>,
    lease: Duration,
}

/// A process on a machine of its own, with a claim and an upload.
struct Worker {
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
    _data: tempfile::TempDir,
}

fn place(data: &Path, database: &Database) -> Place {
    Place {
        data: data.to_owned(),
        database: Some(DatabaseAddress::parse(&database.url, None, None).unwrap()),
    }
}

impl Cluster {
    fn new(server: &Postgres, lease: Duration) -> Self {
        let root = tempfile::tempdir().unwrap();
        let database = server.create_database();
        let place = place(root.path(), &database);
        let settings = StoreSettings {
            ttl: Duration::from_secs(3600),
            retrieval_grace: Duration::from_secs(60),
            lease,
        };
        assert!(Store::init(place.clone()).unwrap());
        let store = Store::open(place, settings).unwrap();
        Self {
            _root: root,
            database,
            clock: store.clock(),
            store,
            lease,
        }
    }

    /// A process that has claimed the task of a new job and receives an upload.
    fn worker(&self) -> Worker {
        self.submit();
        let program = std::env::current_exe().unwrap();
        let examples = program.ancestors().nth(2).unwrap().join("examples");
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(Store::init(place(elsewhere.path(), &self.database)).unwrap());
        let mut process = Command::new(examples.join("claiming_worker"))
            .arg(elsewhere.path())
            .arg(&self.database.url)
            .arg(self.lease.as_millis().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut worker = Worker {
            process,
            output,
            _data: elsewhere,
        };
        assert_eq!(worker.next_word(), "claimed");
        worker
    }

    fn submit(&self) {
        let mut upload = self.store.files().begin_upload(JobId::random(), 0).unwrap();
        upload.write(b"RIFF").unwrap();
        let job = NewJob::of(upload.store().unwrap());
        let submitted = self.store.submit_job(self.clock.now(), job).unwrap();
        assert!(matches!(submitted, Submission::Accepted(_)));
    }

    fn reclaim(&self) -> Reclaimed {
        self.store.reclaim_tasks(self.clock.now(), None).unwrap()
    }

    /// Searches for dead processes until a task is returned, for at most `limit`. Returns how long
    /// it took.
    fn time_to_reclaim(&self, limit: Duration) -> Option<Duration> {
        let began = Instant::now();
        let mut ticked_at = began;
        while began.elapsed() < limit {
            if self.reclaim().tasks > 0 {
                return Some(began.elapsed());
            }
            let tick_at = ticked_at + TICK;
            ticked_at = self
                .store
                .next_reclaim_at()
                .map_or(tick_at, |at| at.min(tick_at));
            thread::sleep(ticked_at.saturating_duration_since(Instant::now()));
        }
        None
    }
}

impl Cluster {
    /// Sweeps until the upload of the worker does not count any more, for at most `limit`.
    fn is_upload_released_within(&self, limit: Duration) -> bool {
        let quota = Quota {
            jobs: Some(1),
            ..Quota::default()
        };
        let began = Instant::now();
        while began.elapsed() < limit {
            self.store.sweep(self.clock.now()).unwrap();
            let check = self.store.check_quota("uploader", quota, 1).unwrap();
            if check == QuotaCheck::Within {
                return true;
            }
            thread::sleep(TICK / 2);
        }
        false
    }
}

impl Worker {
    fn next_word(&mut self) -> String {
        self.output.next().expect("it says something").unwrap()
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_task_of_a_killed_process_goes_back_at_the_second_search() {
    let mut times: Vec<_> = (0..3)
        .map(|_| {
            // A queue of its own: the third death on one task would fail its job.
            let cluster = Cluster::new(Postgres::shared(), LONG_LEASE);
            let worker = cluster.worker();
            assert_eq!(cluster.reclaim(), Reclaimed::default());
            worker.send(Signal::KILL);
            cluster.time_to_reclaim(LONG_LEASE).expect("it goes back")
        })
        .collect();
    times.sort();
    // 0.7 s between two looks on a calm machine; the campaign on two machines requires two seconds. A busy one needs longer,
    // but far less than the lease.
    assert!(times[1] < LONG_LEASE / 6, "{times:?}");
}

#[test]
fn a_stopped_process_loses_its_task_when_its_lease_is_over_and_learns_of_it() {
    let cluster = Cluster::new(Postgres::shared(), SHORT_LEASE);
    let mut worker = cluster.worker();
    worker.send(Signal::STOP);
    assert_eq!(
        cluster.time_to_reclaim(SHORT_LEASE / 4),
        None,
        "its lease is valid"
    );
    let time = cluster.time_to_reclaim(LONG_LEASE).expect("it goes back");
    assert!(time < SHORT_LEASE + 4 * TICK, "{time:?}");
    worker.send(Signal::CONT);
    assert_eq!(worker.next_word(), "lost");
}

#[test]
fn a_process_keeps_its_task_when_all_connections_are_ended() {
    let cluster = Cluster::new(Postgres::shared(), LONG_LEASE);
    let _worker = cluster.worker();
    for _ in 0..3 {
        assert!(Postgres::shared().terminate_connections(&cluster.database.name) > 0);
        assert_eq!(cluster.time_to_reclaim(3 * TICK), None);
    }
}

#[test]
fn a_process_that_reconnects_in_time_keeps_its_task() {
    let cluster = Cluster::new(Postgres::shared(), LONG_LEASE);
    let _worker = cluster.worker();
    let query = "SELECT boot_id::bigint FROM workers";
    let row = cluster.database.connect().query_one(query, &[]).unwrap();
    let key: i64 = row.get(0);

    // Connections are refused, so that the first check finds the process without one.
    let name = &cluster.database.name;
    let mut admin = Postgres::shared().connect("postgres");
    let mut allow = |are_allowed: bool| {
        let statement = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {are_allowed}");
        admin.batch_execute(&statement).unwrap();
    };
    allow(false);
    let mut admin_too = Postgres::shared().connect("postgres");
    let ended = admin_too.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' \
         AND (classid::bigint << 32) | objid::bigint = $1",
        &[&key],
    );
    assert!(ended.unwrap() > 0);

    let missed = || cluster.store.next_reclaim_at();
    assert_eq!(cluster.reclaim(), Reclaimed::default());
    assert!(missed().is_some(), "it has no connection");
    allow(true);
    wait_until("the process is connected again", || {
        let holders = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted \
                       AND (classid::bigint << 32) | objid::bigint = $1";
        !admin_too.query(holders, &[&key]).unwrap().is_empty()
    });
    assert_eq!(cluster.reclaim(), Reclaimed::default());
    assert_eq!(missed(), None, "it is back");
}

#[test]
fn a_process_keeps_its_task_over_a_restart_of_the_server_and_is_missed_after_it() {
    for shutdown in [Shutdown::Fast, Shutdown::Immediate] {
        let server = Setup::default().durable().start();
        let cluster = Cluster::new(&server, LONG_LEASE);
        let worker = cluster.worker();
        // A claim does not wait for the disk. A durable commit after it makes it durable too.
        cluster.submit();
        server.stop(shutdown);
        // No search succeeds meanwhile, and none fails the process.
        assert_eq!(cluster.reclaim(), Reclaimed::default());
        server.start_again();
        assert_eq!(cluster.time_to_reclaim(5 * TICK), None);

        worker.send(Signal::KILL);
        let time = cluster.time_to_reclaim(LONG_LEASE).expect("it goes back");
        assert!(time < LONG_LEASE / 4, "{time:?}");
    }
}

#[test]
fn an_upload_on_another_machine_counts_as_long_as_its_process_lives() {
    let cluster = Cluster::new(Postgres::shared(), LONG_LEASE);
    let worker = cluster.worker();
    assert!(!cluster.is_upload_released_within(3 * TICK));
    // The process reconnects.
    assert!(Postgres::shared().terminate_connections(&cluster.database.name) > 0);
    assert!(!cluster.is_upload_released_within(3 * TICK));

    worker.send(Signal::KILL);
    assert!(cluster.is_upload_released_within(LONG_LEASE));
}
