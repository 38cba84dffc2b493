//! Finishing a `prepare` task: its spans become tasks, or the job completes.

use rusqlite::{Transaction, named_params};

use super::assemble::{DoneSpan, RecordingFacts, assemble};
use super::complete::{Ending, complete};
use super::counters::{Counter, count};
use super::fence::{remove_claimed_task, require_row};
use super::types::{Claim, Prepared, Settled, SpanOutput};
use super::{EXPECTED_REAL_TIME_FACTOR, Effects};
use crate::{Now, StoreError};

/// Ends a `prepare` task. With its text the job completes; without, each span becomes a task.
pub(super) fn finish_prepare(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    prepared: &Prepared,
    spool_bytes: u64,
) -> Result<Settled, StoreError> {
    if remove_claimed_task(tx, effects, now, claim)? == Settled::ClaimLost {
        return Ok(Settled::ClaimLost);
    }

    let seconds = prepared.duration_ms as f64 / 1000.0;
    count(tx, Counter::AudioSeconds, seconds)?;
    store_plan(tx, claim, prepared, spool_bytes)?;

    match &prepared.outputs {
        Some(outputs) => complete_at_once(tx, effects, now, claim, prepared, outputs)?,
        None => insert_spans(tx, effects, claim, prepared)?,
    }
    Ok(Settled::Stored)
}

fn store_plan(
    tx: &Transaction<'_>,
    claim: &Claim,
    prepared: &Prepared,
    spool_bytes: u64,
) -> Result<(), StoreError> {
    let speech_ms: u64 = prepared
        .spans
        .iter()
        .map(super::PlannedSpan::duration_ms)
        .sum();
    let warnings =
        serde_json::to_string(&prepared.warnings).map_err(|source| StoreError::Content {
            what: "warnings",
            source,
        })?;
    let planned = tx
        .prepare_cached(include_str!("../sql/store_plan.sql"))?
        .execute(named_params! {
            ":job": claim.job_seq,
            ":duration_ms": prepared.duration_ms as i64,
            ":speech_ms": speech_ms as i64,
            ":compute_ms": (speech_ms as f64 * EXPECTED_REAL_TIME_FACTOR) as i64,
            ":language": prepared.language,
            ":language_probability": prepared.language_probability,
            ":spool": prepared.spool,
            ":spool_bytes": spool_bytes as i64,
            ":warnings": warnings,
        })?;
    require_row(planned, "store the plan of a job")
}

fn complete_at_once(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    prepared: &Prepared,
    outputs: &[SpanOutput],
) -> Result<(), StoreError> {
    let speech_ms: u64 = prepared
        .spans
        .iter()
        .map(super::PlannedSpan::duration_ms)
        .sum();
    count(tx, Counter::SpeechSeconds, speech_ms as f64 / 1000.0)?;

    let facts = RecordingFacts {
        language: prepared.language.clone(),
        language_probability: prepared.language_probability,
        duration_ms: prepared.duration_ms,
        model: prepared.model.clone(),
        warnings: prepared.warnings.clone(),
    };
    let spans = prepared.spans.iter().zip(outputs);
    let spans = spans.map(|(plan, output)| DoneSpan {
        plan: plan.clone(),
        output: output.clone(),
    });
    let result = assemble(facts, spans.collect());

    complete(
        tx,
        effects,
        &Ending {
            job_seq: claim.job_seq,
            job_id: claim.job_id,
            now,
        },
        &result,
    )
}

fn insert_spans(
    tx: &Transaction<'_>,
    effects: &mut Effects,
    claim: &Claim,
    prepared: &Prepared,
) -> Result<(), StoreError> {
    if prepared.spans.iter().any(|span| span.language.is_some()) {
        // Workers of earlier releases would transcribe every span in the language of the job.
        tx.prepare_cached(include_str!("../sql/require_span_languages.sql"))?
            .execute(named_params! {":job": claim.job_seq})?;
    }

    let mut insert = tx.prepare_cached(include_str!("../sql/insert_span_task.sql"))?;
    for (index, span) in prepared.spans.iter().enumerate() {
        let stretches =
            serde_json::to_string(&span.stretches).map_err(|source| StoreError::Content {
                what: "stretches",
                source,
            })?;
        insert.execute(named_params! {
            ":job": claim.job_seq,
            ":span_index": index as i64,
            ":start_sample": span.stretches.first().map_or(0, |(start, _)| *start as i64),
            ":end_sample": span.stretches.last().map_or(0, |(_, end)| *end as i64),
            ":stretches": stretches,
            ":certainty": span.certainty.as_str(),
            ":language": span.language,
        })?;
    }
    effects.work = true;
    effects.changed.insert(claim.job_id);
    Ok(())
}
