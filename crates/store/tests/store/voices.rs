//! Invariants: the voices of a recording are found block by block, by any worker; its speakers are labelled when all blocks are done; what
//! was found goes with the job.

use std::ops::Range;

use steno_models::{FailureCode, JobId, Status, TombstoneReason, TranscribeRequest};
use steno_store::{
    Claim, Diarization, Failure, FoundVoices, TaskInput, TaskKind, TaskOutput, WorkerRun,
};

use crate::deletion::grep;
use crate::support::Fixture;

/// What a worker has found, to be searched for on disk.
const VOICES: &str = "marker-of-the-voices";

/// Blocks of a recording of eight spans of a second.
const BLOCKS: [Range<u64>; 2] = [0..64_000, 64_000..128_000];

fn submit(f: &Fixture) -> JobId {
    f.submit_with(TranscribeRequest {
        diarize: true,
        ..TranscribeRequest::default()
    })
}

/// Plans eight spans and the blocks.
fn plan(f: &Fixture, run: &WorkerRun) {
    let claim = claim_of(f, run, TaskKind::Prepare).unwrap();
    f.plan_with_blocks(&claim, 8, &BLOCKS);
}

fn claim_of(f: &Fixture, run: &WorkerRun, kind: TaskKind) -> Option<Claim> {
    f.store.claim_task(f.now(), run, &[kind]).unwrap()
}

fn found() -> TaskOutput {
    TaskOutput::Voices(FoundVoices::Found(VOICES.into()))
}

fn labels() -> TaskOutput {
    TaskOutput::Speakers {
        diarization: Diarization::default(),
        model: "base".to_owned(),
    }
}

fn kept(f: &Fixture) -> Option<i64> {
    f.connect().number("SELECT count(*) FROM task_data")
}

