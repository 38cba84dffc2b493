//! Where people speak: one probability for each 16 ms of the 16 kHz signal, and the regions they form.
//!
//! Called by [`pipeline`](super::pipeline) while it decodes, then by [`plan`](super::plan). Never changes the signal: the level is raised for the
//! detector's ears only.

use std::ops::{Range, RangeInclusive};

use earshot::Detector;

/// Samples of a frame at 16 kHz, fixed by the detector.
pub(super) const FRAME_SAMPLES: usize = 256;

/// Level the detector is given, in 16-bit units (-30 dB of full scale): there it knows speech well, and noise, which it takes
/// for speech when loud, is told from it.
const LISTEN_RMS: f32 = 1_000.0;
/// At most 30 dB is added (hiss must stay hiss) and 20 dB taken away.
const GAINS: RangeInclusive<f32> = 0.1..=32.0;
/// Share of a louder frame in the level, about 160 ms to follow: a slammed door must not deafen the detector.
const LEVEL_RISE: f32 = 0.1;
/// Share of the level kept over a quieter frame: half after about 3.5 s, longer than pauses between sentences.
const LEVEL_DECAY: f32 = 0.997;

/// Probability at which speech begins.
const ENTER: u8 = 128;
/// Probability below which it ends. Lower, so that a soft syllable does not end a word.
const LEAVE: u8 = 77;
/// Probability that each region reaches at least once. White noise, hum and dial tones stay below 0.7, single words of a
/// poor recording go above 0.8.
const CERTAIN: u8 = 191;
/// Shortest speech, in frames (96 ms). A click is shorter.
const MIN_FRAMES: usize = 6;
/// Pauses shorter than this many frames (0.5 s) stay inside a region.
const JOIN_FRAMES: usize = 31;

/// Listens to the signal as it is decoded.
pub(super) struct Listener {
    detector: Box<Detector>,
    pending: Vec<i16>,
    /// Level of the recent sound, in 16-bit units; rises fast, falls slowly.
    level: f32,
    probabilities: Vec<u8>,
}

impl Listener {
    pub(super) fn new() -> Self {
        Self { detector: Detector::default_boxed(), pending: Vec::new(), level: 0.0, probabilities: Vec::new() }
    }

    /// Takes the next samples at 16 kHz.
    pub(super) fn push(&mut self, samples: &[i16]) {
        self.pending.extend_from_slice(samples);
        let pending = std::mem::take(&mut self.pending);
        let mut frames = pending.chunks_exact(FRAME_SAMPLES);
        for frame in &mut frames {
            self.hear(frame);
        }
        self.pending.extend_from_slice(frames.remainder());
    }

    /// The probability of speech of every frame, 0 to 255. The last frame may be partly silence added here.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if !self.pending.is_empty() {
            let mut frame = std::mem::take(&mut self.pending);
            frame.resize(FRAME_SAMPLES, 0);
            self.hear(&frame);
        }
        self.probabilities
    }

    fn hear(&mut self, frame: &[i16]) {
        let energy: f32 = frame.iter().map(|&s| f32::from(s) * f32::from(s)).sum::<f32>() / FRAME_SAMPLES as f32;
        let rms = energy.sqrt();
        let risen = self.level + (rms - self.level) * LEVEL_RISE;
        self.level = risen.max(self.level * LEVEL_DECAY);
        let gain = (LISTEN_RMS / self.level.max(1.0)).clamp(*GAINS.start(), *GAINS.end());
        let mut loud = [0_i16; FRAME_SAMPLES];
        for (out, &sample) in loud.iter_mut().zip(frame) {
            *out = (f32::from(sample) * gain) as i16;
        }
        let probability = self.detector.predict_i16(&loud);
        self.probabilities.push((probability.clamp(0.0, 1.0) * 255.0).round() as u8);
    }
}

/// Ranges of frames with speech, in order, at least `JOIN_FRAMES` apart.
pub(super) fn regions(probabilities: &[u8]) -> Vec<Range<usize>> {
    let mut regions: Vec<Range<usize>> = Vec::new();
    let mut index = 0;
    while index < probabilities.len() {
        if probabilities[index] < ENTER {
            index += 1;
            continue;
        }
        let length = probabilities[index..].iter().take_while(|&&p| p >= LEAVE).count();
        let found = index..index + length;
        index = found.end;
        if length < MIN_FRAMES {
            continue;
        }
        match regions.last_mut() {
            Some(last) if found.start - last.end < JOIN_FRAMES => last.end = found.end,
            _ => regions.push(found),
        }
    }
    regions.retain(|region| probabilities[region.clone()].iter().any(|&p| p >= CERTAIN));
    regions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(samples: &[i16]) -> Vec<u8> {
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
            assert!(regions(&listen(&samples)).is_empty(), "noise of amplitude {amplitude} was taken for speech");
        }
    }

    #[test]
    fn every_frame_has_a_probability() {
        for samples in [0, 1, 255, 256, 257, 16_000] {
            assert_eq!(listen(&vec![0; samples]).len(), samples.div_ceil(FRAME_SAMPLES));
        }
    }

    #[test]
    fn a_click_is_not_speech_and_a_word_is() {
        let mut probabilities = vec![0; 100];
        probabilities[10..15].fill(250);
        assert!(regions(&probabilities).is_empty());
        probabilities[10..16].fill(250);
        assert_eq!(regions(&probabilities).first(), Some(&(10..16)));
    }

    #[test]
    fn soft_syllables_and_short_pauses_stay_inside_a_region() {
        let mut probabilities = vec![0; 200];
        probabilities[10..30].fill(250);
        probabilities[30..40].fill(100);
        probabilities[60..80].fill(200);
        probabilities[111..120].fill(200);
        assert_eq!(regions(&probabilities), [10..80, 111..120]);
    }

    #[test]
    fn a_region_that_is_never_certain_is_dropped() {
        let mut probabilities = vec![0; 200];
        probabilities[10..60].fill(180);
        probabilities[120..160].fill(180);
        probabilities[130] = 200;
        assert_eq!(regions(&probabilities).first(), Some(&(120..160)));
    }
}
