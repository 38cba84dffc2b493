//! Decides when and how a span is decoded again: after a text that repeats itself, is unlikely, or reaches no end. Never calls
//! an engine: the run is a function argument.
//!
//! A doubtful text is decoded a second time with beam search. A wrong one is decoded again with the
//! full context first (a shortened context may be the cause), then in two halves, then at higher temperatures. If beams write
//! only punctuation, or one short word again and again, greedy decoding follows. Every run starts from a fresh state.

use steno_models::{GapReason, Segment};

use super::guards::{MAX_NO_SPEECH_PROB, MIN_AVG_LOGPROB, avg_logprob, gap, has_letters, kept};
use super::repetition::{is_chanting, is_looping, is_repeating, novel};
use super::rest::shift;
use crate::audio::SAMPLE_RATE;
use crate::engine::{EngineError, SpanText};

/// Mean log probability below which a text is decoded a second time.
const DOUBTFUL_AVG_LOGPROB: f32 = -0.6;
/// Beams of the second run.
const SECOND_LOOK_BEAMS: u8 = 5;
/// Tokens of one segment that was cut off by the decoder's limit of 220.
const UNFINISHED_TOKENS: usize = 200;
/// From this many tokens on, text without words is taken for a loop.
const WORDLESS_TOKENS: usize = 16;
/// Temperatures of the tries for a half that still has low confidence.
const HALF_TEMPERATURES: [f32; 2] = [0.4, 0.8];
/// Halves shorter than this (4 s) are not made.
const MIN_HALF_SAMPLES: usize = 64_000;
/// Width of the silence between halves: 200 ms.
const CUT_SAMPLES: usize = 3_200;

/// How one run is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Try {
    pub(crate) temperature: f32,
    pub(crate) window: Window,
    /// 1 is greedy decoding.
    pub(crate) beam_size: u8,
}

/// How much of the model's window of 30 s is encoded. An engine that cannot encode less treats both
/// alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// The audio and a margin: less work for short audio.
    Fitted,
    /// All of it.
    Full,
}

/// One run over samples.
pub(super) type Run<'a> = &'a mut dyn FnMut(&[f32], Try) -> Result<SpanText, EngineError>;

/// The text of `samples`, from as many runs as needed. The first uses the client's settings. Hallucinated words
/// are dropped and reported as gaps.
///
/// Beams can end in a loop of likely tokens: punctuation in a language that the weights barely know, or a short word. Then
/// `samples` are decoded again greedily. A repeated word is believed if that finds one too.
pub(super) fn transcribe(
    samples: &[f32],
    temperature: f32,
    beam_size: u8,
    run: Run<'_>,
) -> Result<SpanText, EngineError> {
    let mut is_wordless = false;
    let found = with_retries(samples, temperature, beam_size, &mut |samples, attempt| {
        let text = run(samples, attempt)?;
        is_wordless |= is_wordless_loop(&text.segments);
        Ok(text)
    })?;
    let is_beam_search = temperature == 0.0 && beam_size > 1;
    let has_found_words = has_words(&found.segments) || has_words(&found.unlikely);
    let is_chant = is_chanting(&found.segments);
    if !is_beam_search || !(is_chant || is_wordless && !has_found_words) {
        return Ok(found);
    }

    let greedy = with_retries(samples, temperature, 1, run)?;
    let is_better = if is_chant {
        !is_chanting(&greedy.segments)
    } else {
        has_words(&greedy.segments)
    };
    Ok(if is_better { greedy } else { found })
}

fn with_retries(
    samples: &[f32],
    temperature: f32,
    beam_size: u8,
    run: Run<'_>,
) -> Result<SpanText, EngineError> {
    let plain = Try {
        temperature,
        window: Window::Fitted,
        beam_size,
    };
    let first = run(samples, plain)?;
    if !is_distressed(&first.segments) {
        let has_better_search = temperature == 0.0 && beam_size < SECOND_LOOK_BEAMS;
        let text = if has_better_search && is_doubtful(&first.segments) {
            let second = run(
                samples,
                Try {
                    beam_size: SECOND_LOOK_BEAMS,
                    ..plain
                },
            )?;
            after_second_look(first, second)
        } else {
            first
        };
        return Ok(kept(text, temperature));
    }

    let second = run(
        samples,
        Try {
            window: Window::Full,
            ..plain
        },
    )?;
    if second.segments.is_empty() {
        return Ok(kept(first, temperature).into_unlikely());
    }
    let agreed = words(&first.segments) == words(&second.segments);
    if !is_distressed(&second.segments) || (agreed && !is_looping(&second.segments)) {
        return Ok(kept(second, temperature));
    }
    // Unlikely words are due to the sound, and no other try makes them better; loops and runaways are due to the decoder.
    let whole = better(first, second);
    if !is_runaway(&whole.segments) || samples.len() < 2 * MIN_HALF_SAMPLES {
        return Ok(kept(whole, temperature));
    }
    let cut = quietest(samples);
    let mut halves = half(&samples[..cut], plain, run)?;
    let later = half(&samples[cut..], plain, run)?;
    halves.append_after(later, cut as f64 / f64::from(SAMPLE_RATE));

    // A loop may go on from one half to the other.
    Ok(kept(halves, temperature))
}

