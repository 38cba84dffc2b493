//! Claiming: a worker takes the next task.

use rusqlite::{Connection, OptionalExtension, Transaction, named_params};
use steno_models::JobId;

use super::counters::{Counter, count};
use super::get::json;
use super::types::{Claim, ClaimId, SpanTask, TaskKind};
use super::{Effects, Store};
use crate::{Now, StoreError, WorkerRun};

impl Store {
    /// Takes the next task for a worker's run, or `None`. By priority, then due time, then order in the recording.
    pub fn claim_task(&self, now: Now, run: &WorkerRun) -> Result<Option<Claim>, StoreError> {
        // A cheap look first: an idle worker must not take the write lock.
        let any = self.read(|connection| {
            Ok(connection
                .prepare_cached(include_str!("../sql/any_claimable.sql"))?
                .exists(named_params! {":now": now.wall.ms()})?)
        })?;
        if !any {
            return Ok(None);
        }
        self.write(|tx, effects| claim_next(tx, effects, now, run.id()))
    }

    /// The claims that stand for a worker's run. A slot whose claim is not among them works for nothing.
    pub fn standing_claims(&self, run: &WorkerRun) -> Result<Vec<ClaimId>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT claim_id FROM tasks WHERE run_id = :run AND status = 'claimed'")?;
            let claims = statement.query_map(named_params! {":run": run.id()}, |row| row.get(0))?;
            Ok(claims.map(|claim| claim.map(ClaimId::from_bytes)).collect::<Result<_, _>>()?)
        })
    }
}

/// Takes the next task inside a transaction, so that finishing one task and claiming the next is one commit.
pub(super) fn claim_next(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    run_id: &str,
) -> Result<Option<Claim>, StoreError> {
    if !tx.prepare_cached("SELECT 1 FROM workers WHERE run_id = :run")?.exists(named_params! {":run": run_id})? {
        return Err(StoreError::RunLost);
    }
    tx.prepare_cached(include_str!("../sql/promote_waiting_tasks.sql"))?
        .execute(named_params! {":now": now.wall.ms()})?;
    let claim_id = ClaimId::random();
    let claimed: Option<(i64, i64, String)> = tx
        .prepare_cached(include_str!("../sql/claim_task.sql"))?
        .query_row(named_params! {":claim_id": claim_id.as_bytes(), ":run_id": run_id, ":now": now.wall.ms()}, |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((task_id, job_seq, kind)) = claimed else { return Ok(None) };
    count(tx, Counter::Claims(&kind), 1.0)?;
    let started = tx
        .prepare_cached(include_str!("../sql/start_job.sql"))?
        .execute(named_params! {":job": job_seq, ":task": task_id, ":now": now.wall.ms()})?;
    debug_assert_eq!(started, 1, "a task's job exists");
    let claim = load_claim(tx, claim_id, task_id, job_seq)?;
    effects.changed.insert(claim.job_id);
    Ok(Some(claim))
}

fn load_claim(connection: &Connection, id: ClaimId, task_id: i64, job_seq: i64) -> Result<Claim, StoreError> {
    let mut statement = connection.prepare_cached(include_str!("../sql/load_claim.sql"))?;
    let mut rows = statement.query(named_params! {":task": task_id})?;
    let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let task = match row.get::<_, String>("kind")?.as_str() {
        "prepare" => TaskKind::Prepare { audio: row.get("audio")? },
        _ => TaskKind::Transcribe(SpanTask {
            spool: row.get("spool")?,
            index: row.get("span_index")?,
            span: json(row, "stretches")?,
        }),
    };
    Ok(Claim {
        id,
        job_id: JobId::from_bytes(row.get("id")?),
        task,
        options: json(row, "options")?,
        language: row.get("language")?,
        attempt: row.get::<_, u32>("failures")? + row.get::<_, u32>("crashes")? + 1,
        task_id,
        job_seq,
    })
}

/// Counts the time that a claimed task has taken. Before its claim is cleared.
pub(super) fn count_task(tx: &Transaction<'_>, now: Now, claim: &Claim) -> Result<(), StoreError> {
    let (kind, since): (String, Option<i64>) = tx
        .prepare_cached("SELECT kind, claimed_at FROM tasks WHERE id = :task")?
        .query_row(named_params! {":task": claim.task_id}, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let ms = since.map_or(0, |since| (now.wall.ms() - since).max(0));
    count(tx, Counter::TaskSeconds(&kind), ms as f64 / 1000.0)
}

/// Whether a claim still stands. The first thing every finish asks.
pub(super) fn stands(tx: &Transaction<'_>, claim: &Claim) -> Result<bool, StoreError> {
    Ok(tx
        .prepare_cached("SELECT 1 FROM tasks WHERE id = :task AND claim_id = :claim_id AND status = 'claimed'")?
        .exists(named_params! {":task": claim.task_id, ":claim_id": claim.id.as_bytes()})?)
}
