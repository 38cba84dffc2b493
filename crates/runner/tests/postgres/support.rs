//! A queue on a server of its own, and a process whose slot plans every recording as two spans.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use steno_models::JobId;
use steno_runner::{
    ClaimedTask, Done, Ended, RunnerSettings, Supervisor, TaskRunner, TaskSlot, Undone,
};
use steno_store::{
    DatabaseAddress, NewJob, Place, PlannedSpan, Prepared, RunSettings, SpoolRoom, Store,
    StoreError, StoreSettings, Submission, TaskKind, TaskOutput,
};
use steno_testbed::Database;

/// Long enough for a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The queue, as another process than the worker sees it.
pub(crate) struct Queue {
    pub(crate) database: Database,
    pub(crate) store: Store,
    root: tempfile::TempDir,
}

/// A process that runs tasks.
pub(crate) struct Worker {
    steps: Receiver<Step>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Ended, StoreError>>>,
}

/// A task whose plan is ready. The slot waits until this is dropped.
pub(crate) struct Step(#[expect(dead_code, reason = "it is held, not read")] Sender<()>);

impl Queue {
    pub(crate) fn new(database: Database) -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path(), &database);
        Self {
            database,
            store,
            root,
        }
    }

    pub(crate) fn submit(&self) {
        let mut upload = self.store.files().begin_upload(JobId::random(), 0).unwrap();
        upload.write(b"RIFF").unwrap();
        let job = NewJob::of(upload.store().unwrap());
        let submitted = self.store.submit_job(self.store.clock().now(), job);
        assert!(matches!(submitted.unwrap(), Submission::Accepted(_)));
    }

    /// Starts a process with one slot.
    pub(crate) fn start_worker(&self, drain_timeout: Duration) -> Worker {
        let store = Arc::new(open(self.root.path(), &self.database));
        let clock = store.clock();
        let settings = RunnerSettings {
            run: RunSettings {
                slots: 1,
                ..RunSettings::default()
            },
            stall_timeout: PATIENCE,
            drain_timeout,
            sweep_interval: PATIENCE,
        };
        let (begun, steps) = channel();
        let planner = Planner {
            begun: Mutex::new(begun),
        };
        let supervisor = Supervisor::start(settings, store, Arc::new(planner), clock).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let own_stop = Arc::clone(&stop);
        let thread = thread::spawn(move || supervisor.run(&own_stop));
        Worker {
            steps,
            stop,
            thread: Some(thread),
        }
    }

    /// One number from the database.
    pub(crate) fn count(&self, query: &str) -> i64 {
        let row = self.database.connect().query_one(query, &[]);
        row.unwrap().get(0)
    }

    /// The spools on disk.
    pub(crate) fn spools(&self) -> usize {
        let spools = self.root.path().join("spool").read_dir();
        spools.unwrap().count()
    }
}

fn open(root: &Path, database: &Database) -> Store {
    let place = Place {
        data: root.to_owned(),
        database: Some(DatabaseAddress::parse(&database.url, None, None).unwrap()),
    };
    Store::init(place.clone()).unwrap();
    let settings = StoreSettings {
        ttl: Duration::from_secs(3600),
        retrieval_grace: Duration::from_secs(60),
        // No heartbeat is due during a test.
        lease: Duration::from_secs(3600),
    };
    Store::open(place, settings).unwrap()
}

impl Worker {
    /// Waits until the slot has the plan of its next task.
    pub(crate) fn next_step(&self) -> Step {
        self.steps.recv_timeout(PATIENCE).expect("a plan is ready")
    }

    /// Asks it to stop.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Waits until it has stopped.
    pub(crate) fn join(mut self) -> Ended {
        let thread = self.thread.take().expect("it is joined once");
        thread.join().unwrap().unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Plans recordings.
struct Planner {
    begun: Mutex<Sender<Step>>,
}

impl TaskRunner for Planner {
    fn kinds(&self) -> &[TaskKind] {
        &[TaskKind::Prepare]
    }

    fn open_slot(&self) -> Box<dyn TaskSlot + '_> {
        Box::new(Slot(self))
    }
}

struct Slot<'a>(&'a Planner);

impl TaskSlot for Slot<'_> {
    fn run(&mut self, task: &ClaimedTask<'_>) -> Result<Done, Undone> {
        let room = SpoolRoom {
            reserve_bytes: 0,
            most_bytes: 0,
        };
        let mut spool = task
            .store
            .files()
            .create_spool(task.claim, 0, room)
            .unwrap();
        std::fs::write(spool.path(), b"pcm").unwrap();
        spool.store(&mut || false).unwrap();

        let span = |second: u64| PlannedSpan {
            stretches: vec![(second * 16_000, (second + 1) * 16_000)],
            ..PlannedSpan::default()
        };
        let prepared = Prepared {
            duration_ms: 2000,
            language: Some("en".to_owned()),
            language_probability: Some(0.9),
            spool: spool.name().to_owned(),
            spans: vec![span(0), span(1)],
            blocks: Vec::new(),
            outputs: None,
            diarization: None,
            warnings: Vec::new(),
            model: "base".to_owned(),
        };

        let (step, ended) = channel();
        if self.0.begun.lock().unwrap().send(Step(step)).is_ok() {
            // An error says that the test has dropped the step.
            let _ = ended.recv();
        }
        let output = TaskOutput::Plan(Box::new(prepared));
        Ok(Done::with_file(output, move || spool.keep()))
    }
}
