//! Mel energies as Kaldi computes them: 25 ms every 10 ms, 80 bands, Povey window, no dither.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Mel bands of a frame.
pub const BANDS: usize = 80;
/// Samples of a frame: 25 ms at 16 kHz.
const FRAME: usize = 400;
/// Samples from one frame to the next.
const HOP: usize = 160;
/// Length of the transform: the next power of two.
const TRANSFORM: usize = 512;
const BINS: usize = TRANSFORM / 2;
const SAMPLE_RATE: f32 = 16_000.0;
/// How much of the sample before is taken off each.
const PRE_EMPHASIS: f32 = 0.97;
/// The lowest frequency of the lowest band.
const LOWEST_HZ: f32 = 20.0;

/// Computes mel energies.
pub struct Fbank {
    transform: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    bands: Vec<Band>,
}

/// A triangle over the bins of the spectrum.
struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl Fbank {
    /// Prepares window, transform and bands.
    pub fn new() -> Self {
        let phase = std::f64::consts::TAU / (FRAME - 1) as f64;
        let hann = (0..FRAME).map(|index| 0.5 - 0.5 * (phase * index as f64).cos());
        Self {
            transform: RealFftPlanner::new().plan_fft_forward(TRANSFORM),
            window: hann.map(|value| value.powf(0.85) as f32).collect(),
            bands: bands(),
        }
    }

    /// Replaces `features` by [`BANDS`] logarithms for each whole frame of `samples` (16 kHz, -1 to 1),
    /// minus the mean of each band over all frames.
    pub fn compute(&self, samples: &[f32], features: &mut Vec<f32>) {
        features.clear();
        let mut input = self.transform.make_input_vec();
        let mut spectrum = self.transform.make_output_vec();
        let mut scratch = self.transform.make_scratch_vec();

        for frame in samples.windows(FRAME).step_by(HOP) {
            self.weigh(frame, &mut input);
            self.transform
                .process_with_scratch(&mut input, &mut spectrum, &mut scratch)
                .expect("the buffers were made for this transform");
            features.extend(self.bands.iter().map(|band| band.energy(&spectrum)));
        }
        subtract_mean(features);
    }

    /// Puts the weighed frame into `input`, followed by zeros.
    fn weigh(&self, frame: &[f32], input: &mut [f32]) {
        let mean = frame.iter().sum::<f32>() / FRAME as f32;
        let mut before = frame[0] - mean;
        for ((out, sample), weight) in input.iter_mut().zip(frame).zip(&self.window) {
            let value = sample - mean;
            *out = (value - PRE_EMPHASIS * before) * weight;
            before = value;
        }
        input[FRAME..].fill(0.0);
    }
}

impl Default for Fbank {
    fn default() -> Self {
        Self::new()
    }
}

impl Band {
    fn energy(&self, spectrum: &[Complex<f32>]) -> f32 {
        let bins = spectrum[self.first..].iter().zip(&self.weights);
        let energy: f32 = bins.map(|(bin, weight)| bin.norm_sqr() * weight).sum();
        energy.max(f32::EPSILON).ln()
    }
}

fn bands() -> Vec<Band> {
    let lowest = mel(LOWEST_HZ);
    let step = (mel(SAMPLE_RATE / 2.0) - lowest) / (BANDS + 1) as f32;
    let band = |index: usize| {
        let left = lowest + index as f32 * step;
        let centre = left + step;
        let right = centre + step;
        let inside: Vec<(usize, f32)> = (0..BINS)
            .filter_map(|bin| {
                let place = mel(SAMPLE_RATE / TRANSFORM as f32 * bin as f32);
                let weight = if place <= centre {
                    (place - left) / step
                } else {
                    (right - place) / step
                };
                (place > left && place < right).then_some((bin, weight))
            })
            .collect();
        Band {
            first: inside.first().map_or(0, |(bin, _)| *bin),
            weights: inside.into_iter().map(|(_, weight)| weight).collect(),
        }
    };
    (0..BANDS).map(band).collect()
}

fn mel(hz: f32) -> f32 {
    1127.0 * (1.0 + hz / 700.0).ln()
}

fn subtract_mean(features: &mut [f32]) {
    let count = (features.len() / BANDS).max(1) as f32;
    let mut mean = [0.0_f32; BANDS];
    for frame in features.chunks_exact(BANDS) {
        for (sum, value) in mean.iter_mut().zip(frame) {
            *sum += value;
        }
    }
    for frame in features.chunks_exact_mut(BANDS) {
        for (value, sum) in frame.iter_mut().zip(&mean) {
            *value -= sum / count;
        }
    }
}
