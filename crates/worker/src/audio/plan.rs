//! Which stretches of a recording go to Whisper, and where they are cut.
//!
//! Called by [`pipeline`](super::pipeline) at the end of a file. A pure function: the same frames
//! always give the same spans. Never looks at the samples.

use std::ops::Range;

use super::sound::sound_beside;
use super::speech::{FRAME_SAMPLES, Frames, regions};
use super::{Span, Stretch};

/// Longest span, in frames: just under 29 s. Whisper takes 30 s at a time and wants a little silence
/// at the end.
const MAX_FRAMES: usize = 906;
/// Kept before and after speech, in frames (0.4 s): the detector is late on soft sounds, and Whisper
/// wants a little silence around words.
const PAD_FRAMES: usize = 13;
/// Longest silence between two stretches of a span, in frames (5 s) and after padding. Whisper does
/// not get it, and what was said before helps with what follows; further apart, a time that is off
/// by a little could land beyond a long silence.
const BRIDGE_FRAMES: usize = 156;
/// Speech of this length, in frames (1 s), is speech whatever its probability.
const LONG_FRAMES: usize = 31;
/// Probability that shorter speech reaches at least once (0.9). Single words, digits and shouts of the
/// recordings that this was measured on go above 0.93; chords, rings and hold music stay below 0.88.
const CERTAIN: u8 = 230;
/// Half the width, in frames, over which a probability is averaged to find a pause: together about a
/// quarter second.
const PAUSE_HALF_WIDTH: usize = 4;

/// Spans that cover all speech, and all sound that may be speech: in order, disjoint, at most
/// [`MAX_FRAMES`] each.
pub(super) fn plan(frames: &Frames, total_samples: u64) -> Vec<Span> {
    let probabilities = &frames.probabilities;
    let found = pad(&regions(probabilities), probabilities.len());
    // One voice that is surely there vouches for the quieter ones beside it.
    let has_speech = found
        .iter()
        .any(|region| is_certain(&probabilities[region.clone()]));
    let (speech, uncertain) = if has_speech {
        (found, Vec::new())
    } else {
        (Vec::new(), found)
    };
    let sound = connected(&sorted([uncertain, sound_beside(&speech, frames)].concat()));
    let (inside, beside): (Vec<_>, Vec<_>) = sound
        .into_iter()
        .partition(|sound| is_bridged(sound, &speech));

    let heard = connected(&sorted([speech, inside].concat()));
    let pieces = heard
        .into_iter()
        .flat_map(|region| split(region, &frames.probabilities));
    let pieces: Vec<_> = pieces.collect();
    let certain = join(&pieces).into_iter().map(|pieces| (pieces, false));

    let doubtful = beside
        .into_iter()
        .flat_map(|sound| split(sound, &frames.probabilities));
    let doubtful = doubtful.map(|piece| (vec![piece], true));

    let mut spans: Vec<_> = certain.chain(doubtful).collect();
    spans.sort_by_key(|(pieces, _)| pieces[0].start);
    let stretch = |piece: Range<usize>| Stretch {
        start_sample: (piece.start * FRAME_SAMPLES) as u64,
        end_sample: ((piece.end * FRAME_SAMPLES) as u64).min(total_samples),
    };
    spans
        .into_iter()
        .map(|(pieces, doubtful)| Span {
            stretches: pieces.into_iter().map(stretch).collect(),
            doubtful,
        })
        .collect()
}

/// Whether these can be the spans of a recording of `total_samples`: in order, disjoint, none empty, none too long.
pub(super) fn is_plan(spans: &[Span], total_samples: u64) -> bool {
    let mut reached = 0;
    let is_next = |stretch: &Stretch| {
        let fits = reached <= stretch.start_sample && stretch.start_sample < stretch.end_sample;
        reached = stretch.end_sample;
        fits && reached <= total_samples
    };
    spans.iter().flat_map(|span| &span.stretches).all(is_next)
        && spans.iter().all(|span| {
            !span.stretches.is_empty() && span.samples() <= (MAX_FRAMES * FRAME_SAMPLES) as u64
        })
}

