//! Finishing a `prepare` task: its spans become tasks, or the job completes.

use crate::effects::Effects;
use crate::jobs::end::{Ending, complete};
use crate::store::EXPECTED_REAL_TIME_FACTOR;
use crate::tasks::assemble::{DoneSpan, RecordingFacts, assemble};
use crate::tasks::fence::remove_claimed_task;
use crate::tasks::types::{Claim, PlannedSpan, Prepared, Settled, SpanOutput};
use crate::tx::{PlanRow, Tx, to_json};
use crate::upkeep::counters::{Counter, count};
use crate::{Now, StoreError};

/// Ends a `prepare` task. With its text the job completes; without, each span becomes a task.
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
        None => insert_spans(tx, effects, claim, prepared)?,
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

fn insert_spans(
    tx: &Tx<'_>,
    effects: &mut Effects,
    claim: &Claim,
    prepared: &Prepared,
) -> Result<(), StoreError> {
    if prepared.spans.iter().any(|span| span.language.is_some()) {
        // Workers of earlier releases would transcribe every span in the language of the job.
        tx.require_span_languages(claim.job_seq)?;
    }

    if claim.options.diarize {
        tx.insert_diarize_task(claim.job_seq)?;
    }
    for (index, span) in prepared.spans.iter().enumerate() {
        tx.insert_span_task(claim.job_seq, index, span)?;
    }
    effects.work = true;
    effects.changed.insert(claim.job_id);
    Ok(())
}
