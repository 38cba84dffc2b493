//! Densely connected layers over time: each sees the output of all before it.

use crate::{
    SpeakersError,
    layers::{Linear, Rows, normalise_rectify, rectify, sigmoid},
    tensors::{Affine, Tensors},
};

/// Channels that a layer adds.
pub(super) const GROWTH: usize = 32;
/// Channels inside a layer.
const INNER: usize = 128;
/// Channels of the mask's network.
const MASK: usize = INNER / 2;
/// Steps that share a mask.
const CONTEXT: usize = 100;
const SIDE: usize = 3;

pub(super) struct Block {
    channels: usize,
    dilation: usize,
    layers: Vec<Layer>,
}

struct Layer {
    norm: Affine,
    inner: Linear,
    local: Linear,
    mask_first: Linear,
    mask_second: Linear,
}

/// Halves the channels after a block.
pub(super) struct Transit {
    norm: Affine,
    linear: Linear,
}

impl Block {
    pub(super) fn new(
        tensors: &Tensors<'_>,
        number: usize,
        layers: usize,
        channels: usize,
        dilation: usize,
    ) -> Result<Self, SpeakersError> {
        let layers = (0..layers).map(|index| {
            let name = format!("xvector.block{number}.tdnnd{}", index + 1);
            Layer::new(tensors, &name, channels + index * GROWTH)
        });
        Ok(Self {
            channels,
            dilation,
            layers: layers.collect::<Result<_, _>>()?,
        })
    }

    /// The channels of `input` and those that the layers add, for each step.
    pub(super) fn apply(&self, input: &[f32]) -> Vec<f32> {
        let steps = input.len() / self.channels;
        let width = self.channels + self.layers.len() * GROWTH;
        let mut values = vec![0.0; steps * width];
        let rows = values.chunks_exact_mut(width);
        for (row, channels) in rows.zip(input.chunks_exact(self.channels)) {
            row[..self.channels].copy_from_slice(channels);
        }

        let mut scratch = Scratch::default();
        for (index, layer) in self.layers.iter().enumerate() {
            let known = self.channels + index * GROWTH;
            layer.apply(&values, steps, width, self.dilation, &mut scratch);
            let rows = values.chunks_exact_mut(width);
            for (row, added) in rows.zip(scratch.local.chunks_exact(GROWTH)) {
                row[known..known + GROWTH].copy_from_slice(added);
            }
        }
        values
    }
}

/// Buffers of a layer, kept to avoid allocations.
#[derive(Default)]
struct Scratch {
    normalised: Vec<f32>,
    inner: Vec<f32>,
    local: Vec<f32>,
}

impl Layer {
    fn new(tensors: &Tensors<'_>, name: &str, channels: usize) -> Result<Self, SpeakersError> {
        let inner = tensors.floats(&format!("{name}.linear1.weight"), INNER * channels)?;
        let inner_norm = tensors.batch_norm(&format!("{name}.nonlinear2.batchnorm"), INNER)?;
        let cam = format!("{name}.cam_layer");
        let local = tensors.floats(&format!("{cam}.linear_local.weight"), GROWTH * INNER * SIDE)?;
        let first = tensors.floats(&format!("{cam}.linear1.weight"), MASK * INNER)?;
        let second = tensors.floats(&format!("{cam}.linear2.weight"), GROWTH * MASK)?;

        Ok(Self {
            norm: tensors.batch_norm(&format!("{name}.nonlinear1.batchnorm"), channels)?,
            inner: Linear::new(channels, INNER, Vec::new(), |output, input| {
                inner[output * channels + input]
            })
            .followed_by(&inner_norm),
            local: Linear::new(SIDE * INNER, GROWTH, Vec::new(), |output, place| {
                let step = place / INNER;
                let input = place % INNER;
                local[(output * INNER + input) * SIDE + step]
            }),
            mask_first: Linear::new(
                INNER,
                MASK,
                tensors.floats(&format!("{cam}.linear1.bias"), MASK)?,
                |output, input| first[output * INNER + input],
            ),
            mask_second: Linear::new(
                MASK,
                GROWTH,
                tensors.floats(&format!("{cam}.linear2.bias"), GROWTH)?,
                |output, input| second[output * MASK + input],
            ),
        })
    }

