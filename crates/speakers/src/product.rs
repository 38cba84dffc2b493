//! The product of rows with the weights of a layer. Both networks spend nine tenths of their time here.
//!
//! Weights are put into panels of [`WIDTH`] outputs once, so that nothing is copied at each product, and [`ROWS`] rows
//! are multiplied at a time, so that their sums stay in registers. Plain loops: the compiler makes vector instructions
//! of them, for each kind of processor.

use multiversion::{multiversion, target::target_cfg_f};

/// Outputs of a panel: as many as one or two vector registers hold.
const WIDTH: usize = 16;
/// Rows that are multiplied at a time. With more, sums would leave the registers of processors without AVX-512.
const ROWS: usize = 6;

/// Rows in a slice: each starts `stride` values after the one before and may overlap it.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) count: usize,
    pub(crate) stride: usize,
}

/// A matrix of weights, by output and input.
pub(crate) struct Panels {
    inputs: usize,
    outputs: usize,
    /// By panel, then input. The last panel is filled up with zeros.
    weights: Vec<[f32; WIDTH]>,
}

/// A panel and the outputs that it has.
struct Panel<'a> {
    weights: &'a [[f32; WIDTH]],
    first: usize,
    count: usize,
}

impl Panels {
    /// Of the weights `weight(output, input)`.
    pub(crate) fn new(inputs: usize, outputs: usize, weight: impl Fn(usize, usize) -> f32) -> Self {
        let row = |first: usize, input: usize| {
            std::array::from_fn(|at| match first + at {
                output if output < outputs => weight(output, input),
                _ => 0.0,
            })
        };
        let panels = (0..outputs).step_by(WIDTH);
        Self {
            inputs,
            outputs,
            weights: panels
                .flat_map(|first| (0..inputs).map(move |input| (first, input)))
                .map(|(first, input)| row(first, input))
                .collect(),
        }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Multiplies the weights of each output by a factor.
    pub(crate) fn scale(&mut self, factors: &[f32]) {
        let panels = self.weights.chunks_exact_mut(self.inputs);
        for (panel, factors) in panels.zip(factors.chunks(WIDTH)) {
            for weights in panel {
                for (weight, factor) in weights.iter_mut().zip(factors) {
                    *weight *= factor;
                }
            }
        }
    }

    /// Adds the product to `output`, a row of sums for each row. The rows have `inputs` values, from the input `from` on.
    pub(crate) fn add(&self, from: usize, inputs: usize, rows: Rows<'_>, output: &mut [f32]) {
        let panels = self.weights.chunks_exact(self.inputs);
        for (panel, first) in panels.zip((0..self.outputs).step_by(WIDTH)) {
            let panel = Panel {
                weights: &panel[from..from + inputs],
                first,
                count: WIDTH.min(self.outputs - first),
            };
            add_panel(rows, &panel, self.outputs, output);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+fma", "x86_64+avx2+fma"))]
fn add_panel(rows: Rows<'_>, panel: &Panel<'_>, outputs: usize, output: &mut [f32]) {
    if target_cfg_f!(target_feature = "fma") {
        add_rows::<true>(rows, panel, outputs, output);
    } else {
        add_rows::<false>(rows, panel, outputs, output);
    }
}

#[expect(
    clippy::inline_always,
    reason = "otherwise it is compiled for the oldest processor"
)]
#[inline(always)]
fn add_rows<const FUSED: bool>(
    rows: Rows<'_>,
    panel: &Panel<'_>,
    outputs: usize,
    output: &mut [f32],
) {
    let inputs = panel.weights.len();
    let row = |index: usize| &rows.values[index * rows.stride..][..inputs];
    let mut store = |index: usize, sums: &[f32; WIDTH]| {
        let place = &mut output[index * outputs + panel.first..][..panel.count];
        for (value, sum) in place.iter_mut().zip(sums) {
            *value += sum;
        }
    };

    let whole = rows.count - rows.count % ROWS;
    for first in (0..whole).step_by(ROWS) {
        let block: [&[f32]; ROWS] = std::array::from_fn(|at| row(first + at));
        for (at, sums) in sums::<FUSED>(block, panel.weights).iter().enumerate() {
            store(first + at, sums);
        }
    }
    for index in whole..rows.count {
        store(index, &sums_of_one::<FUSED>(row(index), panel.weights));
    }
}

/// The sums of products of [`ROWS`] rows with a panel. `FUSED`: the processor multiplies and adds in one instruction.
///
/// Each row has a variable of its own: a compiler without link-time optimisation keeps an array of them in memory.
#[expect(
    clippy::inline_always,
    reason = "otherwise it is compiled for the oldest processor"
)]
#[expect(
    clippy::similar_names,
    reason = "they differ in the number of the row, and belong together"
)]
#[inline(always)]
fn sums<const FUSED: bool>(rows: [&[f32]; ROWS], weights: &[[f32; WIDTH]]) -> [[f32; WIDTH]; ROWS] {
    let inputs = weights.len();
    let [row0, row1, row2, row3, row4, row5] = rows;
    let (row0, row1, row2) = (&row0[..inputs], &row1[..inputs], &row2[..inputs]);
    let (row3, row4, row5) = (&row3[..inputs], &row4[..inputs], &row5[..inputs]);
    let [
        mut sums0,
        mut sums1,
        mut sums2,
        mut sums3,
        mut sums4,
        mut sums5,
    ] = [[0.0_f32; WIDTH]; ROWS];
    for (input, weights) in weights.iter().enumerate() {
        add_products::<FUSED>(&mut sums0, row0[input], weights);
        add_products::<FUSED>(&mut sums1, row1[input], weights);
        add_products::<FUSED>(&mut sums2, row2[input], weights);
        add_products::<FUSED>(&mut sums3, row3[input], weights);
        add_products::<FUSED>(&mut sums4, row4[input], weights);
        add_products::<FUSED>(&mut sums5, row5[input], weights);
    }
    [sums0, sums1, sums2, sums3, sums4, sums5]
}

