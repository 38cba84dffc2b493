//! CAM++ "zh-en common advanced": turns the speech of one voice into 192 numbers.
//!
//! From <https://github.com/modelscope/3D-Speaker> (Apache-2.0). Convolutions over frequency and time,
//! then densely connected layers over time, each with a mask of its context.

mod dense;
mod head;

use safetensors::SafeTensors;

use self::{
    dense::{Block, Transit},
    head::Head,
};
use crate::{
    Fbank, SpeakersError,
    layers::{Linear, Rows, rectify},
    tensors::{Affine, Tensors},
};

/// Numbers of an embedding.
pub(crate) const DIMENSIONS: usize = 192;
/// Channels after the first layer over time.
const FIRST: usize = 128;
/// Inputs in time of the first layer.
const WIDTH: usize = 5;
/// Channels before the statistics.
const LAST: usize = 512;
/// Layers of each block, and steps between the inputs of their convolutions.
const BLOCKS: [(usize, usize); 3] = [(12, 1), (24, 2), (16, 2)];

/// The network with its features.
pub struct Embedder {
    fbank: Fbank,
    head: Head,
    first: Linear,
    blocks: Vec<(Block, Transit)>,
    last: Affine,
    dense: Linear,
}

impl Embedder {
    /// Reads the network from the file of [`crate::Networks`].
    pub(crate) fn new(file: &SafeTensors<'_>) -> Result<Self, SpeakersError> {
        let tensors = Tensors::new(file, "embedding");
        let mut channels = FIRST;
        let mut blocks = Vec::new();
        for (index, (layers, dilation)) in BLOCKS.into_iter().enumerate() {
            let block = Block::new(&tensors, index + 1, layers, channels, dilation)?;
            channels += layers * dense::GROWTH;
            blocks.push((block, Transit::new(&tensors, index + 1, channels)?));
            channels /= 2;
        }

        let weight = tensors.floats("xvector.dense.linear.weight", DIMENSIONS * 2 * LAST)?;
        let dense = Linear::new(2 * LAST, DIMENSIONS, Vec::new(), |output, input| {
            weight[output * 2 * LAST + input]
        });
        let norm = tensors.plain_batch_norm("xvector.dense.nonlinear.batchnorm", DIMENSIONS)?;
        Ok(Self {
            fbank: Fbank::new(),
            head: Head::new(&tensors)?,
            first: first(&tensors)?,
            blocks,
            last: tensors.batch_norm("xvector.out_nonlinear.batchnorm", LAST)?,
            dense: dense.followed_by(&norm),
        })
    }

    /// The embedding of `samples` (16 kHz, -1 to 1), of length 1. `None` if there is too little sound or
    /// it gives no finite numbers.
    pub(crate) fn embed(&self, samples: &[f32]) -> Option<Vec<f32>> {
        let mut features = Vec::new();
        self.fbank.compute(samples, &mut features);
        if features.len() < 2 * crate::BANDS {
            return None;
        }
        let mut embedding = self.embed_features(&features);
        let length = embedding.iter().map(|v| v * v).sum::<f32>().sqrt();
        if !length.is_finite() || length <= f32::EPSILON {
            return None;
        }
        for value in &mut embedding {
            *value /= length;
        }
        Some(embedding)
    }

    /// What the network itself gives for frames of [`crate::BANDS`] values.
    pub fn embed_features(&self, features: &[f32]) -> Vec<f32> {
        let padded = self.head.apply(features);
        let channels = head::WIDTH;
        let steps = padded.len() / channels;
        let input = Rows {
            values: &padded,
            count: (steps - WIDTH) / 2 + 1,
            stride: 2 * channels,
        };
        let mut values = Vec::new();
        self.first.apply(input, &mut values);
        rectify(&mut values);

        for (block, transit) in &self.blocks {
            values = transit.apply(&block.apply(&values));
        }

        let statistics = self.statistics(&values);
        let mut output = Vec::new();
        let input = Rows {
            values: &statistics,
            count: 1,
            stride: statistics.len(),
        };
        self.dense.apply(input, &mut output);
        output
    }

    /// Mean and standard deviation of each channel over time.
    fn statistics(&self, values: &[f32]) -> Vec<f32> {
        let steps = values.len() / LAST;
        let mut normalised = Vec::new();
        crate::layers::normalise_rectify(values, steps, LAST, &self.last, &mut normalised);

        let mut statistics = vec![0.0_f32; 2 * LAST];
        let (mean, deviation) = statistics.split_at_mut(LAST);
        for row in normalised.chunks_exact(LAST) {
            for (sum, value) in mean.iter_mut().zip(row) {
                *sum += value;
            }
        }
        for sum in mean.iter_mut() {
            *sum /= steps as f32;
        }
        if steps == 1 {
            deviation.fill(1e-2);
            return statistics;
        }
        for row in normalised.chunks_exact(LAST) {
            for ((sum, value), mean) in deviation.iter_mut().zip(row).zip(mean.iter()) {
                *sum += (value - mean).powi(2);
            }
        }
        for sum in deviation {
            *sum = (*sum / (steps - 1) as f32).sqrt();
        }
        statistics
    }
}

/// The first layer over time; every second step is computed.
fn first(tensors: &Tensors<'_>) -> Result<Linear, SpeakersError> {
    let inputs = head::WIDTH;
    // By output, then channel and row of the head, then step in time.
    let weight = tensors.floats("xvector.tdnn.linear.weight", FIRST * inputs * WIDTH)?;
    let norm = tensors.batch_norm("xvector.tdnn.nonlinear.batchnorm", FIRST)?;
    let layer = Linear::new(inputs * WIDTH, FIRST, Vec::new(), |output, place| {
        let step = place / inputs;
        let row = place % inputs / head::CHANNELS;
        let channel = place % head::CHANNELS;
        weight[(output * inputs + channel * head::ROWS + row) * WIDTH + step]
    });
    Ok(layer.followed_by(&norm))
}
