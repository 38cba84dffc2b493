//! The `transcribe` task: one span from the spool to segments.

use std::path::Path;

use steno_models::Segment;
use steno_store::{Claim, PlannedSpan, SpanTask};

use super::{TaskContext, TaskError};
use crate::audio::{AudioError, Span, Stretch, read_span};
use crate::engine::{EngineRequest, Session};

pub(super) fn transcribe(
    claim: &Claim,
    task: &SpanTask,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Vec<Segment>, TaskError> {
    let spool = context.data.spool().join(&task.spool);
    let language = claim.language.as_deref().unwrap_or("en");
    let request = EngineRequest::new(&claim.options, language, context.model);
    transcribe_span(&spool, &task.span, &request, context, session)
}

/// Transcribes a span; times of the segments are seconds from the start of the recording.
pub(super) fn transcribe_span(
    spool: &Path,
    span: &PlannedSpan,
    request: &EngineRequest,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Vec<Segment>, TaskError> {
    let span = to_span(span);
    let samples = read_span(spool, &span).map_err(AudioError::Spool)?;
    let mut segments = session.transcribe(&samples, request, context.control)?;
    let locate = |start: &mut f64, end: &mut f64| {
        let located = span.locate(*start, *end);
        (*start, *end) = (to_ms(located.0), to_ms(located.1));
    };
    for segment in &mut segments {
        locate(&mut segment.start, &mut segment.end);
        for word in segment.words.iter_mut().flatten() {
            locate(&mut word.start, &mut word.end);
        }
    }
    Ok(segments)
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
