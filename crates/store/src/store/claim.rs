//! Claiming: a worker takes the next task.

use rusqlite::{Connection, OptionalExtension, Transaction, named_params};
use steno_models::{FailureCode, JobId, TranscribeRequest};

use super::complete::{Ending, fail};
use super::counters::{Counter, count};
use super::fence::require_row;
use super::get::json;
use super::types::{
    Certainty, Claim, ClaimId, Failure, PlannedSpan, SpanTask, TaskInput, TaskKind,
};
use super::{EXPECTED_REAL_TIME_FACTOR, Effects, Store};
use crate::{Now, StoreError, WorkerRun};

/// Compute time expected of a `prepare` task, whose recording nobody has looked at.
const PREPARE_COST_MS: i64 = 2000;

/// Unfinished jobs of an owner with decoded audio, from which on spans come before the preparation of further jobs. An hour of
/// audio is 115 MB.
const MAX_PREPARED_JOBS: u32 = 32;

impl Store {
    /// Takes the next task for a worker's run, or `None`. Owners take turns by the work they were given; of an owner's tasks,
    /// by priority, then due time, then order in the recording.
    ///
    /// A task on which a worker died without a word is done alone: if its worker dies again, it is known why, and nobody else is
    /// charged.
    ///
    /// `kinds` are those that the caller can do; tasks of other kinds are left alone.
    pub fn claim_task(
        &self,
        now: Now,
        run: &WorkerRun,
        kinds: &[TaskKind],
    ) -> Result<Option<Claim>, StoreError> {
        // A cheap look first: an idle worker must not take the write lock.
        let any = self.read(|connection| {
            Ok(connection
                .prepare_cached(include_str!("../sql/any_claimable.sql"))?
                .exists(named_params! {
                    ":now": now.wall.ms(),
                    ":known": known_requirements(),
                    ":kinds": words(kinds.iter().copied()),
                })?)
        })?;
        if !any {
            return Ok(None);
        }
        self.write(|tx, effects| claim_next(tx, effects, now, run.id(), kinds))
    }

    /// The claims that stand for a worker's run. A slot whose claim is not among them works for nothing.
    pub fn standing_claims(&self, run: &WorkerRun) -> Result<Vec<ClaimId>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT claim_id FROM tasks WHERE run_id = :run AND status = 'claimed'",
            )?;
            let claims = statement.query_map(named_params! {":run": run.id()}, |row| row.get(0))?;
            Ok(claims
                .map(|claim| claim.map(ClaimId::from_bytes))
                .collect::<Result<_, _>>()?)
        })
    }
}

/// Takes the next task inside a transaction, so that finishing one task and claiming the next is one commit. `None` without
/// `kinds`.
pub(super) fn claim_next(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    run_id: &str,
    kinds: &[TaskKind],
) -> Result<Option<Claim>, StoreError> {
    if kinds.is_empty() {
        return Ok(None);
    }
    if !tx
        .prepare_cached("SELECT 1 FROM workers WHERE run_id = :run")?
        .exists(named_params! {":run": run_id})?
    {
        return Err(StoreError::RunLost);
    }
    tx.prepare_cached(include_str!("../sql/promote_waiting_tasks.sql"))?
        .execute(named_params! {":now": now.wall.ms()})?;
    loop {
        let Some(next) = next_task(tx, kinds)? else {
            return Ok(None);
        };
        if must_wait(tx, run_id, next.is_suspect)? {
            return Ok(None);
        }
        match claim(tx, effects, now, run_id, &next) {
            Err(error @ StoreError::Content { .. }) => {
                fail_unreadable(tx, effects, now, &next, &error)?;
            }
            outcome => return outcome.map(Some),
        }
    }
}

/// What this release can do beyond the options of the first one, as a JSON array.
fn known_requirements() -> String {
    serde_json::Value::from(TranscribeRequest::known_requirements()).to_string()
}

/// The words of kinds, as a JSON array.
fn words(kinds: impl Iterator<Item = TaskKind>) -> String {
    let words: serde_json::Value = kinds.map(TaskKind::as_str).collect();
    words.to_string()
}

/// Takes a task. [`StoreError::Content`] if what is stored of it cannot be read.
fn claim(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    run_id: &str,
    next: &NextTask,
) -> Result<Claim, StoreError> {
    let claim_id = ClaimId::random();
    let claimed = tx
        .prepare_cached(include_str!("../sql/claim_task.sql"))?
        .execute(named_params! {
            ":task": next.id,
            ":claim_id": claim_id.as_bytes(),
            ":run_id": run_id,
            ":now": now.wall.ms(),
        })?;
    require_row(claimed, "claim a task")?;
    charge(tx, next)?;
    count(tx, Counter::Claims(&next.kind), 1.0)?;
    let started = tx
        .prepare_cached(include_str!("../sql/start_job.sql"))?
        .execute(named_params! {":job": next.job_seq, ":task": next.id, ":now": now.wall.ms()})?;
    require_row(started, "start a job")?;
    let claim = load_claim(tx, claim_id, run_id, next)?;
    effects.changed.insert(claim.job_id);
    Ok(claim)
}

