//! Rows of 8-bit integers: activations on their way into a product, and its sums on their way back.
#![expect(
    clippy::inline_always,
    reason = "vector code must become part of the function that dispatch compiles for a processor"
)]

use rten_simd::ops::{BitOps as _, FloatOps as _, NarrowSaturate as _, NumOps as _, ToFloat as _};
use rten_simd::{Isa, Simd as _, SimdOp, SimdUnaryOp as _};
use rten_vecmath::Gelu;

/// The value that represents zero in a row of activations.
pub(crate) const ZERO: u8 = 128;
/// The largest distance from it.
const RANGE: f32 = 127.0;

/// What is done with the result of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Stored.
    Store,
    /// Put through GELU, then stored.
    Gelu,
    /// Added to what is there.
    Add,
}

/// Writes a row as 8-bit integers and returns its scale.
pub(crate) fn quantise(row: &[f32], quantised: &mut [u8]) -> f32 {
    let largest = AbsoluteMaximum { row }.dispatch().max(1e-9);
    let operation = Quantise {
        row,
        inverse: RANGE / largest,
        quantised,
    };
    operation.dispatch();
    largest / RANGE
}

/// `sums * scale * column_scales + bias`, and then what `then` says, into `output`.
pub(crate) fn dequantise(
    sums: &[i32],
    scale: f32,
    column_scales: &[f32],
    bias: &[f32],
    then: Then,
    output: &mut [f32],
) {
    let operation = Dequantise {
        sums,
        scale,
        column_scales,
        bias,
        then,
        output,
    };
    operation.dispatch();
}

struct AbsoluteMaximum<'a> {
    row: &'a [f32],
}

impl SimdOp for AbsoluteMaximum<'_> {
    type Output = f32;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> f32 {
        let ops = isa.f32();
        let mut chunks = self.row.chunks_exact(ops.len());
        let mut largest = ops.zero();
        for chunk in chunks.by_ref() {
            largest = ops.max(largest, ops.abs(ops.load(chunk)));
        }

        let lanes = largest.to_array();
        let all = lanes
            .into_iter()
            .chain(chunks.remainder().iter().map(|x| x.abs()));
        all.fold(0.0, f32::max)
    }
}

struct Quantise<'a> {
    row: &'a [f32],
    inverse: f32,
    quantised: &'a mut [u8],
}

impl SimdOp for Quantise<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let integers = isa.i32();
        let inverse = ops.splat(self.inverse);
        let zero = integers.splat(i32::from(ZERO));
        let step = 4 * ops.len();
        let whole = self.row.len() / step * step;

        let rows = self.row.chunks_exact(step);
        for (row, quantised) in rows.zip(self.quantised.chunks_exact_mut(step)) {
            // Written out: `map` over an array would leave the function that is compiled for the processor.
            let [first, second, third, fourth] = ops.load_many::<4>(row);
            let first = ops.to_int_round(ops.mul(first, inverse));
            let second = ops.to_int_round(ops.mul(second, inverse));
            let third = ops.to_int_round(ops.mul(third, inverse));
            let fourth = ops.to_int_round(ops.mul(fourth, inverse));
            let low =
                integers.narrow_saturate(integers.add(first, zero), integers.add(second, zero));
            let high =
                integers.narrow_saturate(integers.add(third, zero), integers.add(fourth, zero));
            isa.u8()
                .store(isa.i16().narrow_saturate(low, high), quantised);
        }

        for at in whole..self.row.len() {
            let rounded = (self.row[at] * self.inverse).round_ties_even() as i32;
            self.quantised[at] = (rounded + i32::from(ZERO)).clamp(0, 255) as u8;
        }
    }
}

struct Dequantise<'a> {
    sums: &'a [i32],
    scale: f32,
    column_scales: &'a [f32],
    bias: &'a [f32],
    then: Then,
    output: &'a mut [f32],
}

impl SimdOp for Dequantise<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let integers = isa.i32();
        let width = ops.len();
        let scale = ops.splat(self.scale);
        let whole = self.sums.len() / width * width;

        let sums = self.sums.chunks_exact(width);
        let column_scales = self.column_scales.chunks_exact(width);
        let bias = self.bias.chunks_exact(width);
        let outputs = self.output.chunks_exact_mut(width);
        for (((sums, column_scales), bias), output) in
            sums.zip(column_scales).zip(bias).zip(outputs)
        {
            let sums = integers.to_float(integers.load(sums));
            let scale = ops.mul(scale, ops.load(column_scales));
            let value = ops.mul_add(sums, scale, ops.load(bias));
            let value = match self.then {
                Then::Store => value,
                Then::Gelu => Gelu {}.eval(isa, value),
                Then::Add => ops.add(value, ops.load(output)),
            };
            ops.store(value, output);
        }

        // Columns beyond the last whole vector.
        for at in whole..self.sums.len() {
            let scale = self.scale * self.column_scales[at];
            let value = (self.sums[at] as f32).mul_add(scale, self.bias[at]);
            let mut lane = [value];
            match self.then {
                Then::Store => self.output[at] = value,
                Then::Gelu => {
                    Gelu {}.map_mut(&mut lane);
                    self.output[at] = lane[0];
                }
                Then::Add => self.output[at] += value,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gelu(value: f32) -> f32 {
        // The error function as a sum: exact enough, and nothing like the vector form.
        let x = f64::from(value) / std::f64::consts::SQRT_2;
        let mut term = x;
        let mut sum = x;
        for n in 1..200_u32 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        let erf = (2.0 / std::f64::consts::PI.sqrt() * sum).clamp(-1.0, 1.0);
        (0.5 * f64::from(value) * (1.0 + erf)) as f32
    }

    proptest! {
        /// Any length, so that whole vectors and what is left over both occur.
        #[test]
        fn a_row_comes_back_within_half_a_step(row in prop::collection::vec(-9.0_f32..9.0, 1..200)) {
            let mut quantised = vec![0; row.len()];
            let step = quantise(&row, &mut quantised);
            for (value, integer) in row.iter().zip(quantised) {
                let back = (f32::from(integer) - f32::from(ZERO)) * step;
                prop_assert!((back - value).abs() <= 0.51 * step, "{back} is not {value}");
            }
        }

        #[test]
        fn sums_are_scaled_as_one_by_one(
            columns in prop::collection::vec((-9_000..9_000_i32, 0.0_f32..0.001, -1.0_f32..1.0), 1..100),
            scale in 0.0_f32..0.4,
        ) {
            let sums: Vec<i32> = columns.iter().map(|column| column.0).collect();
            let scales: Vec<f32> = columns.iter().map(|column| column.1).collect();
            let bias: Vec<f32> = columns.iter().map(|column| column.2).collect();
            for then in [Then::Store, Then::Gelu, Then::Add] {
                let mut output = vec![0.5; sums.len()];
                dequantise(&sums, scale, &scales, &bias, then, &mut output);
                for (output, (sum, column, bias)) in output.iter().zip(&columns) {
                    let value = *sum as f32 * scale * column + bias;
                    let expected = match then {
                        Then::Store => value,
                        Then::Gelu => gelu(value),
                        Then::Add => value + 0.5,
                    };
                    prop_assert!((output - expected).abs() < 1e-4, "{output} is not {expected}");
                }
            }
        }
    }
}