/// Transcribes half of a span at rising temperatures until the text is good.
fn half(samples: &[f32], plain: Try, run: Run<'_>) -> Result<SpanText, EngineError> {
    let mut best = run(samples, plain)?;
    for higher in HALF_TEMPERATURES
        .into_iter()
        .filter(|higher| *higher > plain.temperature)
    {
        if !is_distressed(&best.segments) {
            break;
        }
        let next = run(
            samples,
            Try {
                temperature: higher,
                ..plain
            },
        )?;
        best = better(best, next);
    }
    Ok(kept(best, plain.temperature))
}

fn is_distressed(segments: &[Segment]) -> bool {
    is_runaway(segments) || is_unlikely(segments)
}

/// Whether the decoder was caught in a loop or did not reach the end.
fn is_runaway(segments: &[Segment]) -> bool {
    is_looping(segments)
        || segments
            .iter()
            .any(|segment| segment.tokens.len() >= UNFINISHED_TOKENS)
}

/// Whether a second run may find better words: these are unlikely, or a phrase is said twice, by the speaker
/// or the decoder.
fn is_doubtful(segments: &[Segment]) -> bool {
    avg_logprob(novel(segments)) < DOUBTFUL_AVG_LOGPROB || is_repeating(segments)
}

/// The better one of two texts. A phrase that only the first repeats was not said twice.
fn after_second_look(first: SpanText, second: SpanText) -> SpanText {
    if !has_words(&second.segments) || is_distressed(&second.segments) {
        return first;
    }
    if is_repeating(&first.segments) {
        return if is_repeating(&second.segments) {
            first
        } else {
            second
        };
    }
    better(first, second)
}

/// Whether the words are unlikely although there is speech. What a loop repeats grows more likely with each turn: only its
/// first turn counts.
fn is_unlikely(segments: &[Segment]) -> bool {
    let no_speech_prob = segments
        .first()
        .map_or(0.0, |segment| segment.no_speech_prob);
    no_speech_prob <= MAX_NO_SPEECH_PROB && avg_logprob(novel(segments)) < MIN_AVG_LOGPROB
}

/// Of two results the one with words, else the one that reached its end, else the likelier one.
fn better(a: SpanText, b: SpanText) -> SpanText {
    let merit = |found: &SpanText| {
        (
            has_words(&found.segments),
            !is_runaway(&found.segments),
            avg_logprob(novel(&found.segments)),
        )
    };
    if merit(&b) > merit(&a) { b } else { a }
}

/// Whether the decoder took the audio for speech and wrote many tokens of punctuation and no word.
fn is_wordless_loop(segments: &[Segment]) -> bool {
    let tokens: usize = segments.iter().map(|segment| segment.tokens.len()).sum();
    let is_speech = segments
        .iter()
        .all(|segment| segment.no_speech_prob <= MAX_NO_SPEECH_PROB);
    is_speech && tokens >= WORDLESS_TOKENS && !has_words(segments)
}

fn has_words(segments: &[Segment]) -> bool {
    segments.iter().any(has_letters)
}

fn words(segments: &[Segment]) -> Vec<&str> {
    segments
        .iter()
        .flat_map(|segment| segment.text.split_whitespace())
        .collect()
}

impl SpanText {
    /// The text as one that was dropped for being unlikely.
    fn into_unlikely(mut self) -> Self {
        self.dropped.extend(
            self.segments
                .iter()
                .map(|segment| gap(segment, GapReason::Hallucination)),
        );
        self.unlikely.append(&mut self.segments);
        self
    }

    /// Appends the text of the samples that begin `seconds` after the first.
    fn append_after(&mut self, mut later: Self, seconds: f64) {
        shift(&mut later.segments, seconds);
        shift(&mut later.unlikely, seconds);
        for gap in &mut later.dropped {
            gap.start += seconds;
            gap.end += seconds;
        }
        self.segments.append(&mut later.segments);
        self.dropped.append(&mut later.dropped);
        self.unlikely.append(&mut later.unlikely);
    }
}

/// The middle of the quietest 200 ms in the middle third.
fn quietest(samples: &[f32]) -> usize {
    let energy = |start: usize| {
        samples[start..start + CUT_SAMPLES]
            .iter()
            .map(|s| s * s)
            .sum::<f32>()
    };
    (samples.len() / 3..samples.len() * 2 / 3 - CUT_SAMPLES)
        .step_by(CUT_SAMPLES / 4)
        .min_by(|a, b| energy(*a).total_cmp(&energy(*b)))
        .map_or(samples.len() / 2, |start| start + CUT_SAMPLES / 2)
}

#[cfg(test)]
mod tests;