/// Widens each region, and joins those that then touch.
fn pad(regions: &[Range<usize>], frames: usize) -> Vec<Range<usize>> {
    let widened = regions.iter().map(|region| {
        region.start.saturating_sub(PAD_FRAMES)..(region.end + PAD_FRAMES).min(frames)
    });
    connected(&widened.collect::<Vec<_>>())
}

/// Whether a padded region is speech: short ones need a frame that is surely speech. A chord or a ring
/// is taken for half a word now and then.
fn is_certain(probabilities: &[u8]) -> bool {
    probabilities.len() >= LONG_FRAMES + 2 * PAD_FRAMES
        || probabilities.iter().any(|p| *p >= CERTAIN)
}

/// Whether a sound lies between two regions of speech that may share a span.
fn is_bridged(sound: &Range<usize>, speech: &[Range<usize>]) -> bool {
    let next = speech.partition_point(|region| region.end <= sound.start);
    next > 0 && next < speech.len() && speech[next].start - speech[next - 1].end <= BRIDGE_FRAMES
}

fn sorted(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    ranges
}

/// Cuts speech without a pause into pieces that fit, each cut at the likeliest pause in the last third.
fn split(region: Range<usize>, probabilities: &[u8]) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = region.start;
    while region.end - start > MAX_FRAMES {
        let cut = quietest(
            start + MAX_FRAMES * 2 / 3..start + MAX_FRAMES,
            probabilities,
        );
        pieces.push(start..cut);
        start = cut;
    }
    pieces.push(start..region.end);
    pieces
}

/// The frame of `window` amid the least speech; the later one of equals, for the longer span.
fn quietest(window: Range<usize>, probabilities: &[u8]) -> usize {
    let around = |frame: usize| -> u32 {
        let last = probabilities.len() - 1;
        (frame - PAUSE_HALF_WIDTH..=frame + PAUSE_HALF_WIDTH)
            .map(|i| u32::from(probabilities[i.min(last)]))
            .sum()
    };
    window
        .rev()
        .min_by_key(|&frame| around(frame))
        .expect("the window is a third of a span")
}

/// Joins neighbours into spans with as much speech as fits, each a list of stretches. A run of speech too long for one span is
/// cut at its longest pause.
fn join(pieces: &[Range<usize>]) -> Vec<Vec<Range<usize>>> {
    let mut spans = Vec::new();
    let mut first = 0;
    while first < pieces.len() {
        let run = pieces[first..]
            .windows(2)
            .take_while(|pair| pair[1].start - pair[0].end <= BRIDGE_FRAMES);
        let run_end = first + run.count();
        let fits = |last: &usize| speech(&pieces[first..=*last]) <= MAX_FRAMES;
        let furthest = (first..=run_end).take_while(fits).last().unwrap_or(first);
        let last = if furthest == run_end {
            run_end
        } else {
            longest_pause(pieces, first, furthest)
        };
        spans.push(connected(&pieces[first..=last]));
        first = last + 1;
    }
    spans
}

/// Frames of all pieces together.
fn speech(pieces: &[Range<usize>]) -> usize {
    pieces.iter().map(ExactSizeIterator::len).sum()
}

/// Joins pieces that overlap or touch. `pieces` are in order of their starts.
fn connected(pieces: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for piece in pieces {
        match stretches.last_mut() {
            Some(last) if last.end >= piece.start => last.end = last.end.max(piece.end),
            _ => stretches.push(piece.clone()),
        }
    }
    stretches
}

