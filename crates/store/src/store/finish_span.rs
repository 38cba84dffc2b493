//! Finishing a `transcribe` task: what the span yielded is kept, and the last one completes the job.

use rusqlite::{Row, Transaction, named_params};
use serde::Serialize;
use steno_models::JobResult;

use super::Effects;
use super::assemble::{DoneSpan, RecordingFacts, assemble};
use super::complete::{Ending, complete};
use super::counters::{Counter, count};
use super::fence::{end_claim, require_row};
use super::get::json;
use super::types::{Certainty, Claim, PlannedSpan, Settled, SpanOutcome, SpanOutput, SpanTask};
use crate::{Now, StoreError};

/// Ends a `transcribe` task. `model` names the weights, for the result of the job.
pub(super) fn finish_span(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    task: &SpanTask,
    output: &SpanOutput,
    model: &str,
) -> Result<Settled, StoreError> {
    if store_output(tx, effects, now, claim, output)? == Settled::ClaimLost {
        return Ok(Settled::ClaimLost);
    }

    let span_ms = task.span.duration_ms();
    let counted = tx
        .prepare_cached("UPDATE jobs SET done_ms = done_ms + :ms WHERE seq = :job")?
        .execute(named_params! {":job": claim.job_seq, ":ms": span_ms as i64})?;
    require_row(counted, "count the speech of a span")?;
    count(tx, Counter::SpeechSeconds, span_ms as f64 / 1000.0)?;
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
    Ok(Settled::Stored)
}

fn store_output(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    output: &SpanOutput,
) -> Result<Settled, StoreError> {
    let segments = to_json("segments", &output.segments)?;
    let outcome = SpanOutcome {
        dropped: output.dropped.clone(),
        sounds_like: output.sounds_like.clone(),
    };
    let outcome = to_json("outcome", &outcome)?;

    end_claim(
        tx,
        effects,
        now,
        claim,
        include_str!("../sql/finish_span.sql"),
        named_params! {
            ":task": claim.task_id,
            ":claim_id": claim.id.as_bytes(),
            ":segments": segments,
            ":outcome": outcome,
        },
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