/// Fails a job that nobody can do, so that it does not stand before the others for ever.
fn fail_unreadable(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    next: &NextTask,
    error: &StoreError,
) -> Result<(), StoreError> {
    let id = tx
        .prepare_cached("SELECT id FROM jobs WHERE seq = :job")?
        .query_row(named_params! {":job": next.job_seq}, |row| row.get(0))?;
    let job_id = JobId::from_bytes(id);
    tracing::error!(error = error as &dyn std::error::Error, job.id = %job_id, "job {job_id} cannot be done");
    let failure = Failure {
        code: FailureCode::EngineError,
        message: "what is stored of this job cannot be read; submit it again".to_owned(),
        retryable: false,
    };
    fail(
        tx,
        effects,
        &Ending {
            job_seq: next.job_seq,
            job_id,
            now,
        },
        &failure,
    )
}

struct NextTask {
    id: i64,
    job_seq: i64,
    kind: String,
    is_suspect: bool,
    owner: String,
    served_ms: i64,
    span_ms: i64,
}

fn next_task(tx: &Transaction<'_>, kinds: &[TaskKind]) -> Result<Option<NextTask>, StoreError> {
    let later_kinds = kinds.iter().copied().filter(|kind| kind.has_own_queue());
    let wanted = named_params! {
        ":known": known_requirements(),
        ":kinds": words(kinds.iter().copied()),
        ":later_kinds": words(later_kinds),
        ":max_prepared": MAX_PREPARED_JOBS,
    };
    let next = tx
        .prepare_cached(include_str!("../sql/next_task.sql"))?
        .query_row(wanted, |row| {
            Ok(NextTask {
                id: row.get("id")?,
                job_seq: row.get("job")?,
                kind: row.get("kind")?,
                is_suspect: row.get("is_suspect")?,
                owner: row.get("owner")?,
                served_ms: row.get("served_ms")?,
                span_ms: row.get("span_ms")?,
            })
        });
    Ok(next.optional()?)
}

/// Whether a task may not begin beside what its worker has in hand: one of them is suspect.
fn must_wait(tx: &Transaction<'_>, run_id: &str, is_suspect: bool) -> Result<bool, StoreError> {
    let has_suspect: Option<bool> = tx
        .prepare_cached(
            "SELECT max(is_suspect) FROM tasks WHERE run_id = :run_id AND status = 'claimed'",
        )?
        .query_row(named_params! {":run_id": run_id}, |row| row.get(0))?;
    Ok(has_suspect.is_some_and(|has_suspect| has_suspect || is_suspect))
}

/// Puts the work that a task is expected to be on its owner's account.
fn charge(tx: &Transaction<'_>, next: &NextTask) -> Result<(), StoreError> {
    let cost_ms = match TaskKind::from_stored(&next.kind) {
        Some(TaskKind::Prepare) => PREPARE_COST_MS,
        Some(TaskKind::Transcribe) => (next.span_ms as f64 * EXPECTED_REAL_TIME_FACTOR) as i64,
        None => 0,
    };
    tx.prepare_cached("UPDATE owners SET served_ms = served_ms + :cost_ms WHERE owner = :owner")?
        .execute(named_params! {":owner": next.owner, ":cost_ms": cost_ms.max(1)})?;
    tx.prepare_cached("UPDATE fairness SET served_ms = max(served_ms, :served_ms)")?
        .execute(named_params! {":served_ms": next.served_ms})?;
    Ok(())
}

fn load_claim(
    connection: &Connection,
    id: ClaimId,
    run_id: &str,
    next: &NextTask,
) -> Result<Claim, StoreError> {
    let mut statement = connection.prepare_cached(include_str!("../sql/load_claim.sql"))?;
    let mut rows = statement.query(named_params! {":task": next.id})?;
    let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let kind: String = row.get("kind")?;
    let task = match TaskKind::from_stored(&kind) {
        Some(TaskKind::Prepare) => TaskInput::Prepare {
            audio: row.get("audio")?,
        },
        Some(TaskKind::Transcribe) => TaskInput::Transcribe(SpanTask {
            spool: row.get("spool")?,
            index: row.get("span_index")?,
            span: PlannedSpan {
                stretches: json(row, "stretches")?,
                certainty: Certainty::from_stored(
                    row.get::<_, Option<String>>("certainty")?.as_deref(),
                ),
                language: row.get("language")?,
            },
        }),
        // `next_task.sql` leaves the kinds it does not know to others.
        None => return Err(StoreError::UnknownTaskKind(kind)),
    };
    Ok(Claim {
        id,
        job_id: JobId::from_bytes(row.get("id")?),
        task,
        options: json(row, "options")?,
        language: row.get("language")?,
        attempt: row.get::<_, u32>("failures")? + row.get::<_, u32>("crashes")? + 1,
        request_id: row.get("request_id")?,
        is_alone: row.get("is_suspect")?,
        task_id: next.id,
        job_seq: next.job_seq,
        run_id: run_id.to_owned(),
    })
}