#[test]
fn a_block_is_claimed_when_the_spans_have_reached_its_middle() {
    let f = Fixture::new();
    let run = f.worker();
    submit(&f);
    plan(&f, &run);

    let mut claimed = Vec::new();
    while let Some(claim) = f.try_claim(&run) {
        claimed.push(match claim.task {
            TaskInput::Transcribe(task) => format!("span {}", task.index),
            TaskInput::Voices(task) => format!("voices {}: {:?}", task.index, task.block),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(
        claimed,
        [
            "span 0",
            "span 1",
            "voices 0: 0..64000",
            "span 2",
            "span 3",
            "span 4",
            "span 5",
            "voices 1: 64000..128000",
            "span 6",
            "span 7"
        ]
    );
}

#[test]
fn speakers_are_labelled_when_all_blocks_are_done() {
    let f = Fixture::new();
    let run = f.worker();
    let job = submit(&f);
    plan(&f, &run);

    let first = claim_of(&f, &run, TaskKind::Voices).unwrap();
    let second = claim_of(&f, &run, TaskKind::Voices).unwrap();
    assert!(f.finish(&second, &found()));
    assert!(claim_of(&f, &run, TaskKind::Diarize).is_none());
    let failed = FoundVoices::Failed("no networks".to_owned());
    assert!(f.finish(&first, &TaskOutput::Voices(failed.clone())));
    let diarize = claim_of(&f, &run, TaskKind::Diarize).unwrap();
    assert!(claim_of(&f, &run, TaskKind::Diarize).is_none());

    let read = |block| f.store.found_voices(&diarize, block).unwrap();
    assert_eq!(read(0), Some(failed));
    assert_eq!(read(1), Some(FoundVoices::Found(VOICES.into())));
    assert_eq!(read(2), None);

    assert!(f.finish(&diarize, &labels()));
    assert_eq!(f.status(job).status, Status::Processing);
    while let Some(span) = f.try_claim(&run) {
        assert!(f.finish_span(&span, "text"));
    }
    assert_eq!(f.status(job).status, Status::Completed);
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn workers_that_do_not_know_blocks_leave_them_alone() {
    let f = Fixture::new();
    let run = f.worker();
    let job = submit(&f);
    plan(&f, &run);

    let earlier = [TaskKind::Prepare, TaskKind::Transcribe, TaskKind::Diarize];
    while let Some(span) = f.store.claim_task(f.now(), &run, &earlier).unwrap() {
        assert!(f.finish_span(&span, "text"));
    }
    assert_eq!(
        f.status(job).status,
        Status::Processing,
        "the job waits for a worker that knows blocks"
    );
    for _ in BLOCKS {
        assert!(f.finish(&f.claim(&run), &found()));
    }
    let diarize = f.store.claim_task(f.now(), &run, &earlier).unwrap();
    assert!(f.finish(&diarize.unwrap(), &labels()));
    assert_eq!(f.status(job).status, Status::Completed);
}

#[test]
fn a_task_for_labels_of_an_earlier_plan_has_no_blocks() {
    let f = Fixture::new();
    let run = f.worker();
    submit(&f);
    f.plan(&f.claim(&run), 2);
    let diarize = claim_of(&f, &run, TaskKind::Diarize).unwrap();
    assert_eq!(f.store.found_voices(&diarize, 0).unwrap(), None);
    assert!(claim_of(&f, &run, TaskKind::Voices).is_none());
}

#[test]
fn voices_of_a_lost_claim_are_dropped() {
    let f = Fixture::new();
    let run = f.worker();
    submit(&f);
    plan(&f, &run);
    let lost = claim_of(&f, &run, TaskKind::Voices).unwrap();
    drop(run);
    f.reclaim();

    assert!(!f.finish(&lost, &found()));
    assert_eq!(kept(&f), Some(0));
    let again = claim_of(&f, &f.worker(), TaskKind::Voices).unwrap();
    assert!(f.finish(&again, &found()));
    assert_eq!(kept(&f), Some(1));
}

#[test]
fn a_block_on_which_three_workers_died_costs_no_text() {
    let f = Fixture::new();
    let job = submit(&f);
    plan(&f, &f.worker());
    for death in 1..=3 {
        let run = f.worker();
        let claim = claim_of(&f, &run, TaskKind::Voices).unwrap();
        assert!(!claim.has_spent_its_tries(), "attempt {}", claim.attempt);
        drop(run);
        assert_eq!(f.reclaim().failed_jobs, 0, "death {death}");
    }
    let claim = claim_of(&f, &f.worker(), TaskKind::Voices).unwrap();
    assert!(claim.has_spent_its_tries());
    assert_eq!(f.status(job).status, Status::Processing);
}

#[test]
fn voices_are_deleted_when_their_job_ends_or_is_deleted() {
    let f = Fixture::new();
    let run = f.worker();
    let begin = || {
        let job = submit(&f);
        plan(&f, &run);
        for _ in BLOCKS {
            let block = claim_of(&f, &run, TaskKind::Voices).unwrap();
            assert!(f.finish(&block, &found()));
        }
        assert_eq!(kept(&f), Some(2));
        job
    };

    let completed = begin();
    while let Some(claim) = f.try_claim(&run) {
        match claim.task {
            TaskInput::Diarize { .. } => assert!(f.finish(&claim, &labels())),
            _ => assert!(f.finish_span(&claim, "text")),
        }
    }
    assert_eq!(
        (f.status(completed).status, kept(&f)),
        (Status::Completed, Some(0))
    );

    let failed = begin();
    let failure = Failure {
        code: FailureCode::CorruptAudio,
        message: "no audio".to_owned(),
        retryable: false,
        reason: None,
    };
    f.fail(&claim_of(&f, &run, TaskKind::Transcribe).unwrap(), &failure);
    assert_eq!(
        (f.status(failed).status, kept(&f)),
        (Status::Failed, Some(0))
    );

    let deleted = begin();
    let reason = TombstoneReason::Deleted;
    f.store.delete_job(f.now(), None, deleted, reason).unwrap();
    assert_eq!(kept(&f), Some(0));

    f.store.sweep(f.now()).unwrap();
    assert!(!grep(&f, VOICES));
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn voices_are_not_shown() {
    let length = VOICES.len();
    assert_eq!(
        format!("{:?}", found()),
        format!("Voices(Found({length} bytes))")
    );
}
