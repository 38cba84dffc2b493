//! What every store test needs: a store in a temporary folder and a clock that is turned by hand.

use std::path::Path;
use std::time::Duration;

use steno_models::{JobId, JobStatus, Segment, TranscribeRequest};
use steno_store::{
    AudioUpload, Claim, Clock, DataDir, JobLookup, ManualClock, NewJob, Now, PlannedSpan, Prepared,
    Quota, RunSettings, SpanOutput, Store, StoreSettings, Submission, TaskKind, WorkerRun,
};

pub(crate) struct Fixture {
    pub(crate) root: tempfile::TempDir,
    pub(crate) store: Store,
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
        let root = tempfile::tempdir().unwrap();
        assert!(Store::init(root.path()).unwrap());
        let store = Store::open(root.path(), settings).unwrap();
        Self {
            root,
            store,
            clock: ManualClock::at_ms(1_800_000_000_000),
        }
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
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
        let mut upload = AudioUpload::create(self.data(), JobId::random()).unwrap();
        upload.write(recording).unwrap();
        let audio = upload.store().unwrap();
        let job = NewJob {
            audio,
            options,
            owner: String::new(),
            idempotency_key: key.map(ToOwned::to_owned),
            shared,
            quota: Quota::default(),
            max_pending_jobs: u64::MAX,
            request_id: String::new(),
        };
        self.store.submit_job(self.now(), job).unwrap()
    }

    /// A recording of `bytes` submitted with an API key.
    pub(crate) fn submit_as(&self, owner: &str, bytes: usize, quota: Quota) -> Submission {
        let mut upload = AudioUpload::create(self.data(), JobId::random()).unwrap();
        upload.write(&vec![1; bytes]).unwrap();
        let (audio, options) = (upload.store().unwrap(), TranscribeRequest::default());
        let job = NewJob {
            audio,
            options,
            owner: owner.to_owned(),
            idempotency_key: None,
            shared: false,
            quota,
            max_pending_jobs: u64::MAX,
            request_id: String::new(),
        };
        self.store.submit_job(self.now(), job).unwrap()
    }

    pub(crate) fn data(&self) -> &DataDir {
        self.store.data()
    }

    pub(crate) fn worker(&self) -> WorkerRun {
        let run = WorkerRun::begin(self.data()).unwrap();
        self.store
            .register_run(
                self.now(),
                &run,
                &RunSettings {
                    slots: 1,
                    model: "base".into(),
                    version: "1".into(),
                },
            )
            .unwrap();
        run
    }

    pub(crate) fn claim(&self, run: &WorkerRun) -> Claim {
        self.store
            .claim_task(self.now(), run)
            .unwrap()
            .expect("a task is ready")
    }

    /// Plans `spans` spans of one second each.
    pub(crate) fn plan(&self, run: &WorkerRun, claim: &Claim, spans: u64) {
        assert!(matches!(claim.task, TaskKind::Prepare { .. }));
        let prepared = Prepared {
            spool: spool_name(claim),
            ..prepared(spans, None)
        };
        std::fs::write(self.data().spool().join(&prepared.spool), b"pcm").unwrap();
        assert!(
            self.store
                .finish_prepare(self.now(), run, claim, &prepared, false)
                .unwrap()
                .accepted
        );
    }

    pub(crate) fn complete(&self, run: &WorkerRun, claim: &Claim, text: &str) -> bool {
        let prepared = prepared(1, Some(vec![output(text)]));
        self.store
            .finish_prepare(self.now(), run, claim, &prepared, false)
            .unwrap()
            .accepted
    }

    pub(crate) fn finish_span(&self, run: &WorkerRun, claim: &Claim, text: &str) -> bool {
        self.store
            .finish_span(self.now(), run, claim, &output(text), "base", false)
            .unwrap()
            .accepted
    }

    pub(crate) fn status(&self, job: JobId) -> JobStatus {
        match self.store.get_job(self.now(), None, job).unwrap() {
            Some(JobLookup::Job(status, _)) => status,
            other => panic!("job {job} is not there: {other:?}"),
        }
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = [self.data().audio(), self.data().spool()]
            .iter()
            .flat_map(|d| list(d))
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
        outputs,
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
        avg_logprob: -0.1,
        compression_ratio: 1.0,
        no_speech_prob: 0.1,
        temperature: 0.0,
        tokens: vec![1],
        words: None,
    }
}
