//! The `transcribe` task: one span from the spool to segments.

use steno_models::{Gap, TranscribeRequest};
use steno_store::{Certainty, Claim, PlannedSpan, SpanOutput, SpanTask};

use super::language::{are_confusable, detect_among};
use super::{TaskContext, TaskError, doubtful, open_spool};
use crate::audio::{AudioError, SAMPLE_RATE, Span, Spool, Stretch};
use crate::engine::{DetectedLanguage, EngineRequest, Session, SpanText, avg_logprob};

/// Mean log probability below which the language is doubted. Source: `logprob_threshold` of openai/whisper.
const DOUBTFUL_AVG_LOGPROB: f32 = -1.0;
/// The same where the client named the language, and is only warned: Whisper spells foreign words with some confidence.
const HARDLY_LIKELY_AVG_LOGPROB: f32 = -0.6;
/// Mean log probability from which a text is not compared with that of other languages.
const LIKELY_AVG_LOGPROB: f32 = -0.3;
/// An alternative with a lower mean log probability is rejected.
const ALTERNATIVE_AVG_LOGPROB: f32 = -0.5;
/// An alternative with fewer letters is rejected.
const MIN_LETTERS: usize = 4;
/// How sure the detection of another language must be where the first one gave no text.
const SURE_OF_ANY: f32 = 0.5;
/// The same where the first one gave unlikely text.
const SURE_OF_BETTER: f32 = 0.8;
/// Samples of a span that are enough to detect its language.
const DETECTION_SAMPLES: usize = 15 * SAMPLE_RATE as usize;

/// A span to transcribe.
pub(super) struct SpanJob<'a> {
    /// What the client asked for.
    pub(super) options: &'a TranscribeRequest,
    /// The language of the span.
    pub(super) language: &'a str,
    /// Languages that it may be in as well, where the detection was unsure.
    pub(super) alternatives: &'a [DetectedLanguage],
    /// Where it lies.
    pub(super) span: &'a PlannedSpan,
}

