//! Invariant: only tasks that label speakers read recordings of voices, and the recordings are deleted when their job ends.

use serde_json::json;
use steno_models::{FailureCode, JobId, Status, TombstoneReason, TranscribeRequest};
use steno_store::{Claim, Failure, JobLookup, Submission, TaskKind, WorkerRun};

use crate::deletion::grep;
use crate::support::Fixture;

/// A recording of a voice, in base64.
const VOICE: &str = "bWFya2VyLW9mLXRoZS12b2ljZQ==";

/// The options of a client that has a recording of Anna's voice.
fn options() -> TranscribeRequest {
    let options = json!({
        "diarize": true,
        "known_speaker_names": ["Anna"],
        "known_speaker_references": [VOICE],
    });
    serde_json::from_value(options).unwrap()
}

fn claim_of(f: &Fixture, run: &WorkerRun, kind: TaskKind) -> Claim {
    let claim = f.store.claim_task(f.now(), run, &[kind]).unwrap();
    claim.expect("a task of that kind is ready")
}

fn rows(f: &Fixture) -> Option<i64> {
    f.connect()
        .number("SELECT count(*) FROM speaker_references")
}

fn fail(f: &Fixture, claim: &Claim) {
    let failure = Failure {
        code: FailureCode::CorruptAudio,
        message: "no audio".to_owned(),
        retryable: false,
        reason: None,
    };
    f.fail(claim, &failure);
}

#[test]
fn tasks_that_label_speakers_get_the_recordings_of_voices() {
    let f = Fixture::new();
    let run = f.worker();
    f.submit_with(options());

    let prepare = claim_of(&f, &run, TaskKind::Prepare);
    assert_eq!(prepare.options, options());
    f.plan(&prepare, 1);
    let span = claim_of(&f, &run, TaskKind::Transcribe);
    assert_eq!(span.options.known_speaker_names, ["Anna"]);
    assert!(span.options.known_speaker_references.is_empty());
    let diarize = claim_of(&f, &run, TaskKind::Diarize);
    assert_eq!(diarize.options, options());
}

#[test]
fn no_other_operation_reads_the_recordings_of_voices() {
    let f = Fixture::new();
    let run = f.worker();
    let job = f.submit_with(options());
    let in_options = "SELECT count(*) FROM inputs WHERE CAST(options AS text) LIKE '%bWFya2Vy%'";
    assert_eq!(f.connect().number(in_options), Some(0));
    f.plan(&claim_of(&f, &run, TaskKind::Prepare), 1);

    // Whatever reads them fails from here on.
    let damage = "UPDATE speaker_references SET body = '{}'";
    assert_eq!(f.connect().run(damage), 1);
    let listed = f.store.list_jobs(f.now(), "", None, None, 10).unwrap();
    assert_eq!(listed.jobs.len(), 1);
    let Some(JobLookup::Job(_, read)) = f.store.get_job(f.now(), None, job).unwrap() else {
        panic!("the job is gone");
    };
    assert!(read.known_speaker_references.is_empty());
    let span = claim_of(&f, &run, TaskKind::Transcribe);
    assert!(f.finish_span(&span, "text"));
    assert_eq!(f.status(job).status, Status::Processing);

    let diarize = f.store.claim_task(f.now(), &run, &[TaskKind::Diarize]);
    assert!(diarize.unwrap().is_none());
    assert_eq!(
        f.status(job).status,
        Status::Failed,
        "the test damages what is read"
    );
}

#[test]
fn recordings_of_voices_are_deleted_when_their_job_ends_or_is_deleted() {
    let f = Fixture::new();
    let run = f.worker();
    let begun = |expected: JobId| {
        let claim = claim_of(&f, &run, TaskKind::Prepare);
        assert_eq!((claim.job_id, rows(&f)), (expected, Some(1)));
        claim
    };

    let completed = f.submit_with(options());
    let claim = begun(completed);
    assert!(f.complete(&claim, "text"));
    assert_eq!(
        (f.status(completed).status, rows(&f)),
        (Status::Completed, Some(0))
    );

    let failed = f.submit_with(options());
    fail(&f, &begun(failed));
    assert_eq!(
        (f.status(failed).status, rows(&f)),
        (Status::Failed, Some(0))
    );

    let deleted = f.submit_with(options());
    begun(deleted);
    let reason = TombstoneReason::Deleted;
    f.store.delete_job(f.now(), None, deleted, reason).unwrap();
    assert_eq!(rows(&f), Some(0));

    f.store.sweep(f.now()).unwrap();
    assert!(!grep(&f, VOICE));
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_job_that_keeps_recordings_of_voices_among_its_options_goes_on() {
    let f = Fixture::new();
    let run = f.worker();
    f.submit_with(options());
    let database = f.connect();
    database.run("DELETE FROM speaker_references");
    let stored = serde_json::to_string(&options()).unwrap();
    database.run(&format!("UPDATE inputs SET options = '{stored}'"));

    assert_eq!(claim_of(&f, &run, TaskKind::Prepare).options, options());
}

#[test]
fn equal_submissions_are_recognised_by_the_voices_too() {
    let f = Fixture::new();
    let submit = |options: TranscribeRequest| match f.submission(b"one", options, None, true) {
        Submission::Accepted(accepted) => accepted.job_id,
        other => panic!("refused: {other:?}"),
    };
    let mut other_voice = options();
    let voice = serde_json::from_value(json!(["b3RoZXI="])).unwrap();
    other_voice.known_speaker_references = voice;

    let first = submit(options());
    assert_eq!(submit(options()), first);
    assert_ne!(submit(other_voice), first);
}
