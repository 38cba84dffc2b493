//! Finishing a `transcribe` task: its segments are kept, and the last one completes the job.

use rusqlite::{Transaction, named_params};
use steno_models::{JobResult, Segment};

use super::Store;
use super::claim::{claim_next, count_task, stands};
use super::complete::{Ending, complete, join_segments};
use super::counters::{Counter, count};
use super::types::{Claim, Finished, TaskKind};
use crate::{Now, StoreError, WorkerRun};

impl Store {
    /// Ends a `transcribe` task and, with `claim_more`, claims the next task in the same commit. Times of `segments` are
    /// seconds from the start of the recording. `model` names the weights, for the result of the job.
    pub fn finish_span(
        &self,
        now: Now,
        run: &WorkerRun,
        claim: &Claim,
        segments: &[Segment],
        model: &str,
        claim_more: bool,
    ) -> Result<Finished, StoreError> {
        let json =
            serde_json::to_string(segments).map_err(|source| StoreError::Content { what: "segments", source })?;
        self.write(|tx, effects| {
            let accepted = stands(tx, effects, claim)?;
            if accepted {
                count_task(tx, now, claim)?;
                keep_segments(tx, claim, &json)?;
                effects.changed.insert(claim.job_id);
                if !has_unfinished_tasks(tx, claim)? {
                    let result = merge(tx, claim, model)?;
                    let ending = Ending { job_seq: claim.job_seq, job_id: claim.job_id, now };
                    complete(tx, effects, &ending, &result)?;
                }
            }
            let next = if claim_more { claim_next(tx, effects, now, run.id())? } else { None };
            Ok(Finished { accepted, next })
        })
    }
}

fn keep_segments(tx: &Transaction<'_>, claim: &Claim, json: &str) -> Result<(), StoreError> {
    let TaskKind::Transcribe(task) = &claim.task else { return Ok(()) };
    tx.prepare_cached(include_str!("../sql/finish_span.sql"))?
        .execute(named_params! {":task": claim.task_id, ":segments": json})?;
    tx.prepare_cached("UPDATE jobs SET done_ms = done_ms + :ms WHERE seq = :job")?
        .execute(named_params! {":job": claim.job_seq, ":ms": task.span.duration_ms() as i64})?;
    count(tx, Counter::SpeechSeconds, task.span.duration_ms() as f64 / 1000.0)
}

fn has_unfinished_tasks(tx: &Transaction<'_>, claim: &Claim) -> Result<bool, StoreError> {
    Ok(tx
        .prepare_cached("SELECT 1 FROM tasks WHERE job = :job AND status <> 'done'")?
        .exists(named_params! {":job": claim.job_seq})?)
}

/// Joins the spans of a job into its result.
fn merge(tx: &Transaction<'_>, claim: &Claim, model: &str) -> Result<JobResult, StoreError> {
    let mut statement = tx.prepare_cached("SELECT segments FROM tasks WHERE job = :job ORDER BY span_index")?;
    let mut rows = statement.query(named_params! {":job": claim.job_seq})?;
    let mut spans: Vec<Vec<Segment>> = Vec::new();
    while let Some(row) = rows.next()? {
        let json = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        spans.push(serde_json::from_str(json).map_err(|source| StoreError::Content { what: "segments", source })?);
    }
    let (text, segments) = join_segments(spans);
    Ok(tx.prepare_cached("SELECT language, language_probability, duration_ms FROM jobs WHERE seq = :job")?.query_row(
        named_params! {":job": claim.job_seq},
        |row| {
            Ok(JobResult {
                text,
                language: row.get(0)?,
                language_probability: row.get(1)?,
                duration_seconds: row.get::<_, i64>(2)? as f64 / 1000.0,
                model: model.to_owned(),
                segments,
            })
        },
    )?)
}
