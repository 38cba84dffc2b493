//! Guards against hallucinated text: repetition loops, and words that are too unlikely. Called by
//! [`retry`](super::retry). What a guard drops is noted with its reason. Pure functions of text, times and probabilities.

use steno_models::{Gap, GapReason, Segment};

use super::repetition::{cut_loops, novel};
use super::words::drop_cut_words;
use crate::engine::SpanText;

/// Mean log probability below which words are unlikely. Source: `logprob_threshold` of openai/whisper.
pub(super) const MIN_AVG_LOGPROB: f32 = -1.0;
/// No-speech probability above which unlikely words mean that there is no speech. Source: `no_speech_threshold` of openai/whisper.
pub(super) const MAX_NO_SPEECH_PROB: f32 = 0.6;
/// Mean log probability below which words are hallucinated: whisper over instrumental music stays below, the worst of 180 real
/// prompts lies at -1.1.
const HALLUCINATED_AVG_LOGPROB: f32 = -1.25;
/// The same for a word or two, whose mean says less: a clear "six" has -1.5, a "you" over music -2 and less.
const HALLUCINATED_SHORT_AVG_LOGPROB: f32 = -1.8;
/// Tokens of "a word or two".
const SHORT_TOKENS: usize = 4;
/// Over music whisper gives a likely word or two the time of the whole span. Speech has more than one token a second.
const SPARSE_SECONDS: f64 = 5.0;
/// Mean log probability below which so few words are dropped.
const SPARSE_AVG_LOGPROB: f32 = -0.8;
/// The same for less than one token in four seconds: a "Music" over twelve seconds of it.
const VERY_SPARSE_AVG_LOGPROB: f32 = -0.5;

/// Drops repetition loops and hallucinated text. At a temperature that the client set, unlikely words are
/// expected and kept.
pub(super) fn kept(found: SpanText, temperature: f32) -> SpanText {
    let SpanText {
        segments,
        mut dropped,
        unlikely,
    } = found;
    let mean = avg_logprob(novel(&segments));
    let tokens: usize = segments.iter().map(|segment| segment.tokens.len()).sum();
    let floor = if tokens <= SHORT_TOKENS {
        HALLUCINATED_SHORT_AVG_LOGPROB
    } else {
        HALLUCINATED_AVG_LOGPROB
    };
    if mean < floor && temperature == 0.0 {
        dropped.extend(
            segments
                .iter()
                .map(|segment| gap(segment, GapReason::Hallucination)),
        );
        return SpanText {
            segments: Vec::new(),
            dropped,
            unlikely: cut_loops(segments),
        };
    }

    let whole = segments.clone();
    let mut segments = cut_loops(segments);
    segments.iter_mut().for_each(drop_cut_words);
    dropped.extend(cut_out(&whole, &segments));

    segments.retain(|segment| match doubt(segment) {
        None => true,
        Some(reason) => {
            dropped.push(gap(segment, reason));
            false
        }
    });
    dropped.sort_by(|a, b| a.start.total_cmp(&b.start));
    SpanText {
        segments,
        dropped,
        unlikely,
    }
}

/// The segments of `whole` that are missing in `left`, which are repetitions of a loop.
fn cut_out(whole: &[Segment], left: &[Segment]) -> Vec<Gap> {
    let time = |segment: &Segment| (segment.start.to_bits(), segment.end.to_bits());
    let mut left = left.iter().peekable();
    let mut gaps = Vec::new();
    for segment in whole {
        if left.next_if(|next| time(next) == time(segment)).is_none() {
            gaps.push(gap(segment, GapReason::Repetition));
        }
    }
    gaps
}

/// The time of a segment as a gap.
pub(super) fn gap(segment: &Segment, reason: GapReason) -> Gap {
    Gap {
        start: segment.start,
        end: segment.end,
        reason,
    }
}

