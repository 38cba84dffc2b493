//! Compares the time stamps of packets with the sound decoded so far, and computes the silence to insert.
//!
//! Called by [`decode`](super) for containers whose tracks share one clock (MP4, MOV, Matroska). Never moves sound to an
//! earlier time. Ignores impossible time stamps.

/// A step from one packet to the next that is this much too long is a gap, in seconds. Times are rounded to a millisecond.
const MIN_STEP: f64 = 0.05;
/// Silence is added when this much is missing.
const MIN_GAP: f64 = 0.08;
/// A slow drift is corrected when it has grown to this many seconds.
const MAX_DRIFT: f64 = 1.0;
/// A drift above this share of the recording is not corrected: then the time stamps are wrong, and the sound is right.
const WRONG_CLOCK: f64 = 0.03;

/// A file whose clock begins later than this, in seconds, was cut out of a longer one, and its first packet is its beginning.
const LATEST_START: f64 = 60.0;
/// A recording whose first packet is this near to the end of the one before it, in seconds, has the same clock.
const MAX_SEAM: f64 = 1.0;

/// Follows one track.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// The earliest time of any track.
    origin: Option<f64>,
    /// Seconds of sound and silence given so far.
    given: f64,
    /// When the last packet was due to end.
    due: Option<f64>,
    /// When the recording before this one in the file ended, on its own clock.
    previous_end: Option<f64>,
    longest: f64,
}

impl Timeline {
    /// Gaps of more than `longest` seconds are ignored.
    pub(super) fn new(longest: f64) -> Self {
        Self {
            longest,
            ..Self::default()
        }
    }

    /// For the recording that follows this one in the file. Programs that split a recording often let
    /// its clock run on.
    pub(super) fn following(&self, longest: f64) -> Self {
        Self {
            previous_end: self.due,
            ..Self::new(longest)
        }
    }

    /// A packet of another track.
    pub(super) fn note_other(&mut self, at: f64) {
        if self.due.is_none() {
            let origin = self.origin.unwrap_or(f64::INFINITY);
            self.origin = Some(origin.min(self.beginning(at)));
        }
    }

    /// A packet of this track begins at `at`. Returns the seconds of silence to put before it.
    pub(super) fn begin(&mut self, at: f64) -> f64 {
        let origin = self.origin.unwrap_or_else(|| self.beginning(at));
        self.origin = Some(origin);
        let missing = at - origin - self.given;
        let step = self.due.map_or(missing, |due| at - due);
        self.due = Some(at);
        if !missing.is_finite() || missing > self.longest {
            // From here on the clock is taken to be right again.
            self.origin = Some(at - self.given);
            return 0.0;
        }

        let jumped = step > MIN_STEP && missing > MIN_GAP;
        let drifted = missing > MAX_DRIFT && missing < (at - origin) * WRONG_CLOCK;
        if jumped || drifted {
            self.given += missing;
            return missing;
        }
        0.0
    }

    /// Records that this much sound was returned.
    pub(super) fn give(&mut self, seconds: f64) {
        self.given += seconds;
        if let Some(due) = &mut self.due {
            *due += seconds;
        }
    }

    /// When a recording begins whose first packet is at `at`.
    fn beginning(&self, at: f64) -> f64 {
        let runs_on = self
            .previous_end
            .is_some_and(|end| end > 0.0 && (at - end).abs() < MAX_SEAM);
        if runs_on || at > LATEST_START {
            at
        } else {
            at.min(0.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 20 ms at these times, and the silence before each.
    fn check(times: &[f64], other: Option<f64>, expected: &[f64]) {
        let mut timeline = Timeline::new(3_600.0);
        if let Some(at) = other {
            timeline.note_other(at);
        }
        let silence: Vec<f64> = times
            .iter()
            .map(|&at| {
                let silence = timeline.begin(at);
                timeline.give(0.02);
                (silence * 1e3).round() / 1e3
            })
            .collect();
        assert_eq!(silence, expected, "{times:?}");
    }

    #[test]
    fn gaps_and_late_starts_become_silence() {
        check(&[0.0, 0.02, 10.04, 10.06], None, &[0.0, 0.0, 10.0, 0.0]);
        check(&[4.9, 4.92], Some(0.0), &[4.9, 0.0]);
        check(&[4.9, 4.92], None, &[4.9, 0.0]);
        check(&[1_000.0, 1_000.02], None, &[0.0, 0.0]);
        check(&[1_000.5, 1_000.52], Some(1_000.0), &[0.5, 0.0]);
    }

    #[test]
    fn a_clock_that_runs_on_in_the_next_recording_adds_nothing() {
        let begin_after = |end: f64, at: f64| {
            let mut first = Timeline::new(3_600.0);
            first.begin(0.0);
            first.give(end);
            first.following(3_600.0).begin(at)
        };
        assert!(begin_after(30.0, 30.02) < 1e-9);
        assert!(
            (begin_after(30.0, 4.9) - 4.9).abs() < 1e-9,
            "it starts late"
        );
        assert!(begin_after(30.0, 0.0) < 1e-9);
    }

    #[test]
    fn rounding_overlap_and_nonsense_add_nothing() {
        check(&[0.0, 0.021, 0.039, 0.06], None, &[0.0; 4]);
        check(&[0.0, 0.0, 0.0], None, &[0.0; 3]);
        check(&[0.0, 1e9, 1e9 + 0.02, 0.08], None, &[0.0; 4]);
        check(&[0.0, f64::NAN, 0.04], None, &[0.0; 3]);
    }

    #[test]
    fn a_fast_clock_adds_nothing_and_a_slow_drift_is_corrected() {
        // Nine percent too fast, as 48 kHz for 44.1 kHz.
        let mut timeline = Timeline::new(3_600.0);
        let mut added = 0.0;
        for packet in 0..50_000 {
            added += timeline.begin(f64::from(packet) * 0.02 * 1.09);
            timeline.give(0.02);
        }
        assert!(
            added < 1e-9,
            "{added} s of silence were added to sound that is right"
        );

        // Two percent: small gaps that add up.
        let mut timeline = Timeline::new(3_600.0);
        let mut added = 0.0;
        for packet in 0..50_000 {
            added += timeline.begin(f64::from(packet) * 0.02 * 1.02);
            timeline.give(0.02);
        }
        assert!(
            (18.0..21.0).contains(&added),
            "of 20 s that are missing {added} s were added"
        );
    }
}
