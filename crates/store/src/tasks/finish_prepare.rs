//! Finishing a `prepare` task: its spans and blocks become tasks, or the job completes.

use std::ops::Range;

use crate::effects::Effects;
use crate::jobs::end::{Ending, complete};
use crate::store::EXPECTED_REAL_TIME_FACTOR;
use crate::tasks::assemble::{DoneSpan, RecordingFacts, assemble};
use crate::tasks::fence::remove_claimed_task;
use crate::tasks::types::{Claim, PlannedSpan, Prepared, Settled, SpanOutput};
use crate::tx::{PlanRow, Tx, to_json};
use crate::upkeep::counters::{Counter, count};
use crate::{Now, StoreError};

/// Ends a `prepare` task. With its text the job completes; without, each span becomes a task, and so does the search for speakers.
pub(crate) fn finish_prepare(
    tx: &Tx<'_>,
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
        None => insert_tasks(tx, effects, claim, prepared)?,
    }
    Ok(Settled::Stored)
}

fn store_plan(
    tx: &Tx<'_>,
    claim: &Claim,
    prepared: &Prepared,
    spool_bytes: u64,
) -> Result<(), StoreError> {
    let speech_ms = speech_ms(prepared);
    let plan = PlanRow {
        duration_ms: prepared.duration_ms,
        speech_ms,
        compute_ms: (speech_ms as f64 * EXPECTED_REAL_TIME_FACTOR) as i64,
        language: prepared.language.as_deref(),
        language_probability: prepared.language_probability,
        spool: &prepared.spool,
        spool_bytes,
        warnings: &to_json("warnings", &prepared.warnings)?,
        model: &prepared.model,
    };
    tx.store_plan(claim.job_seq, &plan)
}

fn speech_ms(prepared: &Prepared) -> u64 {
    prepared.spans.iter().map(PlannedSpan::duration_ms).sum()
}

fn complete_at_once(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    prepared: &Prepared,
    outputs: &[SpanOutput],
) -> Result<(), StoreError> {
    let seconds = speech_ms(prepared) as f64 / 1000.0;
    count(tx, Counter::SpeechSeconds, seconds)?;

    let facts = RecordingFacts {
        language: prepared.language.clone(),
        language_probability: prepared.language_probability,
        duration_ms: prepared.duration_ms,
        model: prepared.model.clone(),
        warnings: prepared.warnings.clone(),
        diarization: prepared.diarization.clone(),
        options: claim.options.clone(),
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

fn insert_tasks(
    tx: &Tx<'_>,
    effects: &mut Effects,
    claim: &Claim,
    prepared: &Prepared,
) -> Result<(), StoreError> {
    if prepared.spans.iter().any(|span| span.language.is_some()) {
        // Workers of earlier releases would transcribe every span in the language of the job.
        tx.require_span_languages(claim.job_seq)?;
    }

    if claim.options.diarize && prepared.blocks.is_empty() {
        tx.insert_diarize_task(claim.job_seq)?;
    }
    insert_spans_and_blocks(tx, claim, prepared)?;
    effects.work = true;
    effects.changed.insert(claim.job_id);
    Ok(())
}

/// Inserts the tasks in the order in which they are claimed. A block comes where the spans have reached its middle: so the first text
/// does not wait for voices, and the last voices do not wait for all text.
fn insert_spans_and_blocks(
    tx: &Tx<'_>,
    claim: &Claim,
    prepared: &Prepared,
) -> Result<(), StoreError> {
    let mut blocks = prepared.blocks.iter().enumerate().peekable();
    for (index, span) in prepared.spans.iter().enumerate() {
        let start = span.stretches.first().map_or(0, |(start, _)| *start);
        let is_due = |block: &Range<u64>| u64::midpoint(block.start, block.end) <= start;
        while let Some((number, block)) = blocks.next_if(|(_, block)| is_due(block)) {
            tx.insert_voices_task(claim.job_seq, number, block)?;
        }
        tx.insert_span_task(claim.job_seq, index, span)?;
    }
    for (number, block) in blocks {
        tx.insert_voices_task(claim.job_seq, number, block)?;
    }
    Ok(())
}