/// The piece of `first..=furthest` before the longest pause. Cuts in the first half are left alone: they would give many
/// short spans, each with less context.
fn longest_pause(pieces: &[Range<usize>], first: usize, furthest: usize) -> usize {
    (first..=furthest)
        .filter(|&last| last == furthest || speech(&pieces[first..=last]) >= MAX_FRAMES / 2)
        .max_by_key(|&last| pieces[last + 1].start - pieces[last].end)
        .unwrap_or(furthest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plans `probabilities` after checking what must hold for every plan.
    fn check(probabilities: &[u8], partial_samples: u64) -> Vec<Span> {
        check_frames(
            &Frames {
                levels: vec![0; probabilities.len()],
                probabilities: probabilities.to_vec(),
            },
            partial_samples,
        )
    }

    fn check_frames(frames: &Frames, partial_samples: u64) -> Vec<Span> {
        let total = (frames.probabilities.len() * FRAME_SAMPLES) as u64 - partial_samples;
        let spans = plan(frames, total);
        assert!(is_plan(&spans, total), "{spans:?}");

        let stretches: Vec<Stretch> = spans
            .iter()
            .flat_map(|span| span.stretches.iter().copied())
            .collect();
        for frame in regions(&frames.probabilities).into_iter().flatten() {
            let sample = (frame * FRAME_SAMPLES) as u64;
            let covered = stretches
                .iter()
                .any(|found| (found.start_sample..found.end_sample).contains(&sample));
            assert!(covered, "speech at frame {frame} is in no span");
        }
        assert_eq!(spans, plan(frames, total));
        spans
    }

    fn seconds(value: f64) -> usize {
        (value * 31.25).round() as usize
    }

    /// Speech and pauses in turn, each given by its length in seconds, speech first.
    fn talk(turns: &[f64]) -> Vec<u8> {
        let turn = |(index, &length): (usize, &f64)| {
            vec![if index % 2 == 0 { 250 } else { 3 }; seconds(length)]
        };
        turns.iter().enumerate().flat_map(turn).collect()
    }

    /// [`talk`] whose pauses are sound of the level `pause`.
    fn talk_over(turns: &[f64], pause: u8) -> Frames {
        let mut probabilities = talk(turns);
        let mut levels: Vec<u8> = probabilities
            .iter()
            .map(|p| if *p > 128 { 60 } else { pause })
            .collect();
        // Enough of the background for it to be known.
        probabilities.extend(vec![3; probabilities.len()]);
        levels.resize(probabilities.len(), 20);
        Frames {
            probabilities,
            levels,
        }
    }

    #[test]
    fn silence_has_no_spans() {
        assert!(check(&[0; 1000], 0).is_empty());
        assert!(plan(&Frames::default(), 0).is_empty());
    }

    #[test]
    fn speech_is_padded_within_the_recording() {
        let spans = check(&talk(&[0.0, 2.0, 1.0, 2.0]), 0);
        let start = ((seconds(2.0) - PAD_FRAMES) * FRAME_SAMPLES) as u64;
        let end = ((seconds(3.0) + PAD_FRAMES) * FRAME_SAMPLES) as u64;
        let [
            Span {
                stretches,
                doubtful: false,
            },
        ] = spans.as_slice()
        else {
            panic!("{spans:?}")
        };
        assert_eq!(stretches.len(), 1);
        assert!(
            stretches[0].start_sample.abs_diff(start) <= 1024
                && stretches[0].end_sample.abs_diff(end) <= 1024
        );

        let whole = check(&[255; 100], 100);
        assert_eq!(whole, [Span::whole(0, 51_100)]);
    }

    #[test]
    fn short_pauses_are_bridged_and_long_ones_are_not() {
        assert_eq!(check(&talk(&[3.0, 1.0, 3.0, 2.0, 3.0]), 0).len(), 1);
        assert_eq!(check(&talk(&[3.0, 8.0, 3.0]), 0).len(), 2);
    }

    #[test]
    fn a_bridged_pause_is_left_out() {
        let spans = check(&talk(&[3.0, 0.75, 3.0, 2.0, 3.0]), 0);
        let [Span { stretches, .. }] = spans.as_slice() else {
            panic!("{spans:?}")
        };
        assert_eq!(
            stretches.len(),
            2,
            "three quarters of a second are kept, two seconds are not: {stretches:?}"
        );
        let gap = (stretches[1].start_sample - stretches[0].end_sample) as f64 / 16_000.0;
        assert!(
            (1.1..1.25).contains(&gap),
            "of two seconds 0.4 are kept on either side, not {gap}"
        );
    }

    #[test]
    fn sound_in_a_bridged_pause_is_kept() {
        let spans = check_frames(&talk_over(&[3.0, 4.0, 3.0], 50), 0);
        let [
            Span {
                stretches,
                doubtful: false,
            },
        ] = spans.as_slice()
        else {
            panic!("{spans:?}")
        };
        assert_eq!(stretches.len(), 1);
    }

    #[test]
    fn sound_in_a_long_pause_is_a_doubtful_span() {
        let spans = check_frames(&talk_over(&[3.0, 9.0, 3.0], 50), 0);
        let doubtful: Vec<_> = spans.iter().map(|span| span.doubtful).collect();
        assert_eq!(doubtful, [false, true, false]);
        assert_eq!(
            spans[0].stretches[0].end_sample,
            spans[1].stretches[0].start_sample
        );
        assert_eq!(
            spans[1].stretches[0].end_sample,
            spans[2].stretches[0].start_sample
        );
    }

    #[test]
    fn a_short_sound_that_is_hardly_speech_is_doubtful() {
        for (length, probability, doubtful) in
            [(0.2, 220, true), (0.2, 240, false), (1.1, 220, false)]
        {
            let mut probabilities = vec![3; seconds(5.0)];
            probabilities[seconds(2.0)..seconds(2.0 + length)].fill(probability);
            let spans = check(&probabilities, 0);
            let [span] = spans.as_slice() else {
                panic!("{spans:?}")
            };
            assert_eq!(span.doubtful, doubtful, "{length} s of {probability}");
        }

        let mut beside_speech = talk(&[2.0, 2.0]);
        beside_speech.extend(vec![220; seconds(0.2)]);
        assert!(
            check(&beside_speech, 0).iter().all(|span| !span.doubtful),
            "a quiet answer"
        );
    }

    #[test]
    fn sound_without_any_speech_is_doubtful_and_left_to_the_engine() {
        let frames = Frames {
            probabilities: vec![10; seconds(40.0)],
            levels: vec![25; seconds(40.0)],
        };
        let spans = check_frames(&frames, 0);
        assert_eq!(spans.len(), 2);
        assert!(spans.iter().all(|span| span.doubtful));
    }

    #[test]
    fn a_long_run_is_cut_at_its_longest_pause() {
        let spans = check(&talk(&[9.0, 0.9, 9.0, 1.5, 5.0, 0.9, 4.0, 0.9, 9.0]), 0);
        assert_eq!(spans.len(), 2);
        let cut = spans[0].stretches.last().unwrap().end_sample as f64 / 16_000.0;
        assert!((18.9..20.4).contains(&cut), "cut at {cut} s");
    }

    #[test]
    fn speech_without_pause_is_cut_where_it_is_least_likely() {
        let mut probabilities = vec![250; seconds(40.0)];
        probabilities[seconds(24.0)..seconds(24.2)].fill(90);
        let spans = check(&probabilities, 0);
        assert_eq!(spans.len(), 2);
        let cut = spans[0].stretches.last().unwrap().end_sample as f64 / 16_000.0;
        assert!((24.0..24.2).contains(&cut), "cut at {cut} s");
    }

    #[test]
    fn every_pattern_of_speech_gives_a_sound_plan() {
        let mut state = 1_u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for round in 0..300 {
            let longest = [40, 400, 4_000][round % 3];
            let mut probabilities = Vec::new();
            for _ in 0..random(60) {
                let value = random(256) as u8;
                let length = random(longest) as usize;
                probabilities.extend((0..length).map(|_| value.saturating_add(random(40) as u8)));
            }
            if !probabilities.is_empty() {
                let levels = probabilities
                    .iter()
                    .map(|p| p / 3 + random(40) as u8)
                    .collect();
                check_frames(
                    &Frames {
                        probabilities,
                        levels,
                    },
                    u64::from(random(512)),
                );
            }
        }
    }
}
