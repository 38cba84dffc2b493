//! The queue alone: claims with a long backlog, the cost of a span, and uploads of many clients.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use steno_e2e::statistics::percentile;
use steno_e2e::{Client, Settings, eventually, fixture, repeated};
use steno_models::{JobId, TranscribeRequest};
use steno_store::{
    Clock, NewJob, PlannedSpan, Prepared, RunSettings, SpanOutput, Store, StoreSettings,
    Submission, SystemClock, TaskKind, TaskOutput, WorkerRun,
};

use crate::report::line;

const BACKLOG: usize = 100_000;
const CLIENTS: usize = 64;
const STATUS_CLIENTS: usize = 16;
const STATUS_TIME: Duration = Duration::from_secs(10);

/// A store with a worker.
struct Queue {
    _folder: tempfile::TempDir,
    store: Store,
    run: WorkerRun,
}

impl Queue {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = StoreSettings {
            ttl: Duration::from_secs(24 * 3600),
            retrieval_grace: Duration::from_secs(60),
            lease: Duration::from_secs(30),
        };
        Store::init(folder.path()).unwrap();
        let store = Store::open(folder.path(), settings).unwrap();
        let run = store.begin_run().unwrap();
        store
            .register_run(
                SystemClock.now(),
                &run,
                &RunSettings {
                    role: steno_store::RunRole::Worker,
                    slots: 1,
                    model: "base".into(),
                    version: "bench".into(),
                },
            )
            .unwrap();
        Self {
            _folder: folder,
            store,
            run,
        }
    }

    fn submit(&self) -> JobId {
        let mut upload = self.store.files().begin_upload(JobId::random(), 0).unwrap();
        upload.write(b"RIFF").unwrap();
        let (audio, options) = (upload.store().unwrap(), TranscribeRequest::default());
        let job = NewJob {
            options,
            ..NewJob::of(audio)
        };
        match self.store.submit_job(SystemClock.now(), job).unwrap() {
            Submission::Accepted(accepted) => accepted.job_id,
            other => unreachable!("{other:?}"),
        }
    }

    /// Copies of the newest job, in one transaction.
    fn multiply(&self, copies: usize) {
        let database = Connection::open(self.store.data().database()).unwrap();
        let statement = include_str!("fill.sql").replace(":copies", &copies.to_string());
        database.execute_batch(&statement).unwrap();
    }
}

/// Claiming, and asking for a job, while 100,000 wait.
pub(crate) fn backlog() {
    let queue = Queue::new();
    queue.submit();
    queue.multiply(BACKLOG);
    let newest = queue.submit();
    let mut claims = Vec::new();
    let mut samples = Vec::new();
    for _ in 0..500 {
        let began = Instant::now();
        queue
            .store
            .claim_task(SystemClock.now(), &queue.run, &TaskKind::ALL)
            .unwrap()
            .unwrap();
        claims.push(began.elapsed().as_secs_f64() * 1000.0);
        let began = Instant::now();
        queue
            .store
            .get_job(SystemClock.now(), None, newest)
            .unwrap()
            .unwrap();
        samples.push(began.elapsed().as_secs_f64() * 1000.0);
    }

    line(
        "100,000 pending: claim, p50",
        &format!("{:.2} ms", percentile(claims.clone(), 50)),
        "",
    );

    line(
        "100,000 pending: claim, p99",
        &format!("{:.2} ms", percentile(claims, 99)),
        "<= 5 ms",
    );

    line(
        "100,000 pending: status of the last one, p99",
        &format!("{:.2} ms", percentile(samples, 99)),
        "",
    );
}

