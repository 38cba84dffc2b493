//! A span: stretches of speech that are transcribed in one go, without the pauses between them, and the way back from times
//! in it to times in the recording. Made by [`plan`](super::plan), used by the task code.

use serde::{Deserialize, Serialize};

use super::SAMPLE_RATE;

/// Silence kept at both ends of a stretch: a time this close to a cut may belong to either side.
const SNAP_SECONDS: f64 = 0.3;

/// Stretches of the spool, in order and disjoint. What lies between them is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// At least one.
    pub stretches: Vec<Stretch>,
    /// The detector finds no speech here. The engine transcribes it, but needs a higher probability to keep the text.
    pub doubtful: bool,
}

/// A stretch of the spool, from `start_sample` up to and without `end_sample`, counted at [`SAMPLE_RATE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// First sample.
    pub start_sample: u64,
    /// One past the last sample.
    pub end_sample: u64,
}

impl Stretch {
    fn start_seconds(self) -> f64 {
        self.start_sample as f64 / f64::from(SAMPLE_RATE)
    }

    fn seconds(self) -> f64 {
        self.end_sample.saturating_sub(self.start_sample) as f64 / f64::from(SAMPLE_RATE)
    }
}

impl Span {
    /// A span of one stretch of speech.
    pub fn whole(start_sample: u64, end_sample: u64) -> Self {
        Self {
            stretches: vec![Stretch {
                start_sample,
                end_sample,
            }],
            doubtful: false,
        }
    }

    /// Samples of all stretches together.
    pub fn samples(&self) -> u64 {
        self.stretches
            .iter()
            .map(|stretch| stretch.end_sample.saturating_sub(stretch.start_sample))
            .sum()
    }

    /// Where in the recording something lies that lasts from `start` to `end` within the span. All in seconds.
    ///
    /// What begins just before a cut begins after it, and what ends just after one ends before it: there is no speech in the
    /// silence at a stretch's ends.
    pub fn locate(&self, start: f64, end: f64) -> (f64, f64) {
        let (mut located_start, mut located_end) = (None, None);
        let mut offset = 0.0;
        for (index, stretch) in self.stretches.iter().enumerate() {
            let after = offset + stretch.seconds();
            let is_last = index + 1 == self.stretches.len();
            let at =
                |time: f64| stretch.start_seconds() + (time - offset).clamp(0.0, stretch.seconds());
            // Only what reaches into the next stretch may be moved into it.
            let begins_later = start >= after - SNAP_SECONDS && end > after;
            if located_start.is_none() && (is_last || (start < after && !begins_later)) {
                located_start = Some(at(start));
            }
            let goes_on = end > after + SNAP_SECONDS || (end > after && located_start.is_none());
            if located_end.is_none() && (is_last || !goes_on) {
                located_end = Some(at(end));
            }
            offset = after;
        }
        let start = located_start.unwrap_or(start);
        (start, located_end.unwrap_or(end).max(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three stretches of 4 s, 2 s and 4 s: 10–14, 20–22 and 30–34 in the recording, 0–4, 4–6 and 6–10 in the span.
    fn check(within: (f64, f64), expected: (f64, f64)) {
        let stretch = |start: u64, end: u64| Stretch {
            start_sample: start * 16_000,
            end_sample: end * 16_000,
        };
        let stretches = vec![stretch(10, 14), stretch(20, 22), stretch(30, 34)];
        let span = Span {
            stretches,
            doubtful: false,
        };
        assert_eq!(span.samples(), 160_000);
        let (start, end) = span.locate(within.0, within.1);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(
            near(start, expected.0) && near(end, expected.1),
            "{within:?} lies at {start}..{end}, not {expected:?}"
        );
    }

    #[test]
    fn times_inside_a_stretch_move_with_it() {
        check((0.0, 3.0), (10.0, 13.0));
        check((4.5, 5.5), (20.5, 21.5));
        check((7.0, 10.0), (31.0, 34.0));
        check((9.0, 12.0), (33.0, 34.0));
    }

    #[test]
    fn what_spans_a_cut_spans_its_pause() {
        check((3.0, 5.0), (13.0, 21.0));
        check((0.0, 10.0), (10.0, 34.0));
    }

    #[test]
    fn times_beside_a_cut_go_to_the_side_they_speak_on() {
        check((3.8, 5.0), (20.0, 21.0));
        check((3.0, 4.2), (13.0, 14.0));
        check((4.0, 5.0), (20.0, 21.0));
        check((3.9, 4.0), (13.9, 14.0));
        check((5.9, 6.0), (21.9, 22.0));
    }

    #[test]
    fn located_times_never_go_backwards() {
        for start in 0..100 {
            for end in start..100 {
                let stretch = |start: u64, end: u64| Stretch {
                    start_sample: start * 1_600,
                    end_sample: end * 1_600,
                };
                let stretches = vec![stretch(100, 117), stretch(120, 121), stretch(300, 355)];
                let span = Span {
                    stretches,
                    doubtful: false,
                };
                let (a, b) = span.locate(f64::from(start) / 10.0, f64::from(end) / 10.0);
                assert!(
                    (10.0..=35.5).contains(&a) && a <= b && b <= 35.5,
                    "{start} {end}: {a} {b}"
                );
            }
        }
    }
}
