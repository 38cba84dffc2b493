//! Which stretches of a recording go to whisper, and where they are cut.
//!
//! Called by [`pipeline`](super::pipeline) at the end of a file. A pure function: the same speech always gives the same spans. Never looks
//! at the samples.

use std::ops::Range;

use super::speech::FRAME_SAMPLES;
use super::{Span, Stretch};

/// Longest span, in frames: just under 29 s. Whisper hears 30 s at a time and wants a little silence at the end.
const MAX_FRAMES: usize = 29 * FRAMES_PER_SECOND_X2 / 2;
/// 62.5 frames a second, doubled to stay whole.
const FRAMES_PER_SECOND_X2: usize = 125;
/// Kept before and after speech, in frames (304 ms): the detector is late on soft sounds.
const PAD_FRAMES: usize = 19;
/// Longest silence between two stretches of a span, in frames (5 s) and after padding. Whisper does not hear it, and what was
/// said before helps with what follows; further apart, a time that is off by a little could land beyond a long silence.
const BRIDGE_FRAMES: usize = 312;
/// Half the width, in frames, over which a probability is averaged to find a pause: together about a quarter second.
const PAUSE_HALF_WIDTH: usize = 8;

/// Spans that cover every region, in order, disjoint and each at most [`MAX_FRAMES`] long.
///
/// `regions` are ranges of frames in order, at least one frame apart; `probabilities` holds one byte for each frame of the
/// recording of `total_samples`.
pub(super) fn plan(regions: &[Range<usize>], probabilities: &[u8], total_samples: u64) -> Vec<Span> {
    let pieces: Vec<_> =
        pad(regions, probabilities.len()).into_iter().flat_map(|region| split(region, probabilities)).collect();
    let stretch = |frames: Range<usize>| Stretch {
        start_sample: (frames.start * FRAME_SAMPLES) as u64,
        end_sample: ((frames.end * FRAME_SAMPLES) as u64).min(total_samples),
    };
    join(&pieces).into_iter().map(|span| Span { stretches: span.into_iter().map(stretch).collect() }).collect()
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
        && spans.iter().all(|span| !span.stretches.is_empty() && span.samples() <= (MAX_FRAMES * FRAME_SAMPLES) as u64)
}

/// Widens each region, at most to the middle of the pause beside it.
fn pad(regions: &[Range<usize>], frames: usize) -> Vec<Range<usize>> {
    let before = |index: usize| match index.checked_sub(1) {
        Some(previous) => (regions[previous].end + regions[index].start).div_ceil(2),
        None => 0,
    };
    let after = |index: usize| match regions.get(index + 1) {
        Some(next) => (regions[index].end + next.start).div_ceil(2),
        None => frames,
    };
    regions
        .iter()
        .enumerate()
        .map(|(index, region)| {
            let start = region.start.saturating_sub(PAD_FRAMES).max(before(index));
            start..(region.end + PAD_FRAMES).min(after(index))
        })
        .collect()
}

/// Cuts speech without a pause into pieces that fit, each cut at the likeliest pause in the last third.
fn split(region: Range<usize>, probabilities: &[u8]) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = region.start;
    while region.end - start > MAX_FRAMES {
        let cut = quietest(start + MAX_FRAMES * 2 / 3..start + MAX_FRAMES, probabilities);
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
        (frame - PAUSE_HALF_WIDTH..=frame + PAUSE_HALF_WIDTH).map(|i| u32::from(probabilities[i.min(last)])).sum()
    };
    window.rev().min_by_key(|&frame| around(frame)).expect("the window is a third of a span")
}

/// Joins neighbours into spans with as much speech as fits, each a list of stretches. A run of speech too long for one span is
/// cut at its longest pause.
fn join(pieces: &[Range<usize>]) -> Vec<Vec<Range<usize>>> {
    let mut spans = Vec::new();
    let mut first = 0;
    while first < pieces.len() {
        let run = pieces[first..].windows(2).take_while(|pair| pair[1].start - pair[0].end <= BRIDGE_FRAMES);
        let run_end = first + run.count();
        let fits = |last: &usize| speech(&pieces[first..=*last]) <= MAX_FRAMES;
        let furthest = (first..=run_end).take_while(fits).last().unwrap_or(first);
        let last = if furthest == run_end { run_end } else { longest_pause(pieces, first, furthest) };
        spans.push(connected(&pieces[first..=last]));
        first = last + 1;
    }
    spans
}