/// Why a segment counts as a hallucination, if it does: whisper reports no speech, or the words are unlikely and few for
/// their time.
fn doubt(segment: &Segment) -> Option<GapReason> {
    if !has_letters(segment) {
        return Some(GapReason::Hallucination);
    }
    if segment.avg_logprob < MIN_AVG_LOGPROB && segment.no_speech_prob > MAX_NO_SPEECH_PROB {
        return Some(GapReason::NoSpeech);
    }
    let seconds = segment.end - segment.start;
    let tokens = segment.tokens.len() as f64;
    let floor = if tokens * 4.0 < seconds {
        VERY_SPARSE_AVG_LOGPROB
    } else {
        SPARSE_AVG_LOGPROB
    };
    let is_hallucinated =
        seconds > SPARSE_SECONDS && tokens < seconds && segment.avg_logprob < floor;
    is_hallucinated.then_some(GapReason::Hallucination)
}

/// Whether a segment is more than punctuation.
pub(super) fn has_letters(segment: &Segment) -> bool {
    segment.text.contains(char::is_alphanumeric)
}

/// Mean log probability over all tokens; 0 for none.
pub(crate) fn avg_logprob<'a>(segments: impl IntoIterator<Item = &'a Segment>) -> f32 {
    let mut tokens = 0;
    let mut sum = 0.0;
    for segment in segments {
        tokens += segment.tokens.len();
        sum += segment.avg_logprob * segment.tokens.len() as f32;
    }
    sum / tokens.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::text::segments::tests::segment;

    const LOOP: &str = "I'm going to be a little bit more careful.";

    fn kept_of(segments: Vec<Segment>) -> SpanText {
        kept(
            SpanText {
                segments,
                ..SpanText::default()
            },
            0.0,
        )
    }

    #[test]
    fn dropped_text_is_noted_with_its_time_and_reason() {
        let at = |start: f64, segment: Segment| Segment {
            start,
            end: start + 2.0,
            ..segment
        };
        let mut said = vec![at(0.0, segment("So we began.", -0.2, 0.0))];
        said.extend((1..8).map(|turn| at(f64::from(turn) * 2.0, segment(LOOP, -0.2, 0.0))));
        said.push(at(16.0, segment("Thank you.", -1.1, 0.9)));

        let found = kept_of(said);

        let texts: Vec<_> = found
            .segments
            .iter()
            .map(|segment| segment.text.as_str())
            .collect();
        assert_eq!(texts, ["So we began.", LOOP]);
        let mut dropped: Vec<_> = found
            .dropped
            .iter()
            .map(|gap| (gap.start, gap.end, gap.reason.as_str()))
            .collect();
        assert_eq!(dropped.pop(), Some((16.0, 18.0, "no_speech")));
        let turn = |turn: u8| {
            (
                f64::from(turn) * 2.0,
                f64::from(turn) * 2.0 + 2.0,
                "repetition",
            )
        };
        assert_eq!(dropped, (2..8).map(turn).collect::<Vec<_>>());

        let unlikely = kept_of(vec![at(4.0, segment("Thank you for watching.", -2.0, 0.0))]);
        assert_eq!(
            unlikely.dropped,
            [Gap {
                start: 4.0,
                end: 6.0,
                reason: GapReason::Hallucination
            }]
        );
        assert_eq!(unlikely.unlikely.len(), 1, "callers may know better");
    }

    #[test]
    fn punctuation_alone_is_no_text() {
        let dots = vec![segment("। । । ।", -0.1, 0.0), segment("Yes.", -0.2, 0.0)];
        let found = kept_of(dots);
        assert_eq!(found.segments.len(), 1);
        assert_eq!(found.dropped.len(), 1);
    }

    #[test]
    fn a_word_that_lasts_half_a_minute_is_not_believed() {
        let sparse = Segment {
            end: 25.0,
            ..segment("Thank you.", -0.9, 0.0)
        };
        assert_eq!(doubt(&sparse), Some(GapReason::Hallucination));
        assert_eq!(
            doubt(&Segment {
                end: 3.0,
                ..sparse.clone()
            }),
            None,
            "three seconds are not many"
        );
        assert_eq!(
            doubt(&Segment {
                avg_logprob: -0.4,
                ..sparse.clone()
            }),
            None,
            "it is not doubtful"
        );

        let music = Segment {
            end: 12.0,
            avg_logprob: -0.6,
            tokens: vec![1],
            ..sparse
        };
        assert_eq!(doubt(&music), Some(GapReason::Hallucination));
        assert_eq!(
            doubt(&Segment {
                tokens: vec![1; 4],
                ..music
            }),
            None,
            "four words in twelve seconds"
        );
    }
}
