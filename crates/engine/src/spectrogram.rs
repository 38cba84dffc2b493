//! The log-mel spectrogram that the encoder reads: 100 frames a second, as `log_mel_spectrogram` of whisper.cpp makes it.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

use crate::weights_file::BINS;

/// Samples of a second.
pub const SAMPLE_RATE: usize = 16_000;
/// Samples between the starts of two frames.
pub(crate) const HOP: usize = 160;
/// Samples of a frame.
const WINDOW: usize = 400;
/// Silence, in decimal logarithms of energy.
const FLOOR: f64 = -10.0;
/// How far below the loudest value the quietest is set.
const RANGE: f64 = 8.0;

/// Makes spectrograms.
pub(crate) struct Spectrogram {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    bands: Vec<Band>,
}

/// One mel band: its weights over a stretch of frequency bins.
struct Band {
    first_bin: usize,
    weights: Vec<f32>,
}

impl Spectrogram {
    /// With the filters of a model: rows of [`BINS`].
    pub(crate) fn new(filters: &[f32]) -> Self {
        // In double precision and rounded once, as whisper.cpp has it.
        let window = (0..WINDOW)
            .map(|at| {
                let angle = 2.0 * std::f64::consts::PI * at as f64 / WINDOW as f64;
                (0.5 * (1.0 - angle.cos())) as f32
            })
            .collect();
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(WINDOW),
            window,
            bands: filters.chunks_exact(BINS).map(Band::new).collect(),
        }
    }

    /// `frames` frames of the samples followed by silence: all bands of a frame, then those of the next. At least
    /// half a window of samples.
    pub(crate) fn compute(&self, samples: &[f32], frames: usize) -> Vec<f32> {
        let mels = self.bands.len();
        let padded = padded(samples);
        // Frames that begin behind the last sample are silent.
        let sounding = ((samples.len() + WINDOW / 2) / HOP + 1).min(frames);

        let mut logarithms = vec![FLOOR; frames * mels];
        let mut frame = vec![0.0; WINDOW];
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let mut power = vec![0.0_f32; BINS];
        for (at, values) in logarithms.chunks_exact_mut(mels).enumerate().take(sounding) {
            let from = (at * HOP).min(padded.len());
            let sound = &padded[from..(from + WINDOW).min(padded.len())];
            frame.fill(0.0);
            for ((value, sample), weight) in frame.iter_mut().zip(sound).zip(&self.window) {
                *value = sample * weight;
            }
            self.fft
                .process_with_scratch(&mut frame, &mut spectrum, &mut scratch)
                .expect("the buffers were made for this transform");
            for (power, value) in power.iter_mut().zip(&spectrum) {
                *power = value.norm_sqr();
            }
            for (value, band) in values.iter_mut().zip(&self.bands) {
                *value = band.energy(&power).max(1e-10).log10();
            }
        }

        let loudest = logarithms.iter().copied().fold(FLOOR, f64::max);
        let quietest = loudest - RANGE;
        logarithms
            .into_iter()
            .map(|value| ((value.max(quietest) + 4.0) / 4.0) as f32)
            .collect()
    }
}

impl Band {
    fn new(weights: &[f32]) -> Self {
        let is_used = |weight: &f32| *weight != 0.0;
        let first_bin = weights.iter().position(is_used).unwrap_or(0);
        let end = weights.iter().rposition(is_used).map_or(0, |last| last + 1);
        Self {
            first_bin,
            weights: weights[first_bin..end.max(first_bin)].to_vec(),
        }
    }

    fn energy(&self, power: &[f32]) -> f64 {
        let bins = power[self.first_bin..].iter().zip(&self.weights);
        bins.map(|(power, weight)| f64::from(power * weight)).sum()
    }
}

/// The samples with half a window before them, in which they are reflected.
fn padded(samples: &[f32]) -> Vec<f32> {
    let half = WINDOW / 2;
    let mut padded = Vec::with_capacity(samples.len() + half);
    padded.extend(
        (1..=half)
            .rev()
            .map(|at| samples.get(at).copied().unwrap_or(0.0)),
    );
    padded.extend_from_slice(samples);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_has_the_lowest_value_everywhere() {
        let spectrogram = Spectrogram::new(&[1.0; BINS * 2]);
        let found = spectrogram.compute(&[0.0; 3_200], 30);
        assert_eq!(found, vec![-1.5; 60]);
    }

    #[test]
    fn a_tone_is_in_its_band() {
        let mut filters = vec![0.0; 2 * BINS];
        // 1 kHz is bin 25.
        filters[20..30].fill(1.0);
        filters[BINS + 100..BINS + 110].fill(1.0);
        let tone: Vec<f32> = (0..1_600)
            .map(|at| (at as f32 * std::f32::consts::TAU * 1_000.0 / 16_000.0).sin())
            .collect();
        let found = Spectrogram::new(&filters).compute(&tone, 10);
        assert!(found[8] > 2.0, "{found:?}");
        assert!(found[9] < found[8] - 1.5, "{found:?}");
    }
}
