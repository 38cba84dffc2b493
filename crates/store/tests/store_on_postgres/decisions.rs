//! Decisions that depend on what other transactions do at the same moment. A trigger holds each transaction after it has decided,
//! until the other one waits too. So these tests fail whenever two such transactions run side by side.

use std::thread;

use steno_models::{Status, TranscribeRequest};
use steno_store::{Diarization, FoundVoices, Submission, TaskInput, TaskKind, TaskOutput};
use steno_testbed::wait_until;

use crate::database::Connection;
use crate::support::{Fixture, output};

/// The lock that the trigger waits for.
const GATE: i64 = 42;

/// Holds transactions of the store at a write, until it is opened.
struct Gate(Connection);

impl Gate {
    /// Closes the gate for rows that `event` ("INSERT ON jobs") writes.
    fn before(f: &Fixture, event: &str) -> Self {
        let administrator = f.connect();
        let trigger = format!(
            "CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NEW; END $$;
             CREATE TRIGGER gate BEFORE {event} FOR EACH ROW EXECUTE FUNCTION wait_at_gate();
             SELECT pg_advisory_lock({GATE})"
        );
        administrator.try_run(&trigger).unwrap();
        Self(administrator)
    }

    /// Opens the gate when so many transactions wait: at the gate, or for a lock of one that does.
    fn open_for(&self, waiting: i64) {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        wait_until("the transactions wait", || {
            self.0.number(waits) == Some(waiting)
        });
        let open = format!("SELECT pg_advisory_unlock({GATE})");
        self.0.try_run(&open).unwrap();
    }
}

#[test]
fn of_a_last_span_and_a_diarization_that_end_together_one_completes_the_job() {
    let f = Fixture::new();
    let run = f.worker();
    let job = f.submit_with(TranscribeRequest {
        diarize: true,
        ..TranscribeRequest::default()
    });
    f.plan(&f.claim(&run), 1);
    let claims = [f.claim(&run), f.claim(&run)];
    // Counters are written last, after each has looked for unfinished tasks.
    let gate = Gate::before(&f, "INSERT ON counters");

    let (store, now) = (&f.store, f.now());
    thread::scope(|scope| {
        for claim in &claims {
            let model = "base".to_owned();
            let done = match claim.task {
                TaskInput::Diarize { .. } => TaskOutput::Speakers {
                    diarization: Diarization::default(),
                    model,
                },
                _ => TaskOutput::Span {
                    output: output("text"),
                    model,
                },
            };
            scope.spawn(move || store.finish_task(now, claim, &done, &[]).unwrap());
        }
        gate.open_for(2);
    });
    assert_eq!(f.status(job).status, Status::Completed);
}

#[test]
fn of_two_last_blocks_that_end_together_one_lets_the_speakers_be_labelled() {
    let f = Fixture::new();
    let run = f.worker();
    let job = f.submit_with(TranscribeRequest {
        diarize: true,
        ..TranscribeRequest::default()
    });
    f.plan_with_blocks(&f.claim(&run), 1, &[0..8000, 8000..16_000]);
    let claim = |_| f.store.claim_task(f.now(), &run, &[TaskKind::Voices]);
    let claims = [1, 2].map(|block| claim(block).unwrap().unwrap());
    let gate = Gate::before(&f, "INSERT ON counters");

    let (store, now) = (&f.store, f.now());
    thread::scope(|scope| {
        for claim in &claims {
            let done = TaskOutput::Voices(FoundVoices::Found(vec![1]));
            scope.spawn(move || store.finish_task(now, claim, &done, &[]).unwrap());
        }
        gate.open_for(2);
    });
    let tasks = f.store.inspect_tasks(job).unwrap();
    let labels = tasks.iter().filter(|task| task.kind == "diarize");
    assert_eq!(labels.count(), 1);
}

#[test]
fn equal_submissions_that_both_find_no_job_become_one() {
    let f = Fixture::new();
    let gate = Gate::before(&f, "INSERT ON jobs");
    let submit = || f.submission(b"RIFF", TranscribeRequest::default(), None, true);

    let submissions = thread::scope(|scope| {
        let threads = [scope.spawn(submit), scope.spawn(submit)];
        gate.open_for(2);
        threads.map(|thread| thread.join().unwrap())
    });
    let new = submissions
        .iter()
        .filter(|submission| matches!(submission, Submission::Accepted(job) if job.is_new));
    assert_eq!(new.count(), 1);
}