/// The sums of products of one row with a panel.
#[expect(
    clippy::inline_always,
    reason = "otherwise it is compiled for the oldest processor"
)]
#[inline(always)]
fn sums_of_one<const FUSED: bool>(row: &[f32], weights: &[[f32; WIDTH]]) -> [f32; WIDTH] {
    let mut sums = [0.0; WIDTH];
    for (value, weights) in row.iter().zip(weights) {
        add_products::<FUSED>(&mut sums, *value, weights);
    }
    sums
}

/// Adds `value` times the weights.
#[expect(
    clippy::inline_always,
    reason = "otherwise it is compiled for the oldest processor"
)]
#[inline(always)]
fn add_products<const FUSED: bool>(sums: &mut [f32; WIDTH], value: f32, weights: &[f32; WIDTH]) {
    for (sum, weight) in sums.iter_mut().zip(weights) {
        *sum = if FUSED {
            value.mul_add(*weight, *sum)
        } else {
            *sum + value * weight
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that depends on both.
    fn value(left: usize, right: usize) -> f32 {
        ((left * 7 + right * 13) % 11) as f32 - 5.0
    }

    #[test]
    fn products_of_all_shapes_are_those_of_plain_sums() {
        for (count, inputs, outputs) in [(1, 1, 1), (5, 3, 7), (6, 4, 16), (13, 9, 80), (20, 5, 33)]
        {
            let panels = Panels::new(inputs + 2, outputs, value);
            let stride = inputs + 1;
            let values: Vec<f32> = (0..count * stride).map(|at| value(at, 3)).collect();
            let rows = Rows {
                values: &values,
                count,
                stride,
            };
            let mut output = vec![1.0; count * outputs];
            panels.add(2, inputs, rows, &mut output);

            for row in 0..count {
                for out in 0..outputs {
                    let products = (0..inputs)
                        .map(|input| values[row * stride + input] * value(out, input + 2));
                    let sum: f32 = products.sum();
                    let found = output[row * outputs + out];
                    assert!(
                        (found - sum - 1.0).abs() < 1e-3,
                        "{count} {outputs}: {found}"
                    );
                }
            }
        }
    }
}
