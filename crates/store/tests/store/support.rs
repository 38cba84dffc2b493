//! What every store test needs: a store in a temporary folder and a clock that is turned by hand.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use steno_models::{JobId, JobStatus, Segment, TranscribeRequest};
use steno_store::{
    Claim, Clock, DataDir, Failure, Finished, JobFilter, JobLookup, ManualClock, NewJob, Now,
    PlannedSpan, Prepared, Quota, Reclaimed, RunSettings, Settled, SpanOutput, Store,
    StoreSettings, Submission, TaskInput, TaskKind, TaskOutput, WorkerRun,
};

use crate::database::{Connection, TestDatabase};

/// What the workers of this release can do.
pub(crate) const KINDS: &[TaskKind] = &TaskKind::ALL;

pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) root: tempfile::TempDir,
    pub(crate) database: TestDatabase,
    pub(crate) clock: ManualClock,
}

pub(crate) fn settings() -> StoreSettings {
    StoreSettings {
        ttl: Duration::from_secs(24 * 3600),
        retrieval_grace: Duration::from_secs(60),
        lease: Duration::from_secs(30),
    }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: StoreSettings) -> Self {
        Self::on(TestDatabase::new(), settings)
    }

    /// With a new database.
    pub(crate) fn on(database: TestDatabase, settings: StoreSettings) -> Self {
        let root = tempfile::tempdir().unwrap();
        let place = database.place(root.path());
        assert!(Store::init(place.clone()).unwrap());
        let store = Store::open(place, settings).unwrap();
        Self {
            store,
            root,
            database,
            clock: ManualClock::at_ms(1_800_000_000_000),
        }
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Looks for dead processes until all of them are found. On PostgreSQL that takes two looks.
    pub(crate) fn reclaim(&self) -> Reclaimed {
        let mut reclaimed = self.store.reclaim_tasks(self.now(), None).unwrap();
        while let Some(at) = self.store.next_reclaim_at() {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            reclaimed += self.store.reclaim_tasks(self.now(), None).unwrap();
        }
        reclaimed
    }

    pub(crate) fn submit(&self) -> JobId {
        self.submit_with(TranscribeRequest::default())
    }

    pub(crate) fn submit_with(&self, options: TranscribeRequest) -> JobId {
        match self.submission(b"RIFF", options, None, false) {
            Submission::Accepted(accepted) => accepted.job_id,
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub(crate) fn submission(
        &self,
        recording: &[u8],
        options: TranscribeRequest,
        key: Option<&str>,
        shared: bool,
    ) -> Submission {
        let job = NewJob {
            options,
            idempotency_key: key.map(ToOwned::to_owned),
            shared,
            ..self.new_job(recording)
        };
        self.submit_job(job)
    }

    /// A recording of `bytes` submitted with an API key.
    pub(crate) fn submit_as(&self, owner: &str, bytes: usize, quota: Quota) -> Submission {
        let job = NewJob {
            owner: owner.to_owned(),
            quota,
            ..self.new_job(&vec![1; bytes])
        };
        self.submit_job(job)
    }

    /// A job with the recording and no options, without an owner or limits.
    pub(crate) fn new_job(&self, recording: &[u8]) -> NewJob {
        let mut upload = self.store.files().begin_upload(JobId::random(), 0).unwrap();
        upload.write(recording).unwrap();
        NewJob::of(upload.store().unwrap())
    }

    pub(crate) fn submit_job(&self, job: NewJob) -> Submission {
        self.store.submit_job(self.now(), job).unwrap()
    }

    /// A connection to the database past the store.
    pub(crate) fn connect(&self) -> Connection {
        self.database.connect(&self.data().database())
    }

    pub(crate) fn data(&self) -> &DataDir {
        self.store.data()
    }

    /// Where files lie: `audio` or `spool`.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn worker(&self) -> WorkerRun {
        let run = self.store.begin_run().unwrap();
        self.store
            .register_run(
                self.now(),
                &run,
                &RunSettings {
                    role: steno_store::RunRole::Worker,
                    slots: 1,
                    model: "base".into(),
                    version: "1".into(),
                },
            )
            .unwrap();
        run
    }

    pub(crate) fn claim(&self, run: &WorkerRun) -> Claim {
        self.try_claim(run).expect("a task is ready")
    }

    pub(crate) fn try_claim(&self, run: &WorkerRun) -> Option<Claim> {
        self.store.claim_task(self.now(), run, KINDS).unwrap()
    }

    /// Plans `spans` spans of one second each.
    pub(crate) fn plan(&self, claim: &Claim, spans: u64) {
        self.plan_with_blocks(claim, spans, &[]);
    }

    /// The same, with blocks whose voices are to be found.
    pub(crate) fn plan_with_blocks(&self, claim: &Claim, spans: u64, blocks: &[Range<u64>]) {
        assert!(matches!(claim.task, TaskInput::Prepare { .. }));
        let prepared = Prepared {
            spool: spool_name(claim),
            blocks: blocks.to_vec(),
            ..prepared(spans, None)
        };
        std::fs::write(self.folder("spool").join(&prepared.spool), b"pcm").unwrap();
        assert!(self.finish_prepare(claim, prepared));
    }

    pub(crate) fn complete(&self, claim: &Claim, text: &str) -> bool {
        self.finish_prepare(claim, prepared(1, Some(vec![output(text)])))
    }

    pub(crate) fn finish_prepare(&self, claim: &Claim, prepared: Prepared) -> bool {
        self.finish(claim, &TaskOutput::Plan(Box::new(prepared)))
    }

    pub(crate) fn finish_span(&self, claim: &Claim, text: &str) -> bool {
        self.finish_span_with(claim, output(text))
    }

    pub(crate) fn finish_span_with(&self, claim: &Claim, output: SpanOutput) -> bool {
        let model = "base".to_owned();
        self.finish(claim, &TaskOutput::Span { output, model })
    }

    /// Whether the output was stored.
    pub(crate) fn finish(&self, claim: &Claim, output: &TaskOutput) -> bool {
        let finished = self.store.finish_task(self.now(), claim, output, &[]);
        finished.unwrap().settled == Settled::Stored
    }

    pub(crate) fn fail(&self, claim: &Claim, failure: &Failure) -> Finished {
        self.store
            .fail_task(self.now(), claim, failure, &[])
            .unwrap()
    }

    /// The queue as text: a line for each job, and one for each of its tasks. Ids and times are left out.
    pub(crate) fn dump(&self) -> String {
        let mut dump = String::new();
        for job in self.store.inspect_jobs(&JobFilter::default()).unwrap() {
            write!(dump, "{} attempts={}", job.status.as_str(), job.attempts).unwrap();
            if let Some(code) = &job.error_code {
                write!(dump, " {code}").unwrap();
            }
            dump.push('\n');
            for task in self.store.inspect_tasks(job.job_id).unwrap() {
                write!(dump, "  {}", task.kind).unwrap();
                if let Some(span) = task.span {
                    write!(dump, " {span}").unwrap();
                }
                writeln!(
                    dump,
                    " {} failures={} crashes={}",
                    task.status.as_str(),
                    task.failures,
                    task.crashes
                )
                .unwrap();
            }
        }
        dump
    }

    pub(crate) fn status(&self, job: JobId) -> JobStatus {
        match self.store.get_job(self.now(), None, job).unwrap() {
            Some(JobLookup::Job(status, _)) => status,
            other => panic!("job {job} is not there: {other:?}"),
        }
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = ["audio", "incoming", "spool"]
            .iter()
            .flat_map(|name| list(&self.folder(name)))
            .collect();
        files.sort();
        files
    }
}

fn list(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

pub(crate) fn spool_name(claim: &Claim) -> String {
    format!("{}.{}.pcm", claim.job_id, claim.id)
}

pub(crate) fn output(text: &str) -> SpanOutput {
    SpanOutput {
        segments: vec![segment(text, 0.0)],
        ..SpanOutput::default()
    }
}

pub(crate) fn prepared(spans: u64, outputs: Option<Vec<SpanOutput>>) -> Prepared {
    let span = |i: u64| PlannedSpan {
        stretches: vec![(i * 16_000, (i + 1) * 16_000)],
        ..PlannedSpan::default()
    };
    Prepared {
        duration_ms: spans * 1000,
        language: Some("en".into()),
        language_probability: Some(0.9),
        spool: "unused".into(),
        spans: (0..spans).map(span).collect(),
        blocks: Vec::new(),
        outputs,
        diarization: None,
        warnings: Vec::new(),
        model: "base".into(),
    }
}

pub(crate) fn segment(text: &str, start: f64) -> Segment {
    Segment {
        id: 0,
        start,
        end: start + 1.0,
        text: text.into(),
        language: None,
        speaker: None,
        avg_logprob: -0.1,
        compression_ratio: 1.0,
        no_speech_prob: 0.1,
        temperature: 0.0,
        tokens: vec![1],
        words: None,
    }
}
