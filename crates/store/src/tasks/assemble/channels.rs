//! The channels of a recording that were transcribed by themselves. In the spool they follow each other, each as long as the
//! recording, and so do the times of their spans. Pure functions.

use super::DoneSpan;

/// Samples of a millisecond in a spool.
const MILLISECOND: u64 = 16;

/// The spans of each channel, with times from the start of the recording.
pub(super) fn by_channel(spans: Vec<DoneSpan>, duration_ms: u64) -> Vec<Vec<DoneSpan>> {
    let mut channels: Vec<Vec<DoneSpan>> = Vec::new();
    for span in spans {
        let start = span.plan.stretches.first().map_or(0, |(start, _)| *start);
        let channel = (start / (duration_ms * MILLISECOND).max(1)) as usize;
        while channels.len() <= channel {
            channels.push(Vec::new());
        }
        channels[channel].push(moved(span, channel as u64 * duration_ms));
    }
    channels
}

/// The span, earlier by so many milliseconds.
fn moved(mut span: DoneSpan, ms: u64) -> DoneSpan {
    for (start, end) in &mut span.plan.stretches {
        *start = start.saturating_sub(ms * MILLISECOND);
        *end = end.saturating_sub(ms * MILLISECOND);
    }

    let seconds = ms as f64 / 1000.0;
    // Round again, because the difference of two rounded numbers is not rounded.
    let earlier = |time: &mut f64| *time = ((*time - seconds) * 1000.0).round().max(0.0) / 1000.0;
    for segment in &mut span.output.segments {
        earlier(&mut segment.start);
        earlier(&mut segment.end);
        for word in segment.words.iter_mut().flatten() {
            earlier(&mut word.start);
            earlier(&mut word.end);
        }
    }
    for gap in &mut span.output.dropped {
        earlier(&mut gap.start);
        earlier(&mut gap.end);
    }
    span
}