/// Frames of all pieces together.
fn speech(pieces: &[Range<usize>]) -> usize {
    pieces.iter().map(ExactSizeIterator::len).sum()
}

/// Pieces without a gap between them as one.
fn connected(pieces: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for piece in pieces {
        match stretches.last_mut() {
            Some(last) if last.end == piece.start => last.end = piece.end,
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
    use super::super::speech::regions;
    use super::*;

    /// Plans `probabilities` after checking what must hold for every plan.
    fn check(probabilities: &[u8], partial_samples: u64) -> Vec<Span> {
        let found = regions(probabilities);
        let total = (probabilities.len() * FRAME_SAMPLES) as u64 - partial_samples;
        let spans = plan(&found, probabilities, total);

        let stretches: Vec<Stretch> = spans.iter().flat_map(|span| span.stretches.iter().copied()).collect();
        assert!(is_plan(&spans, total), "{spans:?}");
        for frame in found.iter().cloned().flatten() {
            let sample = (frame * FRAME_SAMPLES) as u64;
            let covered = stretches.iter().any(|found| (found.start_sample..found.end_sample).contains(&sample));
            assert!(covered, "speech at frame {frame} is in no span");
        }
        assert_eq!(spans, plan(&found, probabilities, total));
        spans
    }

    fn seconds(value: f64) -> usize {
        (value * 62.5) as usize
    }

    /// Speech and pauses in turn, each given by its length in seconds, speech first.
    fn talk(turns: &[f64]) -> Vec<u8> {
        let turn = |(index, &length): (usize, &f64)| vec![if index % 2 == 0 { 250 } else { 3 }; seconds(length)];
        turns.iter().enumerate().flat_map(turn).collect()
    }

    #[test]
    fn silence_has_no_spans() {
        assert!(check(&[0; 1000], 0).is_empty());
        assert!(plan(&[], &[], 0).is_empty());
    }

    #[test]
    fn speech_is_padded_within_the_recording() {
        let spans = check(&talk(&[0.0, 2.0, 1.0, 2.0]), 0);
        let start = ((seconds(2.0) - PAD_FRAMES) * FRAME_SAMPLES) as u64;
        let end = ((seconds(3.0) + PAD_FRAMES) * FRAME_SAMPLES) as u64;
        let [Span { stretches }] = spans.as_slice() else { panic!("{spans:?}") };
        assert_eq!(stretches.len(), 1);
        assert!(stretches[0].start_sample.abs_diff(start) <= 512 && stretches[0].end_sample.abs_diff(end) <= 512);

        let whole = check(&[255; 100], 100);
        assert_eq!(whole, [Span::whole(0, 25_500)]);
    }

    #[test]
    fn short_pauses_are_bridged_and_long_ones_are_not() {
        assert_eq!(check(&talk(&[3.0, 1.0, 3.0, 2.0, 3.0]), 0).len(), 1);
        assert_eq!(check(&talk(&[3.0, 8.0, 3.0]), 0).len(), 2);
    }

    #[test]
    fn a_bridged_pause_is_left_out() {
        let spans = check(&talk(&[3.0, 0.55, 3.0, 2.0, 3.0]), 0);
        let [Span { stretches }] = spans.as_slice() else { panic!("{spans:?}") };
        assert_eq!(stretches.len(), 2, "half a second is kept, two are not: {stretches:?}");
        let gap = (stretches[1].start_sample - stretches[0].end_sample) as f64 / 16_000.0;
        assert!((1.35..1.45).contains(&gap), "of two seconds 0.3 are kept on either side, not {gap}");
    }

    #[test]
    fn a_long_run_is_cut_at_its_longest_pause() {
        let spans = check(&talk(&[9.0, 0.7, 9.0, 1.2, 5.0, 0.7, 4.0, 0.7, 9.0]), 0);
        assert_eq!(spans.len(), 2);
        let cut = spans[0].stretches.last().unwrap().end_sample as f64 / 16_000.0;
        assert!((18.7..19.9).contains(&cut), "cut at {cut} s");
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
                check(&probabilities, u64::from(random(256)));
            }
        }
    }
}
