//! The detector: spectrum, four convolutions, one LSTM cell, one output.

use crate::layers::dot;
use crate::spectrum::{BINS, INPUT_SAMPLES, Spectrum};
use crate::weights::{HIDDEN, WEIGHTS, Weights};

/// Samples of a frame: 32 ms at 16 kHz.
pub const FRAME_SAMPLES: usize = 512;
/// Samples of the frame before that each frame is analysed with.
const CONTEXT_SAMPLES: usize = INPUT_SAMPLES - FRAME_SAMPLES;

/// Finds speech in one stream of audio. Each frame's answer depends on the frames before it.
pub struct Detector {
    weights: &'static Weights,
    spectrum: Spectrum,
    /// The last samples of the frame before, then the frame.
    input: [f32; INPUT_SAMPLES],
    hidden: [f32; HIDDEN],
    cell: [f32; HIDDEN],
    /// Activations of one layer and of the next, kept to avoid allocations.
    layer: Vec<f32>,
    next_layer: Vec<f32>,
}

impl Detector {
    /// A detector at the start of a stream.
    pub fn new() -> Self {
        Self {
            weights: &WEIGHTS,
            spectrum: Spectrum::new(),
            input: [0.0; INPUT_SAMPLES],
            hidden: [0.0; HIDDEN],
            cell: [0.0; HIDDEN],
            layer: Vec::new(),
            next_layer: Vec::new(),
        }
    }

    /// The probability, 0 to 1, of speech in the next frame: samples at 16 kHz, -1 to 1.
    pub fn probability(&mut self, frame: &[f32; FRAME_SAMPLES]) -> f32 {
        self.input.copy_within(FRAME_SAMPLES.., 0);
        self.input[CONTEXT_SAMPLES..].copy_from_slice(frame);

        self.spectrum.magnitudes(&self.input, &mut self.layer);
        debug_assert_eq!(self.layer.len() % BINS, 0);

        for convolution in &self.weights.encoder {
            convolution.apply(&self.layer, &mut self.next_layer);
            std::mem::swap(&mut self.layer, &mut self.next_layer);
        }

        self.weights
            .lstm
            .step(&self.layer, &mut self.hidden, &mut self.cell);

        let rectified = self.hidden.map(|value| value.max(0.0));
        sigmoid(self.weights.output_bias + dot(&self.weights.output, &rectified))
    }
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

/// The logistic function.
pub(crate) fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}