/// The cost of a span without its inference: the finish that claims the next one, and reading it from the spool.
pub(crate) fn span_overhead() {
    const SPANS: u64 = 500;
    const SAMPLES: u64 = 28 * 16_000;
    let queue = Queue::new();
    queue.submit();
    let claim = queue
        .store
        .claim_task(SystemClock.now(), &queue.run, &TaskKind::ALL)
        .unwrap()
        .unwrap();

    let spool = queue.store.data().root().join("spool/bench.pcm");
    std::fs::write(&spool, vec![1_u8; (SAMPLES * SPANS * 2) as usize]).unwrap();
    let span = |i: u64| PlannedSpan {
        stretches: vec![(i * SAMPLES, (i + 1) * SAMPLES)],
        ..PlannedSpan::default()
    };
    let prepared = Prepared {
        duration_ms: SPANS * 28_000,
        language: Some("en".into()),
        language_probability: None,
        spool: "bench.pcm".into(),
        spans: (0..SPANS).map(span).collect(),
        blocks: Vec::new(),
        outputs: None,
        diarization: None,
        warnings: Vec::new(),
        model: "base".into(),
    };

    let mut next = queue
        .store
        .finish_task(
            SystemClock.now(),
            &claim,
            &TaskOutput::Plan(Box::new(prepared)),
            &TaskKind::ALL,
        )
        .unwrap()
        .next;

    let output = TaskOutput::Span {
        output: SpanOutput::default(),
        model: "base".to_owned(),
    };
    let mut taken = Vec::new();
    let mut index = 0;
    while let Some(claim) = next {
        let began = Instant::now();
        let span = steno_worker::audio::Span::whole(index * SAMPLES, (index + 1) * SAMPLES);
        steno_worker::audio::read_span(&spool, &span).unwrap();
        next = queue
            .store
            .finish_task(SystemClock.now(), &claim, &output, &TaskKind::ALL)
            .unwrap()
            .next;
        taken.push(began.elapsed().as_secs_f64() * 1000.0);
        index += 1;
    }

    line(
        "overhead of a span, p50",
        &format!("{:.2} ms", percentile(taken.clone(), 50)),
        "<= 5 ms",
    );

    line(
        "overhead of a span, p99",
        &format!("{:.2} ms", percentile(taken, 99)),
        "<= 25 ms",
    );
}

/// 16 clients poll the status of a job while a worker uses every core.
pub(crate) fn status_calls() {
    let service = Settings::with_workers(1).set("STENO_SLOTS", "").start();
    let long = service.client.submit(
        &repeated("long.opus", 30, &service.scratch()),
        "language=en",
    );
    let job = service.client.submit(&fixture("clip.opus"), "priority=-10");
    eventually("every slot is at work", || {
        (service.client.status(long).progress > 0.0).then_some(())
    });
    let latencies = Mutex::new(Vec::new());
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..STATUS_CLIENTS {
            scope.spawn(|| {
                // A connection of its own, which it keeps.
                let client = Client::new(&format!("http://{}", service.address()));
                let mut own = Vec::new();
                while began.elapsed() < STATUS_TIME {
                    let began = Instant::now();
                    assert_eq!(client.get(&format!("/transcribe/{job}")).status, 200);
                    own.push(began.elapsed().as_secs_f64() * 1000.0);
                }
                latencies.lock().unwrap().extend(own);
            });
        }
    });

    let rate = latencies.lock().unwrap().len() as f64 / began.elapsed().as_secs_f64();
    let p99 = percentile(latencies.into_inner().unwrap(), 99);
    assert!(
        service.client.status(long).progress < 1.0,
        "the worker ran out of work"
    );
    line(
        "status calls a second, all cores at work",
        &format!("{rate:.0}"),
        ">= 2000",
    );

    line("their p99", &format!("{p99:.1} ms"), "<= 25 ms");
}

/// 64 clients upload an 11 s clip (352 kB) repeatedly; each waits for its 202.
pub(crate) fn uploads() {
    let service = Settings::with_workers(0).start();
    let audio = std::fs::read(fixture("clip.wav")).unwrap();
    // An 11 s wav: the header of the clip and 11 s of bytes. The api does not decode.
    let body: Vec<u8> = audio.iter().copied().cycle().take(11 * 32_000).collect();
    let left = AtomicUsize::new(2_000);
    let latencies = Mutex::new(Vec::new());
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                    .is_ok()
                {
                    let began = Instant::now();
                    let answer = service
                        .client
                        .post("/transcribe?language=en", "audio/wav", &body);
                    assert_eq!(answer.status, 202, "{}", answer.text());
                    latencies
                        .lock()
                        .unwrap()
                        .push(began.elapsed().as_secs_f64() * 1000.0);
                }
            });
        }
    });

    let latencies = latencies.into_inner().unwrap();
    let rate = latencies.len() as f64 / began.elapsed().as_secs_f64();
    line(
        "64 clients: durable uploads of 352 kB",
        &format!("{rate:.0} /s"),
        ">= 100 /s",
    );

    line(
        "64 clients: upload to 202, p99",
        &format!("{:.0} ms", percentile(latencies, 99)),
        "<= 250 ms",
    );
}
