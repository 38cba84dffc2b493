//! The `transcribe` task: one span from the spool to segments.

use std::path::Path;

use steno_models::Segment;
use steno_store::{Claim, PlannedSpan, SpanTask};

use super::{TaskContext, TaskError};
use crate::audio::{AudioError, SAMPLE_RATE, Span, read_span};
use crate::engine::{EngineRequest, Session};

pub(super) fn transcribe(
    claim: &Claim,
    task: &SpanTask,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Vec<Segment>, TaskError> {
    let spool = context.data.spool().join(&task.spool);
    let language = claim.language.as_deref().unwrap_or("en");
    transcribe_span(&spool, task.span, &EngineRequest::new(&claim.options, language), context, session)
}

/// Transcribes a span; times of the segments are seconds from the start of the recording.
pub(super) fn transcribe_span(
    spool: &Path,
    span: PlannedSpan,
    request: &EngineRequest,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Vec<Segment>, TaskError> {
    let samples = read(spool, span)?;
    let mut segments = session.transcribe(&samples, request, context.control)?;
    let offset = span.start_sample as f64 / f64::from(SAMPLE_RATE);
    for segment in &mut segments {
        segment.start = to_ms(segment.start + offset);
        segment.end = to_ms(segment.end + offset);
        for word in segment.words.iter_mut().flatten() {
            word.start = to_ms(word.start + offset);
            word.end = to_ms(word.end + offset);
        }
    }
    Ok(segments)
}

/// The samples of a span.
pub(super) fn read(spool: &Path, span: PlannedSpan) -> Result<Vec<f32>, TaskError> {
    let span = Span { start_sample: span.start_sample, end_sample: span.end_sample };
    Ok(read_span(spool, span).map_err(AudioError::Spool)?)
}

/// Seconds rounded to the millisecond.
fn to_ms(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