    /// Leaves [`GROWTH`] values for each step in `scratch.local`.
    fn apply(
        &self,
        values: &[f32],
        steps: usize,
        width: usize,
        dilation: usize,
        scratch: &mut Scratch,
    ) {
        normalise_rectify(values, steps, width, &self.norm, &mut scratch.normalised);
        let input = Rows {
            values: &scratch.normalised,
            count: steps,
            stride: self.norm.scale.len(),
        };
        self.inner.apply(input, &mut scratch.inner);
        rectify(&mut scratch.inner);

        self.local.start(steps, &mut scratch.local);
        for part in 0..SIDE {
            // Steps before the first and after the last are zero.
            let skipped_in = (part * dilation).saturating_sub(dilation);
            let skipped_out = dilation.saturating_sub(part * dilation);
            let count = steps.saturating_sub(skipped_in.max(skipped_out));
            if count == 0 {
                continue;
            }
            let input = Rows {
                values: &scratch.inner[skipped_in * INNER..],
                count,
                stride: INNER,
            };
            let output = &mut scratch.local[skipped_out * GROWTH..];
            self.local.add_part(part, SIDE, input, output);
        }
        self.apply_mask(steps, scratch);
    }

    /// Multiplies each stretch of [`CONTEXT`] steps by a mask made of its mean and the mean of all.
    fn apply_mask(&self, steps: usize, scratch: &mut Scratch) {
        let mut sums: Vec<[f32; INNER]> = Vec::new();
        for stretch in scratch.inner.chunks(CONTEXT * INNER) {
            let mut sum = [0.0; INNER];
            for row in stretch.chunks_exact(INNER) {
                for (sum, value) in sum.iter_mut().zip(row) {
                    *sum += value;
                }
            }
            sums.push(sum);
        }

        let mut contexts = Vec::new();
        for (index, sum) in sums.iter().enumerate() {
            let count = CONTEXT.min(steps - index * CONTEXT) as f32;
            contexts.extend((0..INNER).map(|channel| {
                let all: f32 = sums.iter().map(|sum| sum[channel]).sum();
                all / steps as f32 + sum[channel] / count
            }));
        }

        let rows = |values, stride| Rows {
            values,
            count: sums.len(),
            stride,
        };
        let mut hidden = Vec::new();
        let mut mask = Vec::new();
        self.mask_first.apply(rows(&contexts, INNER), &mut hidden);
        rectify(&mut hidden);
        self.mask_second.apply(rows(&hidden, MASK), &mut mask);

        let stretches = scratch.local.chunks_mut(CONTEXT * GROWTH);
        for (stretch, mask) in stretches.zip(mask.chunks_exact_mut(GROWTH)) {
            for value in mask.iter_mut() {
                *value = sigmoid(*value);
            }
            for row in stretch.chunks_exact_mut(GROWTH) {
                for (value, factor) in row.iter_mut().zip(mask.iter()) {
                    *value *= factor;
                }
            }
        }
    }
}

impl Transit {
    pub(super) fn new(
        tensors: &Tensors<'_>,
        number: usize,
        channels: usize,
    ) -> Result<Self, SpeakersError> {
        let name = format!("xvector.transit{number}");
        let outputs = channels / 2;
        let weight = tensors.floats(&format!("{name}.linear.weight"), outputs * channels)?;
        Ok(Self {
            norm: tensors.batch_norm(&format!("{name}.nonlinear.batchnorm"), channels)?,
            linear: Linear::new(channels, outputs, Vec::new(), |output, input| {
                weight[output * channels + input]
            }),
        })
    }

    /// Half of the channels for each step.
    pub(super) fn apply(&self, values: &[f32]) -> Vec<f32> {
        let channels = self.norm.scale.len();
        let steps = values.len() / channels;
        let mut normalised = Vec::new();
        normalise_rectify(values, steps, channels, &self.norm, &mut normalised);

        let input = Rows {
            values: &normalised,
            count: steps,
            stride: channels,
        };
        let mut output = Vec::with_capacity(steps * self.linear.outputs());
        self.linear.apply(input, &mut output);
        output
    }
}
