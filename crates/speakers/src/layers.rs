//! What both networks are made of: matrix products over rows that may overlap, and functions of each
//! value. Activations lie in rows, one per step in time, all channels of a step beside each other.

use crate::{product::Panels, tensors::Affine};

pub(crate) use crate::product::Rows;

/// A linear layer or a convolution.
pub(crate) struct Linear {
    weights: Panels,
    /// Empty if there is none.
    bias: Vec<f32>,
}

impl Linear {
    /// A layer with the weights `weight(output, input)`.
    pub(crate) fn new(
        inputs: usize,
        outputs: usize,
        bias: Vec<f32>,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        Self {
            weights: Panels::new(inputs, outputs, weight),
            bias,
        }
    }

    /// Puts a normalisation that follows the layer into its weights.
    pub(crate) fn followed_by(mut self, affine: &Affine) -> Self {
        self.weights.scale(&affine.scale);
        self.bias.resize(self.outputs(), 0.0);
        for (channel, bias) in self.bias.iter_mut().enumerate() {
            *bias = *bias * affine.scale[channel] + affine.shift[channel];
        }
        self
    }

    pub(crate) fn inputs(&self) -> usize {
        self.weights.inputs()
    }

    pub(crate) fn outputs(&self) -> usize {
        self.weights.outputs()
    }

    /// Replaces `output` by the result for the rows of `input`.
    pub(crate) fn apply(&self, input: Rows<'_>, output: &mut Vec<f32>) {
        self.start(input.count, output);
        self.add(input, output);
    }

    /// Fills `output` with the bias.
    pub(crate) fn start(&self, count: usize, output: &mut Vec<f32>) {
        output.clear();
        if self.bias.is_empty() {
            output.resize(count * self.outputs(), 0.0);
            return;
        }
        for _ in 0..count {
            output.extend_from_slice(&self.bias);
        }
    }

    /// Adds the product with the rows of `input` to `output`.
    pub(crate) fn add(&self, input: Rows<'_>, output: &mut [f32]) {
        self.weights.add(0, self.inputs(), input, output);
    }

    /// Adds the product with rows of `inputs / parts` values, using one part of the weights.
    pub(crate) fn add_part(&self, part: usize, parts: usize, input: Rows<'_>, output: &mut [f32]) {
        let inputs = self.inputs() / parts;
        self.weights.add(part * inputs, inputs, input, output);
    }
}

/// Sets negative values to zero.
pub(crate) fn rectify(values: &mut [f32]) {
    for value in values {
        *value = value.max(0.0);
    }
}

/// Scales negative values down to a hundredth.
pub(crate) fn leaky_rectify(values: &mut [f32]) {
    for value in values {
        *value = value.max(0.01 * *value);
    }
}

/// Replaces `output` by the normalised and rectified rows of `input`, `affine` long, `stride` apart.
#[multiversion::multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
pub(crate) fn normalise_rectify(
    input: &[f32],
    count: usize,
    stride: usize,
    affine: &Affine,
    output: &mut Vec<f32>,
) {
    let width = affine.scale.len();
    output.resize(count * width, 0.0);
    let rows = input.chunks(stride).zip(output.chunks_exact_mut(width));
    for (row, out) in rows {
        let factors = affine.scale.iter().zip(&affine.shift);
        for ((out, value), (scale, shift)) in out.iter_mut().zip(row).zip(factors) {
            *out = (value * scale + shift).max(0.0);
        }
    }
}

/// e to the power of `value`, within 2e-7 of it. Without branches, so that the compiler can do many at
/// a time.
#[inline]
pub(crate) fn exp(value: f32) -> f32 {
    // 1.5 * 2^23: adding it rounds to a whole number, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, so that their product with a whole number loses no bits.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;

    let value = value.clamp(-87.0, 88.0);
    let shifted = value * LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = value - whole * LN2_HIGH - whole * LN2_LOW;

    let mut sum = 1.987_569_1e-4;
    for coefficient in [
        1.398_2e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        0.166_666_65,
        0.5,
        1.0,
        1.0,
    ] {
        sum = sum * rest + coefficient;
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    sum * power
}

/// The logistic function.
#[inline]
pub(crate) fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + exp(-value))
}

/// The hyperbolic tangent.
#[inline]
pub(crate) fn tanh(value: f32) -> f32 {
    2.0 * sigmoid(2.0 * value) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_library() {
        for step in -8600..8800 {
            let value = step as f32 / 100.0;
            let relative = exp(value) / value.exp() - 1.0;
            assert!(relative.abs() < 5e-7, "{value}: {relative}");
        }
    }
}
