//! Finds speech in the 16 kHz signal: a probability and a level for every frame of 32 ms, and the
//! regions that they form.
//!
//! Called by [`pipeline`](super::pipeline) while it decodes, then by [`plan`](super::plan). Never
//! changes the signal.

use std::ops::Range;
use std::time::Duration;

use steno_silero::{BATCH_FRAMES, Detector};

use super::milliseconds;

/// Samples of a frame at 16 kHz, fixed by the detector.
pub(super) const FRAME_SAMPLES: usize = steno_silero::FRAME_SAMPLES;

/// The second detector gets the signal this much louder (24 dB), so that a loud sound does not hide
/// the quiet voice after it: the detectors adapt to the level of the signal.
const LOUD_GAIN: f32 = 16.0;

/// Probability at which speech begins.
const ENTER: u8 = 128;
/// Probability below which it ends. Lower, so that a soft syllable does not end a word.
const LEAVE: u8 = 90;
/// Shortest speech, in frames (64 ms). A click is shorter.
const MIN_FRAMES: usize = 2;

/// Probability and level of every frame of a recording, in order.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The probability of speech, 0 to 255.
    pub(super) probabilities: Vec<u8>,
    /// The level in dB above one step of a 16-bit sample: 0 is silence, 90 is full scale.
    pub(super) levels: Vec<u8>,
}

/// Samples that are analysed at a time (half a second).
const BATCH_SAMPLES: usize = BATCH_FRAMES * FRAME_SAMPLES;

/// Takes the signal as it is decoded.
pub(super) struct Listener {
    detector: Detector,
    loud_detector: Detector,
    /// Samples of less than a batch.
    pending: Vec<i16>,
    frames: Frames,
    /// Frames that are probably speech.
    speech_frames: u64,
}

impl Listener {
    pub(super) fn new() -> Self {
        Self {
            detector: Detector::new(),
            loud_detector: Detector::new(),
            pending: Vec::new(),
            frames: Frames::default(),
            speech_frames: 0,
        }
    }

    /// Takes the next samples at 16 kHz.
    pub(super) fn push(&mut self, samples: &[i16]) {
        self.pending.extend_from_slice(samples);
        let whole = self.pending.len() / BATCH_SAMPLES * BATCH_SAMPLES;
        let pending = std::mem::take(&mut self.pending);
        let (batches, rest) = pending.split_at(whole);
        self.hear(batches);
        self.pending.extend_from_slice(rest);
    }

    /// Speech so far, up to half a second ago. A little less than what [`regions`] finds, which bridge short dips.
    pub(super) fn speech(&self) -> Duration {
        let samples = self.speech_frames * FRAME_SAMPLES as u64;
        Duration::from_millis(milliseconds(samples))
    }

    /// All frames. The last one may be padded with silence.
    pub(super) fn finish(mut self) -> Frames {
        let mut rest = std::mem::take(&mut self.pending);
        rest.resize(rest.len().next_multiple_of(FRAME_SAMPLES), 0);
        self.hear(&rest);
        self.frames
    }

    /// Takes whole frames.
    fn hear(&mut self, samples: &[i16]) {
        let (frames, _) = samples.as_chunks::<FRAME_SAMPLES>();
        for batch in frames.chunks(BATCH_FRAMES) {
            let normal: Vec<_> = batch.iter().map(|frame| frame.map(normalised)).collect();
            let loud: Vec<_> = normal.iter().map(|frame| frame.map(amplified)).collect();
            let probabilities = self.detector.probabilities(&normal);
            let loud_probabilities = self.loud_detector.probabilities(&loud);

            for (probability, loud) in probabilities.iter().zip(loud_probabilities) {
                let probability = (probability.max(loud) * 255.0).round() as u8;
                self.speech_frames += u64::from(probability >= ENTER);
                self.frames.probabilities.push(probability);
            }
            self.frames
                .levels
                .extend(batch.iter().map(|frame| level(frame)));
        }
    }
}

fn normalised(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

fn amplified(sample: f32) -> f32 {
    (sample * LOUD_GAIN).clamp(-1.0, 1.0)
}

/// The level of a frame in dB above one step.
fn level(frame: &[i16]) -> u8 {
    let energy: f64 = frame
        .iter()
        .map(|&sample| f64::from(sample) * f64::from(sample))
        .sum();
    let mean = energy / frame.len() as f64;
    (10.0 * mean.max(1.0).log10()).round() as u8
}

/// Ranges of frames with speech, in order and disjoint.
pub(super) fn regions(probabilities: &[u8]) -> Vec<Range<usize>> {
    let mut regions: Vec<Range<usize>> = Vec::new();
    let mut index = 0;
    while index < probabilities.len() {
        if probabilities[index] < ENTER {
            index += 1;
            continue;
        }
        let length = probabilities[index..]
            .iter()
            .take_while(|&&p| p >= LEAVE)
            .count();
        if length >= MIN_FRAMES {
            regions.push(index..index + length);
        }
        index += length;
    }
    regions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(samples: &[i16]) -> Frames {
        let mut listener = Listener::new();
        samples.chunks(1_000).for_each(|chunk| listener.push(chunk));
        listener.finish()
    }

    #[test]
    fn silence_and_noise_have_no_regions() {
        let mut state = 1_u32;
        let mut noise = |amplitude: i32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (((state >> 16) as i32 % (2 * amplitude + 1)) - amplitude) as i16
        };
        for amplitude in [0, 1, 30, 1_000, 20_000] {
            let samples: Vec<i16> = (0..160_000).map(|_| noise(amplitude)).collect();
            let found = regions(&listen(&samples).probabilities);
            assert!(
                found.is_empty(),
                "noise of amplitude {amplitude} was taken for speech: {found:?}"
            );
        }
    }

    #[test]
    fn every_frame_has_a_probability_and_a_level() {
        for samples in [0, 1, 511, 512, 513, 16_000] {
            let frames = listen(&vec![0; samples]);
            assert_eq!(frames.probabilities.len(), samples.div_ceil(FRAME_SAMPLES));
            assert_eq!(frames.levels, vec![0; frames.probabilities.len()]);
        }
    }

    #[test]
    fn levels_are_decibels() {
        assert_eq!(level(&[0; 8]), 0);
        assert_eq!(level(&[10; 8]), 20);
        assert_eq!(level(&[i16::MIN; 8]), 90);
    }

    #[test]
    fn a_click_is_not_speech_and_a_syllable_is() {
        let mut probabilities = vec![0; 100];
        probabilities[10] = 250;
        assert!(regions(&probabilities).is_empty());
        probabilities[11] = 250;
        assert_eq!(regions(&probabilities).first(), Some(&(10..12)));
    }

    #[test]
    fn soft_syllables_stay_inside_a_region() {
        let mut probabilities = vec![0; 100];
        probabilities[10..30].fill(250);
        probabilities[30..40].fill(100);
        probabilities[40..50].fill(80);
        probabilities[60..70].fill(200);
        assert_eq!(regions(&probabilities), [10..40, 60..70]);
    }
}
