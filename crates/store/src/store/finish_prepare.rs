//! Finishing a `prepare` task: its spans become tasks, or the job is done already.

use rusqlite::{Transaction, named_params};

use super::assemble::{DoneSpan, RecordingFacts, assemble};
use super::claim::{claim_next, count_task, stands};
use super::complete::{Ending, complete};
use super::counters::{Counter, count};
use super::types::{Claim, Finished, Prepared, SpanOutput};
use super::{EXPECTED_REAL_TIME_FACTOR, Effects, Store};
use crate::{Now, StoreError, WorkerRun};

impl Store {
    /// Ends a `prepare` task and, with `claim_more`, claims the next task in the same commit.
    ///
    /// With `outputs` the job completes; without, each span becomes a task.
    pub fn finish_prepare(
        &self,
        now: Now,
        run: &WorkerRun,
        claim: &Claim,
        prepared: &Prepared,
        claim_more: bool,
    ) -> Result<Finished, StoreError> {
        self.write(|tx, effects| {
            let accepted = stands(tx, effects, claim)?;
            if accepted {
                count_task(tx, now, claim)?;
                count(
                    tx,
                    Counter::AudioSeconds,
                    prepared.duration_ms as f64 / 1000.0,
                )?;
                store_plan(tx, claim, prepared)?;
                match &prepared.outputs {
                    Some(outputs) => complete_at_once(tx, effects, now, claim, prepared, outputs)?,
                    None => insert_spans(tx, effects, claim, prepared)?,
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

fn store_plan(tx: &Transaction<'_>, claim: &Claim, prepared: &Prepared) -> Result<(), StoreError> {
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
    tx.prepare_cached(include_str!("../sql/store_plan.sql"))?
        .execute(named_params! {
            ":job": claim.job_seq,
            ":duration_ms": prepared.duration_ms as i64,
            ":speech_ms": speech_ms as i64,
            ":compute_ms": (speech_ms as f64 * EXPECTED_REAL_TIME_FACTOR) as i64,
            ":language": prepared.language,
            ":language_probability": prepared.language_probability,
            ":spool": prepared.spool,
            ":warnings": warnings,
        })?;
    Ok(())
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
    tx.prepare_cached("DELETE FROM tasks WHERE id = :task")?
        .execute(named_params! {":task": claim.task_id})?;
    effects.work = true;
    effects.changed.insert(claim.job_id);
    Ok(())
}
