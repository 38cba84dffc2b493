//! How much of the speech in the spans of a recording has text, and where and why it has none. A pure function.

use std::ops::Range;
use std::slice;

use steno_models::{Coverage, Gap, GapReason, Segment};

use super::DoneSpan;
use crate::tasks::types::{Certainty, SpanOutput};

/// Shortest speech beside text that counts as a gap. Whisper's times are too coarse for less.
const MIN_GAP_MS: u64 = 2_000;
/// The same for a whole stretch between two pauses.
const MIN_STRETCH_MS: u64 = 1_000;
/// Shortest stretch of dropped text that counts as a gap.
const MIN_DROPPED_MS: u64 = 100;

/// Times in milliseconds, in order and disjoint.
type Ranges = Vec<Range<u64>>;

/// Adds up the speech of all spans and finds what has no text.
pub(super) fn coverage(spans: &[DoneSpan]) -> Coverage {
    let mut speech_ms = 0;
    let mut gaps: Vec<Gap> = Vec::new();

    for span in spans {
        let speech = speech(span);
        speech_ms += total(&speech);

        if span.plan.certainty == Certainty::Speech {
            gaps.extend(span_gaps(&speech, &span.output));
        }
    }

    let gaps = joined(gaps);
    let gap_ms: u64 = gaps
        .iter()
        .map(|gap| to_ms(gap.end) - to_ms(gap.start))
        .sum();
    Coverage {
        speech_seconds: seconds(speech_ms),
        transcribed_seconds: seconds(speech_ms.saturating_sub(gap_ms)),
        gaps,
    }
}

/// The coverage of several channels.
pub(super) fn together(channels: Vec<Coverage>) -> Coverage {
    let mut all = Coverage::default();
    for channel in channels {
        all.speech_seconds += channel.speech_seconds;
        all.transcribed_seconds += channel.transcribed_seconds;
        all.gaps.extend(channel.gaps);
    }
    all.speech_seconds = seconds(to_ms(all.speech_seconds));
    all.transcribed_seconds = seconds(to_ms(all.transcribed_seconds));
    all.gaps.sort_by(|a, b| a.start.total_cmp(&b.start));
    all
}

/// The speech of a span, in milliseconds. Of a doubtful one, what turned out to have words.
pub(super) fn speech(span: &DoneSpan) -> Ranges {
    let stretches: Ranges = span
        .plan
        .stretches
        .iter()
        .map(|(start, end)| start / 16..end / 16)
        .collect();
    match span.plan.certainty {
        Certainty::Speech => stretches,
        Certainty::Doubtful => intersection(&stretches, &covered(&span.output.segments)),
    }
}

/// Where the speech of a span has no text.
fn span_gaps(speech: &[Range<u64>], output: &SpanOutput) -> Vec<Gap> {
    if output.segments.is_empty() {
        // One reason for the whole stretch: that of the longest text that was dropped.
        let longest = output
            .dropped
            .iter()
            .max_by(|a, b| (a.end - a.start).total_cmp(&(b.end - b.start)));
        let reason = longest.map_or(GapReason::NoWords, |dropped| dropped.reason.clone());
        return speech
            .iter()
            .map(|range| gap(range, reason.clone()))
            .collect();
    }

    let mut silent = difference(speech, &covered(&output.segments));
    let mut gaps = Vec::new();
    for dropped in &output.dropped {
        let place = to_ms(dropped.start)..to_ms(dropped.end);
        let found: Ranges = intersection(&silent, slice::from_ref(&place))
            .into_iter()
            .filter(|range| range.end - range.start >= MIN_DROPPED_MS)
            .collect();
        gaps.extend(found.iter().map(|range| gap(range, dropped.reason.clone())));
        silent = difference(&silent, &found);
    }

    let is_gap = |range: &&Range<u64>| {
        let is_whole_stretch = speech.contains(range);
        let shortest = if is_whole_stretch {
            MIN_STRETCH_MS
        } else {
            MIN_GAP_MS
        };
        range.end - range.start >= shortest
    };
    gaps.extend(
        silent
            .iter()
            .filter(is_gap)
            .map(|range| gap(range, GapReason::NoWords)),
    );
    gaps.sort_by(|a, b| a.start.total_cmp(&b.start));
    gaps
}

/// Gaps that touch and have the same reason as one.
fn joined(gaps: Vec<Gap>) -> Vec<Gap> {
    let mut joined: Vec<Gap> = Vec::new();
    for gap in gaps {
        match joined.last_mut() {
            Some(last) if last.end >= gap.start && last.reason == gap.reason => last.end = gap.end,
            _ => joined.push(gap),
        }
    }
    joined
}

/// The time that segments take, in order and disjoint.
fn covered(segments: &[Segment]) -> Ranges {
    let mut ranges: Ranges = segments
        .iter()
        .map(|segment| to_ms(segment.start)..to_ms(segment.end))
        .collect();
    ranges.sort_by_key(|range| range.start);

    let mut covered: Ranges = Vec::new();
    for range in ranges {
        match covered.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => covered.push(range),
        }
    }
    covered
}

/// What is in both.
fn intersection(a: &[Range<u64>], b: &[Range<u64>]) -> Ranges {
    let overlap = |a: &Range<u64>, b: &Range<u64>| a.start.max(b.start)..a.end.min(b.end);
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| overlap(a, b)));
    pairs.filter(|range| range.start < range.end).collect()
}

/// What is in `a` and not in `b`.
fn difference(a: &[Range<u64>], b: &[Range<u64>]) -> Ranges {
    let mut left = Vec::new();
    for range in a {
        let mut start = range.start;
        for other in b
            .iter()
            .filter(|other| other.end > range.start && other.start < range.end)
        {
            if start < other.start {
                left.push(start..other.start);
            }
            start = start.max(other.end);
        }
        if start < range.end {
            left.push(start..range.end);
        }
    }
    left
}

fn total(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

fn gap(range: &Range<u64>, reason: GapReason) -> Gap {
    Gap {
        start: seconds(range.start),
        end: seconds(range.end),
        reason,
    }
}

fn to_ms(seconds: f64) -> u64 {
    (seconds * 1000.0).round().max(0.0) as u64
}

pub(super) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
