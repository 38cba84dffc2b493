//! Magnitudes of four overlapping windows of a frame.
//!
//! The original computes them by a convolution with Hann-windowed sines and cosines; an FFT gives
//! the same values for a thirtieth of the work.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Samples that one frame is computed from: the frame and 64 samples before it.
pub(crate) const INPUT_SAMPLES: usize = 576;
/// Frequencies of a window, from 0 to 8 kHz.
pub(crate) const BINS: usize = WINDOW / 2 + 1;
/// Samples of a window.
const WINDOW: usize = 256;
/// Samples from one window to the next.
const HOP: usize = 128;
/// Samples by which the input is mirrored at its end.
const MIRRORED: usize = 64;

/// Computes the magnitudes of a frame.
pub(crate) struct Spectrum {
    fft: Arc<dyn RealToComplex<f32>>,
    hann: [f32; WINDOW],
    windowed: Vec<f32>,
    bins: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl Spectrum {
    pub(crate) fn new() -> Self {
        let fft = RealFftPlanner::new().plan_fft_forward(WINDOW);
        let hann = std::array::from_fn(|index| {
            let phase = std::f64::consts::TAU * index as f64 / WINDOW as f64;
            (0.5 - 0.5 * phase.cos()) as f32
        });
        Self {
            windowed: fft.make_input_vec(),
            bins: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            fft,
            hann,
        }
    }

    /// Adds [`BINS`] values for each window to `magnitudes`, one window after the other.
    pub(crate) fn add_magnitudes(
        &mut self,
        input: &[f32; INPUT_SAMPLES],
        magnitudes: &mut Vec<f32>,
    ) {
        let mut padded = [0.0; INPUT_SAMPLES + MIRRORED];
        padded[..INPUT_SAMPLES].copy_from_slice(input);
        for offset in 0..MIRRORED {
            padded[INPUT_SAMPLES + offset] = input[INPUT_SAMPLES - 2 - offset];
        }

        for window in padded.windows(WINDOW).step_by(HOP) {
            for (out, (sample, weight)) in
                self.windowed.iter_mut().zip(window.iter().zip(&self.hann))
            {
                *out = sample * weight;
            }
            self.fft
                .process_with_scratch(&mut self.windowed, &mut self.bins, &mut self.scratch)
                .expect("the buffers were made for this transform");
            magnitudes.extend(self.bins.iter().map(|bin| bin.norm_sqr().sqrt()));
        }
    }
}
