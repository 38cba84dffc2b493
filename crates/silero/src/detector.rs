//! The detector: spectrum, four convolutions, one LSTM cell, one output.

use crate::layers::{GATES, dot};
use crate::spectrum::{BINS, INPUT_SAMPLES, Spectrum};
use crate::weights::{HIDDEN, WEIGHTS, Weights};

/// Samples of a frame: 32 ms at 16 kHz.
pub const FRAME_SAMPLES: usize = 512;
/// Samples of the frame before that each frame is analysed with.
const CONTEXT_SAMPLES: usize = INPUT_SAMPLES - FRAME_SAMPLES;

/// Frames that are computed at a time: enough to use each weight often while it is in the processor's cache.
pub const BATCH_FRAMES: usize = 16;

/// Finds speech in one stream of audio. Each frame's answer depends on the frames before it.
pub struct Detector {
    weights: &'static Weights,
    spectrum: Spectrum,
    /// The last samples of the frame before, then the frame.
    input: [f32; INPUT_SAMPLES],
    hidden: [f32; HIDDEN],
    cell: [f32; HIDDEN],
    /// Activations of one layer and of the next, of a batch of frames. Kept to avoid allocations.
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

    /// The probability, 0 to 1, of speech in each of the next frames: samples at 16 kHz, -1 to 1.
    pub fn probabilities(&mut self, frames: &[[f32; FRAME_SAMPLES]]) -> Vec<f32> {
        let batches = frames.chunks(BATCH_FRAMES);
        batches.flat_map(|batch| self.batch(batch)).collect()
    }

    fn batch(&mut self, frames: &[[f32; FRAME_SAMPLES]]) -> Vec<f32> {
        self.layer.clear();
        for frame in frames {
            self.input.copy_within(FRAME_SAMPLES.., 0);
            self.input[CONTEXT_SAMPLES..].copy_from_slice(frame);
            self.spectrum.add_magnitudes(&self.input, &mut self.layer);
        }

        let mut steps = self.layer.len() / BINS / frames.len();
        for convolution in &self.weights.encoder {
            steps = convolution.apply(&self.layer, steps, &mut self.next_layer);
            std::mem::swap(&mut self.layer, &mut self.next_layer);
        }
        debug_assert_eq!(steps, 1);

        let lstm = &self.weights.lstm;
        lstm.read_inputs(&self.layer, &mut self.next_layer);
        let gates = self.next_layer.chunks_exact_mut(GATES * HIDDEN);
        gates
            .map(|gates| {
                lstm.step(gates, &mut self.hidden, &mut self.cell);
                let rectified = self.hidden.map(|value| value.max(0.0));
                sigmoid(self.weights.output_bias + dot(&self.weights.output, &rectified))
            })
            .collect()
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
