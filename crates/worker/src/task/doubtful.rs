//! Transcribes sound in which the speech detector found no speech. Whisper finds words in any sound,
//! so they are kept only where their probability is high.

use steno_models::Segment;

use super::TaskError;
use crate::Control;
use crate::engine::{EngineRequest, Session, SpanText, avg_logprob};

/// Above this probability of no speech, sound is not transcribed.
const MAX_NO_SPEECH: f32 = 0.5;
/// Mean log probability below which the text is dropped.
const MIN_AVG_LOGPROB: f32 = -0.8;
/// Texts with fewer tokens are dropped: Whisper writes "Thank you." or "Music" for noise.
const MIN_TOKENS: usize = 5;
/// Above this compression ratio the text repeats itself. Source: half the way from ordinary text,
/// which stays below 1.6, to the threshold of openai/whisper, which is for longer text.
const MAX_COMPRESSION_RATIO: f32 = 2.0;

/// Transcribes sound that may be no speech. Times are seconds from the first sample.
pub(super) fn transcribe(
    samples: &[f32],
    request: &EngineRequest,
    session: &mut dyn Session,
    control: &dyn Control,
) -> Result<SpanText, TaskError> {
    let no_speech = session.no_speech_probability(samples, &request.model, control)?;
    if no_speech > MAX_NO_SPEECH {
        tracing::debug!(no_speech, "sound without speech is left out");
        return Ok(SpanText::default());
    }

    let text = session.transcribe(samples, request, control)?;
    let believed = is_believable(&text.segments);
    tracing::debug!(
        no_speech,
        believed,
        avg_logprob = avg_logprob(&text.segments),
        "sound was transcribed"
    );
    Ok(if believed { text } else { SpanText::default() })
}

/// Whether the text is likely to be speech, and not hallucinated.
fn is_believable(segments: &[Segment]) -> bool {
    let tokens: usize = segments.iter().map(|segment| segment.tokens.len()).sum();
    let repeats = segments
        .iter()
        .any(|segment| segment.compression_ratio > MAX_COMPRESSION_RATIO);
    tokens >= MIN_TOKENS && !repeats && avg_logprob(segments) >= MIN_AVG_LOGPROB
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(tokens: usize, avg_logprob: f32, compression_ratio: f32) -> Segment {
        Segment {
            tokens: vec![1; tokens],
            avg_logprob,
            compression_ratio,
            ..Segment::default()
        }
    }

    #[test]
    fn only_likely_text_of_some_length_is_believed() {
        assert!(is_believable(&[segment(12, -0.4, 1.0)]));
        assert!(
            is_believable(&[segment(3, -0.4, 1.0), segment(9, -0.9, 1.0)]),
            "the mean counts"
        );
        assert!(!is_believable(&[segment(3, -0.4, 1.0)]), "too short");
        assert!(!is_believable(&[segment(12, -1.0, 1.0)]), "too unlikely");
        assert!(!is_believable(&[segment(60, -0.1, 4.0)]), "a loop");
        assert!(!is_believable(&[]));
    }
}
