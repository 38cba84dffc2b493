//! Finishing a `transcribe` task: the output of the span is stored, and the last one completes the job.

use steno_models::JobResult;

use crate::effects::Effects;
use crate::jobs::end::{Ending, complete};
use crate::sqlite::{EndedClaim, Tx, to_json};
use crate::tasks::assemble::{RecordingFacts, assemble};
use crate::tasks::fence::{require_row, settle};
use crate::tasks::types::{Claim, Settled, SpanOutcome, SpanOutput, SpanTask};
use crate::upkeep::counters::{Counter, count};
use crate::{Now, StoreError};

/// A span that is done.
pub(crate) struct SpanDone<'a> {
    pub(crate) task: &'a SpanTask,
    pub(crate) output: &'a SpanOutput,
    /// Name of the weights, for the result of the job.
    pub(crate) model: &'a str,
}

/// Ends a `transcribe` task.
pub(crate) fn finish_span(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    done: &SpanDone<'_>,
) -> Result<Settled, StoreError> {
    let ended = store_output(tx, claim, done.output)?;
    if settle(tx, effects, now, claim, ended)? == Settled::ClaimLost {
        return Ok(Settled::ClaimLost);
    }

    let span_ms = done.task.span.duration_ms();
    let counted = tx.add_done_speech(claim.job_seq, span_ms)?;
    require_row(counted, "count the speech of a span")?;
    count(tx, Counter::SpeechSeconds, span_ms as f64 / 1000.0)?;
    effects.changed.insert(claim.job_id);

    if !tx.any_unfinished_task(claim.job_seq)? {
        let ending = Ending {
            job_seq: claim.job_seq,
            job_id: claim.job_id,
            now,
        };
        let result = merge(tx, claim.job_seq, done.model)?;
        complete(tx, effects, &ending, &result)?;
    }
    Ok(Settled::Stored)
}

fn store_output(
    tx: &Tx<'_>,
    claim: &Claim,
    output: &SpanOutput,
) -> Result<Option<EndedClaim>, StoreError> {
    let outcome = SpanOutcome {
        dropped: output.dropped.clone(),
        sounds_like: output.sounds_like.clone(),
    };
    let segments = to_json("segments", &output.segments)?;
    tx.finish_span(claim, &segments, &to_json("outcome", &outcome)?)
}

/// Joins the spans of a job into its result.
fn merge(tx: &Tx<'_>, job: i64, model: &str) -> Result<JobResult, StoreError> {
    let facts = RecordingFacts {
        model: model.to_owned(),
        ..tx.recording_facts(job)?
    };
    Ok(assemble(facts, tx.done_spans(job)?))
}
