//! The text of a span, from as many runs as it takes.

use steno_models::Segment;

use super::rest;
use super::retry::{self, Try};
use crate::audio::SAMPLE_RATE;
use crate::engine::{EngineError, EngineRequest, SpanText};

/// Shorter audio (2.5 s) is transcribed after some silence: Whisper misreads words that are cut off
/// tightly.
const SHORT_SAMPLES: usize = 5 * SAMPLE_RATE as usize / 2;
/// That silence: a quarter of a second. docs/PERFORMANCE.md has the table.
const LEADING_SILENCE: usize = SAMPLE_RATE as usize / 4;

/// One run of an engine over samples (16 kHz mono, -1 to 1), as the [`Try`] says.
pub(crate) type RunOnce<'a> = &'a mut dyn FnMut(&[f32], Try) -> Result<Vec<Segment>, EngineError>;

/// The text of `samples` (at most 30 s), and what was left out of it. `beams` are those of a request that names none.
pub(crate) fn transcribe(
    samples: &[f32],
    request: &EngineRequest,
    beams: u8,
    run: RunOnce<'_>,
) -> Result<SpanText, EngineError> {
    if samples.is_empty() {
        return Ok(SpanText::default());
    }

    if samples.len() < SHORT_SAMPLES {
        let later = [&[0.0; LEADING_SILENCE], samples].concat();
        let mut text = with_retries(&later, request, beams, run)?;
        // Without the silence a word may be likely enough.
        if !text.segments.is_empty() {
            let silence = LEADING_SILENCE as f64 / f64::from(SAMPLE_RATE);
            rest::move_earlier(&mut text, silence);
            return Ok(text);
        }
    }
    with_retries(samples, request, beams, run)
}

fn with_retries(
    samples: &[f32],
    request: &EngineRequest,
    beams: u8,
    run: RunOnce<'_>,
) -> Result<SpanText, EngineError> {
    let mut to_the_end = |samples: &[f32], attempt: Try| {
        rest::to_the_end(samples, &mut |samples| {
            tracing::debug!(?attempt, samples = samples.len(), "runs the engine");
            run(samples, attempt)
        })
    };
    retry::transcribe(
        samples,
        request.temperature,
        request.beam_size.unwrap_or(beams),
        &mut to_the_end,
    )
}
