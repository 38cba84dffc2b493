//! The `transcribe` task: one span from the spool to segments.

use std::path::Path;

use steno_models::Gap;
use steno_store::{Claim, PlannedSpan, SpanOutput, SpanTask};

use super::{TaskContext, TaskError};
use crate::audio::{AudioError, Span, Stretch, read_span};
use crate::engine::{EngineRequest, Session, SpanText};

pub(super) fn transcribe(
    claim: &Claim,
    task: &SpanTask,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<SpanOutput, TaskError> {
    let spool = context.data.spool().join(&task.spool);
    let language = claim.language.as_deref().unwrap_or("en");
    let request = EngineRequest::new(&claim.options, language, context.model);
    transcribe_span(&spool, &task.span, &request, context, session)
}

/// Transcribes a span. Its output has times from the start of the recording.
pub(super) fn transcribe_span(
    spool: &Path,
    planned: &PlannedSpan,
    request: &EngineRequest,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<SpanOutput, TaskError> {
    let span = to_span(planned);
    let samples = read_span(spool, &span).map_err(AudioError::Spool)?;
    let text = session.transcribe(&samples, request, context.control)?;
    Ok(locate(text, &span, &request.language))
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
fn to_span(planned: &PlannedSpan) -> Span {
    let stretch = |&(start_sample, end_sample): &(u64, u64)| Stretch { start_sample, end_sample };
    Span { stretches: planned.stretches.iter().map(stretch).collect() }
}

/// Seconds rounded to the millisecond.
fn to_ms(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use steno_models::{GapReason, Segment};

    use super::*;

    #[test]
    fn times_of_text_and_of_dropped_text_are_those_of_the_recording() {
        let stretch = |start: u64, end: u64| Stretch { start_sample: start * 16_000, end_sample: end * 16_000 };
        let span = Span { stretches: vec![stretch(10, 14), stretch(20, 24)] };
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
