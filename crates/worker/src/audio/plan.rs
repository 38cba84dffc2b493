//! Which stretches of a recording go to Whisper, and where they are cut.
//!
//! Called by [`pipeline`](super::pipeline) at the end of a file. A pure function: the same frames
//! always give the same spans. Never reads the samples.

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
    // One certain voice makes the quieter sounds next to it count as speech.
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

/// The frame of `window` with the least speech around it; of equals the later one, which makes the span longer.
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
mod tests;
