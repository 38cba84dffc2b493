//! Finishing a `transcribe` task: what the span yielded is kept, and the last one completes the job.

use rusqlite::{Row, Transaction, named_params};
use serde::Serialize;
use steno_models::JobResult;

use super::Store;
use super::assemble::{DoneSpan, RecordingFacts, assemble};
use super::claim::{claim_next, count_task, stands};
use super::complete::{Ending, complete};
use super::counters::{Counter, count};
use super::get::json;
use super::types::{Certainty, Claim, Finished, PlannedSpan, SpanOutcome, SpanOutput, TaskKind};
use crate::{Now, StoreError, WorkerRun};

impl Store {
    /// Ends a `transcribe` task and, with `claim_more`, claims the next task in the same commit. `model` names the
    /// weights, for the result of the job.
    pub fn finish_span(
        &self,
        now: Now,
        run: &WorkerRun,
        claim: &Claim,
        output: &SpanOutput,
        model: &str,
        claim_more: bool,
    ) -> Result<Finished, StoreError> {
        let segments = to_json("segments", &output.segments)?;
        let outcome = SpanOutcome {
            dropped: output.dropped.clone(),
            sounds_like: output.sounds_like.clone(),
        };
        let outcome = to_json("outcome", &outcome)?;

        self.write(|tx, effects| {
            let accepted = stands(tx, effects, claim)?;
            if accepted {
                count_task(tx, now, claim)?;
                keep_output(tx, claim, &segments, &outcome)?;
                effects.changed.insert(claim.job_id);

                if !has_unfinished_tasks(tx, claim)? {
                    let result = merge(tx, claim, model)?;
                    let ending = Ending {
                        job_seq: claim.job_seq,
                        job_id: claim.job_id,
                        now,
                    };
                    complete(tx, effects, &ending, &result)?;
                }
            }
            let next = if claim_more {
                claim_next(tx, effects, now, run.id())?
            } else {
                None
            };
            Ok(Finished { accepted, next })
        })
    }
}

fn keep_output(
    tx: &Transaction<'_>,
    claim: &Claim,
    segments: &str,
    outcome: &str,
) -> Result<(), StoreError> {
    let TaskKind::Transcribe(task) = &claim.task else {
        return Ok(());
    };
    tx.prepare_cached(include_str!("../sql/finish_span.sql"))?
        .execute(named_params! {
            ":task": claim.task_id,
            ":segments": segments,
            ":outcome": outcome,
        })?;
    tx.prepare_cached("UPDATE jobs SET done_ms = done_ms + :ms WHERE seq = :job")?
        .execute(named_params! {":job": claim.job_seq, ":ms": task.span.duration_ms() as i64})?;
    count(
        tx,
        Counter::SpeechSeconds,
        task.span.duration_ms() as f64 / 1000.0,
    )
}

fn has_unfinished_tasks(tx: &Transaction<'_>, claim: &Claim) -> Result<bool, StoreError> {
    Ok(tx
        .prepare_cached("SELECT 1 FROM tasks WHERE job = :job AND status <> 'done'")?
        .exists(named_params! {":job": claim.job_seq})?)
}

/// Joins the spans of a job into its result.
fn merge(tx: &Transaction<'_>, claim: &Claim, model: &str) -> Result<JobResult, StoreError> {
    let mut statement = tx.prepare_cached(include_str!("../sql/select_done_spans.sql"))?;
    let mut rows = statement.query(named_params! {":job": claim.job_seq})?;
    let mut spans = Vec::new();
    while let Some(row) = rows.next()? {
        spans.push(done_span(row)?);
    }

    let mut statement = tx.prepare_cached(include_str!("../sql/select_recording.sql"))?;
    let mut rows = statement.query(named_params! {":job": claim.job_seq})?;
    let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let facts = RecordingFacts {
        language: row.get("language")?,
        language_probability: row.get("language_probability")?,
        duration_ms: row.get::<_, i64>("duration_ms")?.max(0) as u64,
        model: model.to_owned(),
        warnings: json(row, "warnings")?,
    };
    Ok(assemble(facts, spans))
}

/// A span in a row of `select_done_spans.sql`.
fn done_span(row: &Row<'_>) -> Result<DoneSpan, StoreError> {
    let SpanOutcome {
        dropped,
        sounds_like,
    } = json(row, "outcome")?;
    let plan = PlannedSpan {
        stretches: json(row, "stretches")?,
        certainty: Certainty::from_stored(row.get::<_, Option<String>>("certainty")?.as_deref()),
        language: row.get("language")?,
    };
    let output = SpanOutput {
        segments: json(row, "segments")?,
        dropped,
        sounds_like,
    };
    Ok(DoneSpan { plan, output })
}

fn to_json(what: &'static str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Content { what, source })
}
