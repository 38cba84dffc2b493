//! A queue in a temporary folder with a clock that is set by hand. For unit tests of this crate.

use std::sync::Arc;
use std::time::Duration;

use steno_models::{JobId, TranscribeRequest};
use steno_store::{
    Claim, Clock as _, JobAudio, ManualClock, NewJob, Now, RunRole, RunSettings, Store,
    StoreSettings, Submission, TaskKind, WorkerRun,
};

pub(crate) struct TestQueue {
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: tempfile::TempDir,
}

impl TestQueue {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        assert!(Store::init(folder.path()).unwrap());
        let settings = StoreSettings {
            ttl: Duration::from_secs(24 * 3600),
            retrieval_grace: Duration::from_secs(60),
            lease: Duration::from_secs(30),
        };
        Self {
            store: Store::open(folder.path(), settings).unwrap(),
            clock: Arc::new(ManualClock::at_ms(1_800_000_000_000)),
            folder,
        }
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(crate) fn submit(&self, audio: JobAudio, options: TranscribeRequest) -> JobId {
        let job = NewJob {
            options,
            ..NewJob::of(audio)
        };
        match self.store.submit_job(self.now(), job).unwrap() {
            Submission::Accepted(accepted) => accepted.job_id,
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// A new process. It is dead when the run is dropped.
    pub(crate) fn begin_run(&self, role: RunRole) -> WorkerRun {
        let run = self.store.begin_run().unwrap();
        let settings = RunSettings {
            role,
            slots: 1,
            ..RunSettings::default()
        };
        self.store
            .register_run(self.now(), &run, &settings)
            .unwrap();
        run
    }

    /// A task of this kind for a process, after the tasks of dead ones are ready again.
    pub(crate) fn claim(&self, run: &WorkerRun, kind: TaskKind) -> Claim {
        self.store.reclaim_tasks(self.now(), None).unwrap();
        let claim = self.store.claim_task(self.now(), run, &[kind]);
        claim.unwrap().expect("a task is ready")
    }
}
