//! Several releases on one queue: what a release does not know it leaves to others, and repeated submissions stay equal.

use sha2::{Digest, Sha256};
use steno_models::{Status, TranscribeRequest};
use steno_store::{Submission, TaskKind};

use crate::database::Connection;
use crate::support::Fixture;

/// The query by which workers of release 0.1.0 find their next task.
pub(crate) const FIRST_NEXT_TASK: &str = "
    SELECT tasks.job FROM owners JOIN tasks ON tasks.id = (
      SELECT id FROM tasks WHERE status = 'ready' AND owner = owners.owner ORDER BY priority DESC, due_at, id LIMIT 1)
    WHERE owners.unfinished_jobs > 0
    ORDER BY owners.served_ms LIMIT 1";

/// How release 0.1.0 adds the task of a span.
const FIRST_INSERT_SPAN: &str = "
    INSERT INTO tasks (job, owner, kind, span_index, start_sample, end_sample, stretches, priority, due_at)
    SELECT seq, owner, 'transcribe', 0, 0, 16000, '[[0,16000]]', priority, due_at FROM jobs";

fn asking_for(name: &str) -> TranscribeRequest {
    let stored = serde_json::json!({name: ["fr", "en"]});
    serde_json::from_value(stored).unwrap()
}

#[test]
fn a_job_that_needs_a_later_release_is_left_alone_and_delays_no_other() {
    let f = Fixture::new();
    let run = f.worker();
    let later = f.submit_with(asking_for("colour"));
    assert!(f.try_claim(&run).is_none());

    let plain = f.submit();
    assert_eq!(f.claim(&run).job_id, plain);
    assert!(f.try_claim(&run).is_none());
    assert_eq!(f.status(later).status, Status::Pending);
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_job_that_needs_this_release_is_claimed_in_its_turn() {
    let f = Fixture::new();
    let run = f.worker();
    let first = f.submit_with(asking_for("languages"));
    let second = f.submit();

    let claim = f.claim(&run);
    assert_eq!((claim.job_id, claim.options.languages.len()), (first, 2));
    f.plan(&claim, 2);
    let claimed = [f.claim(&run), f.claim(&run), f.claim(&run)].map(|claim| claim.job_id);
    assert_eq!(
        claimed,
        [second, first, first],
        "spans go behind tasks that were ready before them"
    );
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn workers_of_the_first_release_do_not_see_jobs_that_need_a_later_one() {
    let f = Fixture::new();
    f.submit_with(asking_for("languages"));
    f.submit_with(asking_for("colour"));
    let database = f.connect();
    let next = || database.number(FIRST_NEXT_TASK);
    assert_eq!(next(), None);

    f.submit();
    assert_eq!(next(), Some(3));
}

#[test]
fn spans_that_the_first_release_plans_are_claimed() {
    let f = Fixture::new();
    let run = f.worker();
    let job = f.submit();
    let database = f.connect();
    database.run("DELETE FROM tasks");
    database.run("UPDATE jobs SET spool = 'x'");
    database.run(FIRST_INSERT_SPAN);
    assert_eq!(f.claim(&run).job_id, job);
}

/// Adds a task of a kind that only a later release knows to the first job, with input and output of its own.
fn insert_later_task(database: &Connection) {
    let insert = "INSERT INTO tasks (job, kind, priority, due_at, input)
        SELECT seq, 'summarise', 10, 0, '{\"words\": 100}' FROM jobs WHERE seq = 1";
    assert_eq!(database.run(insert), 1);
}

#[test]
fn tasks_of_a_kind_that_is_not_known_are_left_alone() {
    let f = Fixture::new();
    let run = f.worker();
    let job = f.submit();
    insert_later_task(&f.connect());
    let claim = f.claim(&run);
    assert_eq!((claim.job_id, claim.task.kind()), (job, TaskKind::Prepare));
    assert!(f.try_claim(&run).is_none());

    f.plan(&claim, 1);
    assert!(f.finish_span(&f.claim(&run), "text"));
    assert_eq!(
        f.dump(),
        "processing attempts=1\n  summarise ready failures=0 crashes=0\n  transcribe 0 done failures=0 crashes=0\n",
        "the job goes on when a later release has done its part"
    );
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn workers_of_the_first_release_do_not_see_tasks_of_later_kinds() {
    let f = Fixture::new();
    f.submit();
    let database = f.connect();
    insert_later_task(&database);
    database.run("DELETE FROM tasks WHERE kind = 'prepare'");
    assert_eq!(database.number(FIRST_NEXT_TASK), None);
}

#[test]
fn what_a_task_yields_beside_its_output_goes_with_its_job() {
    let f = Fixture::new();
    let job = f.submit();
    f.claim(&f.worker());
    let database = f.connect();
    database
        .run("INSERT INTO task_data (task, name, body) SELECT id, 'speakers', claim_id FROM tasks");
    let rows = || database.number("SELECT count(*) FROM task_data");
    assert_eq!(rows(), Some(1));
    let reason = steno_models::TombstoneReason::Deleted;
    f.store.delete_job(f.now(), None, job, reason).unwrap();
    assert_eq!(rows(), Some(0));
}

#[test]
fn the_size_of_a_recording_that_is_known_later_is_counted() {
    let f = Fixture::new();
    f.submit();
    let run = f.worker();
    f.connect().run("UPDATE inputs SET audio_bytes = 5000");
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
    f.complete(&f.claim(&run), "text");
    assert_eq!(f.store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_key_of_the_first_release_still_names_its_job() {
    let f = Fixture::new();
    let options = TranscribeRequest {
        language: Some("fr".into()),
        ..TranscribeRequest::default()
    };
    let submit = || match f.submission(b"one", options.clone(), Some("key"), false) {
        Submission::Accepted(accepted) => accepted,
        other => panic!("refused: {other:?}"),
    };
    let first = submit();
    // What release 0.1.0 hashed for the same submission.
    let written = concat!(
        r#"{"language":"fr","task":"transcribe","model":null,"prompt":null,"temperature":null,"beam_size":null,"#,
        r#""word_timestamps":false,"max_line_width":null,"max_line_count":null,"priority":0,"metadata":null}"#
    );
    let fingerprint: [u8; 32] = Sha256::new()
        .chain_update(Sha256::digest(b"one"))
        .chain_update(written)
        .finalize()
        .into();
    let database = f.connect();
    let fingerprint = database.bytes(&fingerprint);
    let changed = database.run(&format!("UPDATE inputs SET fingerprint = {fingerprint}"));
    assert_eq!(changed, 1);

    let again = submit();
    assert_eq!((again.job_id, again.is_new), (first.job_id, false));
}
