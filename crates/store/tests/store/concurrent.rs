//! Invariants: decisions of many processes at the same time have the result of one after the other.

use std::collections::HashSet;
use std::sync::Barrier;
use std::thread;

use steno_models::{Status, TranscribeRequest};
use steno_store::{FoundVoices, NewJob, Quota, Submission, TaskKind, TaskOutput};

use crate::support::{Fixture, output};

/// Runs `work` on `threads` threads that begin together. `work` gets the number of its thread.
fn together<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let begin = |number| {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(number)
            })
        };
        let running: Vec<_> = (0..threads).map(begin).collect();
        let joined = running.into_iter().map(|thread| thread.join().unwrap());
        joined.collect()
    })
}

#[test]
fn of_several_last_finishers_one_completes_the_job() {
    const SPANS: usize = 4;
    let f = Fixture::new();
    let run = f.worker();
    for _ in 0..10 {
        let job = f.submit();
        f.plan(&f.claim(&run), SPANS as u64);
        let claims: Vec<_> = (0..SPANS).map(|_| f.claim(&run)).collect();

        let (store, now) = (&f.store, f.now());
        together(SPANS, |number| {
            let output = TaskOutput::Span {
                output: output("text"),
                model: "base".to_owned(),
            };
            store
                .finish_task(now, &claims[number], &output, &[])
                .unwrap()
        });
        assert_eq!(f.status(job).status, Status::Completed);
    }
}

#[test]
fn of_several_last_blocks_one_lets_the_speakers_be_labelled() {
    const BLOCKS: usize = 4;
    let f = Fixture::new();
    let run = f.worker();
    for _ in 0..10 {
        let job = f.submit_with(TranscribeRequest {
            diarize: true,
            ..TranscribeRequest::default()
        });
        let claim_of = |kind| f.store.claim_task(f.now(), &run, &[kind]).unwrap().unwrap();
        let blocks = [0..16_000, 16_000..32_000, 32_000..48_000, 48_000..64_000];
        f.plan_with_blocks(&claim_of(TaskKind::Prepare), 4, &blocks);
        let claims: Vec<_> = (0..BLOCKS).map(|_| claim_of(TaskKind::Voices)).collect();

        let (store, now) = (&f.store, f.now());
        together(BLOCKS, |number| {
            let output = TaskOutput::Voices(FoundVoices::Found(vec![1]));
            store
                .finish_task(now, &claims[number], &output, &[])
                .unwrap()
        });
        let tasks = f.store.inspect_tasks(job).unwrap();
        let labels = tasks.iter().filter(|task| task.kind == "diarize");
        assert_eq!(labels.count(), 1);
    }
}

#[test]
fn a_task_is_claimed_once() {
    const JOBS: usize = 120;
    let f = Fixture::new();
    let runs: Vec<_> = (0..8).map(|_| f.worker()).collect();
    for _ in 0..JOBS {
        f.submit();
    }

    let (store, now) = (&f.store, f.now());
    let claimed = together(runs.len(), |number| {
        let claim = || store.claim_task(now, &runs[number], crate::support::KINDS);
        std::iter::from_fn(|| claim().unwrap())
            .map(|claim| claim.job_id)
            .collect::<Vec<_>>()
    })
    .concat();
    assert_eq!(claimed.len(), JOBS);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), JOBS);
}

#[test]
fn a_key_that_submits_at_32_places_at_once_stays_within_its_quota() {
    const LIMIT: u64 = 5;
    let f = Fixture::new();
    let quota = Quota {
        jobs: Some(LIMIT),
        ..Quota::default()
    };
    let (store, now) = (&f.store, f.now());
    let jobs: Vec<_> = (0..32)
        .map(|_| std::sync::Mutex::new(Some(f.new_job(b"RIFF"))))
        .collect();
    let submissions = together(jobs.len(), |number| {
        let job = NewJob {
            owner: "key".to_owned(),
            quota,
            ..jobs[number].lock().unwrap().take().unwrap()
        };
        store.submit_job(now, job).unwrap()
    });
    let accepted = submissions
        .iter()
        .filter(|submission| matches!(submission, Submission::Accepted(_)));
    assert_eq!(accepted.count() as u64, LIMIT);
}

#[test]
fn equal_submissions_at_the_same_time_are_one_job() {
    let f = Fixture::new();
    let (store, now) = (&f.store, f.now());
    let jobs: Vec<_> = (0..16)
        .map(|_| std::sync::Mutex::new(Some(f.new_job(b"RIFF"))))
        .collect();
    let submissions = together(jobs.len(), |number| {
        let job = NewJob {
            shared: true,
            ..jobs[number].lock().unwrap().take().unwrap()
        };
        store.submit_job(now, job).unwrap()
    });
    let new = submissions
        .iter()
        .filter(|submission| matches!(submission, Submission::Accepted(job) if job.is_new));
    assert_eq!(new.count(), 1);
}
