//! Transcribes to the end: whisper may end its text before the sound ends, and then the rest is transcribed by another run. Called by
//! the engine for every run. Does not depend on an engine: the run is a function argument.

use steno_models::{GapReason, Segment};

use super::guards::{MIN_AVG_LOGPROB, avg_logprob, gap};
use super::overlap::without_overlap;
use super::pauses::Pauses;
use crate::audio::SAMPLE_RATE;
use crate::engine::{EngineError, SpanText};

/// Samples of a second.
const SECOND: f64 = SAMPLE_RATE as f64;
/// Sound at the end that is too short for a word beyond the padding: 1 s.
const MIN_REST_SAMPLES: usize = SAMPLE_RATE as usize;

/// One run over samples. Its text may end before the samples do.
pub(super) type Pass<'a> = &'a mut dyn FnMut(&[f32]) -> Result<Vec<Segment>, EngineError>;

/// The text of all `samples`.
pub(super) fn to_the_end(samples: &[f32], run: Pass<'_>) -> Result<SpanText, EngineError> {
    let mut text = SpanText::default();
    let mut heard = 0;
    loop {
        let found = run(&samples[heard..])?;
        let end = found
            .last()
            .map_or(0, |last| (last.end * SECOND) as usize)
            .min(samples.len() - heard);
        add(&mut text, found, heard, samples);

        heard += end;
        if end < MIN_REST_SAMPLES || samples.len() - heard < MIN_REST_SAMPLES {
            return Ok(text);
        }
    }
}

/// Adds the text of the samples from `heard` on.
fn add(text: &mut SpanText, mut found: Vec<Segment>, heard: usize, samples: &[f32]) {
    let seam = heard as f64 / SECOND;
    shift(&mut found, seam);

    if text.segments.is_empty() {
        text.segments = found;
        return;
    }

    // Unlikely words in the rest are more often hallucinated than spoken.
    if avg_logprob(&found) < MIN_AVG_LOGPROB {
        text.dropped.extend(
            found
                .iter()
                .map(|segment| gap(segment, GapReason::Hallucination)),
        );
        return;
    }

    // Where there is speech at the seam, the last words were not over at their timestamp, and are said again. After a
    // pause, the same words are a repetition of the speaker's.
    if !Pauses::of(samples).is_pause(seam) {
        let end = found.last().map_or(seam, |again| again.end);
        found = without_overlap(&text.segments, found);
        if found.is_empty()
            && let Some(last) = text.segments.last_mut()
        {
            last.end = end;
        }
    }
    text.segments.append(&mut found);
}

/// Moves segments later.
pub(super) fn shift(segments: &mut [Segment], seconds: f64) {
    for segment in segments {
        segment.start += seconds;
        segment.end += seconds;
        for word in segment.words.iter_mut().flatten() {
            word.start += seconds;
            word.end += seconds;
        }
    }
}

/// Moves a text earlier, at most to 0: it was transcribed with silence before it that is not in the audio.
pub(super) fn move_earlier(text: &mut SpanText, seconds: f64) {
    let earlier = |time: &mut f64| *time = (*time - seconds).max(0.0);
    for segment in text.segments.iter_mut().chain(&mut text.unlikely) {
        earlier(&mut segment.start);
        earlier(&mut segment.end);
        for word in segment.words.iter_mut().flatten() {
            earlier(&mut word.start);
            earlier(&mut word.end);
        }
    }
    for gap in &mut text.dropped {
        earlier(&mut gap.start);
        earlier(&mut gap.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::text::segments::tests::segment;

    #[test]
    fn sound_after_the_last_word_is_heard_again() {
        let samples = vec![0.0; 20 * 16_000];
        let mut lengths = Vec::new();
        let found = to_the_end(&samples, &mut |samples| {
            lengths.push(samples.len() / 16_000);
            // Each run finds text in 9 s at most; its text for the last two is unlikely.
            let (text, logprob) = match samples.len() / 16_000 {
                20 => ("One thing.", -0.2),
                11 => ("Another.", -0.2),
                _ => ("you", -1.5),
            };
            let end = (samples.len() as f64 / 16_000.0).min(9.0);
            Ok(vec![Segment {
                end,
                ..segment(text, logprob, 0.0)
            }])
        })
        .unwrap();
        assert_eq!(lengths, [20, 11, 2]);
        let texts: Vec<_> = found
            .segments
            .iter()
            .map(|segment| (segment.text.as_str(), segment.end))
            .collect();
        assert_eq!(found.dropped.len(), 1);
        assert_eq!(texts, [("One thing.", 9.0), ("Another.", 18.0)]);
    }

    /// Transcribes 4 s of sound with a pause at `pause`, in two runs of which the first ends after 2 s.
    fn check(pause: std::ops::Range<f64>, texts: [&str; 2], expected: &[(&str, f64)]) {
        let mut samples = vec![0.5; 4 * 16_000];
        samples[(pause.start * SECOND) as usize..(pause.end * SECOND) as usize].fill(0.0);
        let mut texts = texts.into_iter();
        let found = to_the_end(&samples, &mut |_| {
            let text = texts.next().expect("two runs");
            Ok(vec![Segment {
                end: 2.0,
                ..segment(text, -0.2, 0.0)
            }])
        });

        let found = found.unwrap().segments;
        let found: Vec<_> = found
            .iter()
            .map(|segment| (segment.text.as_str(), segment.end))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn words_cut_by_the_timestamp_are_not_said_twice() {
        check(
            3.5..4.0,
            ["There's nothing going on.", "It's going on."],
            &[("There's nothing going on.", 4.0)],
        );
    }

    #[test]
    fn words_repeated_after_a_pause_stay() {
        check(
            1.5..2.5,
            ["Go on.", "Go on."],
            &[("Go on.", 2.0), ("Go on.", 4.0)],
        );
    }

    #[test]
    fn times_after_added_silence_are_those_of_the_audio() {
        let mut text = SpanText {
            segments: vec![Segment {
                end: 1.0,
                ..segment("Yes.", -0.2, 0.0)
            }],
            dropped: vec![steno_models::Gap {
                start: 1.0,
                end: 1.5,
                reason: GapReason::Hallucination,
            }],
            ..SpanText::default()
        };
        move_earlier(&mut text, 0.25);
        assert_eq!((text.segments[0].start, text.segments[0].end), (0.0, 0.75));
        assert_eq!((text.dropped[0].start, text.dropped[0].end), (0.75, 1.25));
    }
}