pub(super) fn transcribe(
    claim: &Claim,
    task: &SpanTask,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<SpanOutput, TaskError> {
    let mut spool = open_spool(context.files, &task.spool)?;
    let language = claim.language.as_deref().unwrap_or("en");
    let job = SpanJob {
        options: &claim.options,
        language,
        alternatives: &[],
        span: &task.span,
    };
    transcribe_span(&mut spool, &job, context, session)
}

/// Transcribes a span. Its output has times from the start of the recording.
pub(super) fn transcribe_span(
    spool: &mut Spool,
    job: &SpanJob<'_>,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<SpanOutput, TaskError> {
    let span = to_span(job.span);
    let samples = spool.read_span(&span).map_err(AudioError::Spool)?;

    let request = EngineRequest::new(job.options, job.language, context.model);
    let text = match job.span.certainty {
        Certainty::Speech => session.transcribe(&samples, &request, context.control)?,
        Certainty::Doubtful => doubtful::transcribe(&samples, &request, session, context.control)?,
    };
    let other = match (job.span.certainty, job.alternatives) {
        // Whisper hallucinates in any language where there may be no speech.
        (Certainty::Doubtful, _) => None,
        (Certainty::Speech, []) => other_language(&samples, &text, job, context, session)?,
        (Certainty::Speech, _) => best_alternative(&samples, &text, job, context, session)?,
    };
    let text = if job.span.certainty == Certainty::Speech {
        with_unlikely(text)
    } else {
        text
    };
    Ok(match other {
        Some(Other::Better(text, language)) => locate(text, &span, &language),
        Some(Other::SoundsLike(code)) => SpanOutput {
            sounds_like: Some(code),
            ..locate(text, &span, &request.language)
        },
        None => locate(text, &span, &request.language),
    })
}

/// Returns the unlikely text where there is no other and the speech detector is sure of speech: the result then warns
/// of low confidence.
fn with_unlikely(text: SpanText) -> SpanText {
    let restored = SpanText {
        segments: text.unlikely.clone(),
        ..SpanText::default()
    };
    if text.segments.is_empty() && has_words(&restored) {
        restored
    } else {
        text
    }
}

/// Of the alternatives the one whose text is the likeliest, if that is likelier than `text`. Whisper detects the language of
/// a few seconds badly, but the text in the right language is nearly always the likeliest.
fn best_alternative(
    samples: &[f32],
    text: &SpanText,
    job: &SpanJob<'_>,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Option<Other>, TaskError> {
    let merit = |text: &SpanText| {
        if text.segments.is_empty() {
            f32::MIN
        } else {
            avg_logprob(&text.segments)
        }
    };
    let mut best = None;
    let mut best_merit = merit(text);

    for alternative in job.alternatives {
        if best_merit >= LIKELY_AVG_LOGPROB {
            break;
        }
        let request = EngineRequest::new(job.options, &alternative.code, context.model);
        let other = session.transcribe(samples, &request, context.control)?;
        if merit(&other) > best_merit.max(ALTERNATIVE_AVG_LOGPROB) && has_words(&other) {
            best_merit = merit(&other);
            best = Some(Other::Better(other, request.language));
        }
    }
    Ok(best)
}

/// Whether a text is more than punctuation or a syllable, which Whisper writes with high confidence over sound it does not
/// understand.
fn has_words(text: &SpanText) -> bool {
    let characters = || {
        text.segments
            .iter()
            .flat_map(|segment| segment.text.chars())
            .filter(|c| !c.is_whitespace())
    };
    let letters = characters().filter(|c| c.is_alphanumeric()).count();
    letters >= MIN_LETTERS && letters * 2 > characters().count()
}

/// What transcribing in another language found.
enum Other {
    /// A better text, and its language.
    Better(SpanText, String),
    /// The span sounds like this language, but the client named another, which gave a text.
    SoundsLike(String),
}

/// Whether the speech of a span is in another language, asked where the text is empty or unlikely. A language that the
/// client named is kept if it gave any text at all.
fn other_language(
    samples: &[f32],
    text: &SpanText,
    job: &SpanJob<'_>,
    context: &TaskContext<'_>,
    session: &mut dyn Session,
) -> Result<Option<Other>, TaskError> {
    let is_named = job.options.language.is_some();
    let is_empty = text.segments.is_empty();
    let doubtful_below = if is_named {
        HARDLY_LIKELY_AVG_LOGPROB
    } else {
        DOUBTFUL_AVG_LOGPROB
    };
    let is_doubtful = !is_empty && avg_logprob(&text.segments) < doubtful_below;
    if !is_empty && !is_doubtful {
        return Ok(None);
    }

    let probe = &samples[..samples.len().min(DETECTION_SAMPLES)];
    let scores = detect_among(probe, &job.options.languages, context, session)?;
    let sure = if is_empty {
        SURE_OF_ANY
    } else {
        SURE_OF_BETTER
    };
    let best = scores
        .into_iter()
        .next()
        .filter(|best| best.probability >= sure && best.code != job.language);
    let Some(best) = best else { return Ok(None) };

    if is_named && !is_empty {
        let is_clear = !are_confusable(&best.code, job.language);
        return Ok(is_clear.then_some(Other::SoundsLike(best.code)));
    }

    let request = EngineRequest::new(job.options, &best.code, context.model);
    let other = session.transcribe(samples, &request, context.control)?;
    let is_better = !other.segments.is_empty()
        && (is_empty || avg_logprob(&other.segments) > avg_logprob(&text.segments));
    Ok(is_better.then_some(Other::Better(other, best.code)))
}

/// Maps times in the span to times in the recording, and names the language.
fn locate(text: SpanText, span: &Span, language: &str) -> SpanOutput {
    let SpanText {
        mut segments,
        mut dropped,
        ..
    } = text;
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
    SpanOutput {
        segments,
        dropped,
        sounds_like: None,
    }
}

/// A span of the store as the audio code has it.
pub(super) fn to_span(planned: &PlannedSpan) -> Span {
    let stretch = |&(start_sample, end_sample): &(u64, u64)| Stretch {
        start_sample,
        end_sample,
    };
    let stretches = planned.stretches.iter().map(stretch).collect();
    Span {
        stretches,
        doubtful: planned.certainty == Certainty::Doubtful,
    }
}

/// Seconds rounded to the millisecond.
fn to_ms(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
