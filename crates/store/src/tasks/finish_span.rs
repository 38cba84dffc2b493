//! Finishing a `transcribe` task: the output of the span is stored, and the last one completes the job.

use steno_models::JobResult;

use crate::effects::Effects;
use crate::jobs::end::{Ending, complete};
use crate::tasks::assemble::{RecordingFacts, assemble};
use crate::tasks::fence::settle_done;
use crate::tasks::finish_diarize::diarization;
use crate::tasks::types::{Claim, Settled, SpanOutcome, SpanOutput, SpanTask};
use crate::tx::{DoneClaim, Tx, to_json};
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
    let settled = settle_done(tx, effects, now, claim, ended.as_ref())?;
    let Some(ended) = ended else {
        return Ok(settled);
    };

    let span_ms = done.task.span.duration_ms();
    tx.add_done_speech(claim.job_seq, span_ms)?;
    count(tx, Counter::SpeechSeconds, span_ms as f64 / 1000.0)?;
    effects.changed.insert(claim.job_id);

    if ended.is_last {
        complete_job(tx, effects, now, claim, done.model)?;
    }
    Ok(settled)
}

/// Completes the job after its last task.
pub(crate) fn complete_job(
    tx: &Tx<'_>,
    effects: &mut Effects,
    now: Now,
    claim: &Claim,
    model: &str,
) -> Result<(), StoreError> {
    let ending = Ending {
        job_seq: claim.job_seq,
        job_id: claim.job_id,
        now,
    };
    let result = merge(tx, claim, model)?;
    complete(tx, effects, &ending, &result)
}

fn store_output(
    tx: &Tx<'_>,
    claim: &Claim,
    output: &SpanOutput,
) -> Result<Option<DoneClaim>, StoreError> {
    let outcome = SpanOutcome {
        dropped: output.dropped.clone(),
        sounds_like: output.sounds_like.clone(),
    };
    let segments = to_json("segments", &output.segments)?;
    tx.finish_span(claim, &segments, &to_json("outcome", &outcome)?)
}

/// Joins the spans of a job into its result.
fn merge(tx: &Tx<'_>, claim: &Claim, model: &str) -> Result<JobResult, StoreError> {
    let job = claim.job_seq;
    let facts = RecordingFacts {
        model: model.to_owned(),
        diarization: diarization(tx, job)?,
        options: claim.options.clone(),
        ..tx.recording_facts(job)?
    };
    Ok(assemble(facts, tx.done_spans(job)?))
}
