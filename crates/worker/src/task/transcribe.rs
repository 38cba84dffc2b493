//! The `transcribe` task: one span from the spool to segments.

use std::path::Path;

use steno_models::{Gap, Segment, TranscribeRequest};
use steno_store::{Certainty, Claim, PlannedSpan, SpanOutput, SpanTask};

use super::language::detect_among;
use super::{TaskContext, TaskError, doubtful};
use crate::audio::{AudioError, SAMPLE_RATE, Span, Stretch, read_span};
use crate::engine::{EngineRequest, Session, SpanText};

/// Mean log probability below which the language is doubted. Source: `logprob_threshold` of openai/whisper.
const DOUBTFUL_AVG_LOGPROB: f32 = -1.0;
/// How sure the detection of another language must be where the first one gave no text.
const SURE_OF_ANY: f32 = 0.5;
/// The same where the first one gave unlikely text.
const SURE_OF_BETTER: f32 = 0.8;
/// Speech of a span that tells its language.
const DETECTION_SAMPLES: usize = 15 * SAMPLE_RATE as usize;

/// A span to transcribe.
pub(super) struct SpanJob<'a> {
    /// What the client asked for.
    pub(super) options: &'a TranscribeRequest,
    /// The language of the span.
    pub(super) language: &'a str,
    /// Where it lies.
    pub(super) span: &'a PlannedSpan,
}

pub(super) fn transcribe(
    claim: &Claim,
    task: &SpanTask,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<SpanOutput, TaskError> {
    let spool = context.data.spool().join(&task.spool);
    let language = claim.language.as_deref().unwrap_or("en");
    let job = SpanJob { options: &claim.options, language, span: &task.span };
    transcribe_span(&spool, &job, context, session)
}

/// Transcribes a span. Its output has times from the start of the recording.
pub(super) fn transcribe_span(
    spool: &Path,
    job: &SpanJob<'_>,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<SpanOutput, TaskError> {
    let span = to_span(job.span);
    let samples = read_span(spool, &span).map_err(AudioError::Spool)?;

    let request = EngineRequest::new(job.options, job.language, context.model);
    let text = match job.span.certainty {
        Certainty::Speech => session.transcribe(&samples, &request, context.control)?,
        Certainty::Doubtful => doubtful::transcribe(&samples, &request, session, context.control)?,
    };
    let (text, language) = match in_another_language(&samples, &text, job, context, session)? {
        Some((other, language)) => (other, language),
        None => (text, request.language),
    };
    Ok(locate(text, &span, &language))
}

/// The text in another language than expected, where that gave none or an unlikely one and the other is better. A language
/// that the client named is doubted only where it gave no text at all.
fn in_another_language(
    samples: &[f32],
    text: &SpanText,
    job: &SpanJob<'_>,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Option<(SpanText, String)>, TaskError> {
    let is_named = job.options.language.is_some();
    let is_empty = text.segments.is_empty();
    let is_doubtful = !is_named && !is_empty && avg_logprob(&text.segments) < DOUBTFUL_AVG_LOGPROB;
    if job.span.certainty == Certainty::Doubtful || !(is_empty || is_doubtful) {
        return Ok(None);
    }

    let probe = &samples[..samples.len().min(DETECTION_SAMPLES)];
    let scores = detect_among(probe, &job.options.languages, context, session)?;
    let sure = if is_empty { SURE_OF_ANY } else { SURE_OF_BETTER };
    let Some(best) = scores.into_iter().next().filter(|best| best.probability >= sure && best.code != job.language)
    else {
        return Ok(None);
    };

    let request = EngineRequest::new(job.options, &best.code, context.model);
    let other = session.transcribe(samples, &request, context.control)?;
    let is_better =
        !other.segments.is_empty() && (is_empty || avg_logprob(&other.segments) > avg_logprob(&text.segments));
    Ok(is_better.then_some((other, best.code)))
}

/// Mean over all tokens; 0 for none.
pub(super) fn avg_logprob(segments: &[Segment]) -> f32 {
    let tokens: usize = segments.iter().map(|segment| segment.tokens.len()).sum();
    let sum: f32 = segments.iter().map(|segment| segment.avg_logprob * segment.tokens.len() as f32).sum();
    sum / tokens.max(1) as f32
}

/// Maps times in the span to times in the recording, and names the language.
fn locate(text: SpanText, span: &Span, language: &str) -> SpanOutput {
    let SpanText { mut segments, mut dropped } = text;
    let move_to_recording = |start: &mut f64, end: &mut f64| {
        let located = span.locate(*start, *end);
        *start = to_ms(located.0);
        *end = to_ms(located.1);
    };

    for segment in &mut segments {
        move_to_recording(&mut segment.start, &mut segment.end);
        for word in segment.words.iter_mut().flatten() {
            move_to_recording(&mut word.start, &mut word.end);
        }
        segment.language = Some(language.to_owned());
    }
    for Gap { start, end, .. } in &mut dropped {
        move_to_recording(start, end);
    }
    SpanOutput { segments, dropped }
}

/// A span of the store as the audio code has it.
pub(super) fn to_span(planned: &PlannedSpan) -> Span {
    let stretch = |&(start_sample, end_sample): &(u64, u64)| Stretch { start_sample, end_sample };
    let stretches = planned.stretches.iter().map(stretch).collect();
    Span { stretches, doubtful: planned.certainty == Certainty::Doubtful }
}

/// Seconds rounded to the millisecond.
fn to_ms(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use steno_models::GapReason;

    use super::*;

    #[test]
    fn times_of_text_and_of_dropped_text_are_those_of_the_recording() {
        let stretch = |start: u64, end: u64| Stretch { start_sample: start * 16_000, end_sample: end * 16_000 };
        let span = Span { stretches: vec![stretch(10, 14), stretch(20, 24)], doubtful: false };
        let text = SpanText {
            segments: vec![Segment { start: 0.5, end: 3.0, ..Segment::default() }],
            dropped: vec![Gap { start: 5.0, end: 7.0, reason: GapReason::Repetition }],
        };

        let output = locate(text, &span, "en");

        let [segment] = output.segments.as_slice() else { panic!("{output:?}") };
        assert_eq!((segment.start, segment.end), (10.5, 13.0));
        assert_eq!(segment.language.as_deref(), Some("en"));
        assert_eq!(output.dropped, [Gap { start: 21.0, end: 23.0, reason: GapReason::Repetition }]);
    }
}
