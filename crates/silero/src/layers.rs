//! The layers of the network. Weights lie so that the innermost loop runs over outputs: the compiler
//! makes vector code of that without changing the order of any addition.

use crate::detector::sigmoid;
use crate::weights::HIDDEN;

/// Inputs of a convolution beside each other in time.
pub(crate) const TAPS: usize = 3;
/// Rows that are added in one pass over the outputs.
const ROWS: usize = 4;

/// A convolution over time with three taps, one step of padding at either end, and no value below zero.
pub(crate) struct Convolution {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Steps of the input for each step of the output.
    pub(crate) stride: usize,
    /// By tap, then input, then output.
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl Convolution {
    /// Replaces `output` by the result. Both hold all channels of a step, then those of the next.
    pub(crate) fn apply(&self, input: &[f32], output: &mut Vec<f32>) {
        let steps = input.len() / self.inputs;
        output.clear();
        for step in 0..steps.div_ceil(self.stride) {
            let from = output.len();
            output.extend_from_slice(&self.bias);
            let sums = &mut output[from..];

            for tap in 0..TAPS {
                // Steps before the first and after the last are zero.
                let Some(at) = (step * self.stride + tap)
                    .checked_sub(1)
                    .filter(|at| *at < steps)
                else {
                    continue;
                };
                let values = &input[at * self.inputs..][..self.inputs];
                let weight = &self.weight[tap * self.inputs * self.outputs..];
                add_rows(sums, values, weight);
            }
            for sum in sums {
                *sum = sum.max(0.0);
            }
        }
    }
}

/// A cell of an LSTM with as many inputs as hidden values.
pub(crate) struct Lstm {
    /// By input, then gate and hidden value: input, forget, cell and output gate.
    pub(crate) input_weight: Vec<f32>,
    pub(crate) hidden_weight: Vec<f32>,
    /// Of both, added up.
    pub(crate) bias: Vec<f32>,
}

impl Lstm {
    /// Moves the state one step on.
    pub(crate) fn step(&self, input: &[f32], hidden: &mut [f32; HIDDEN], cell: &mut [f32; HIDDEN]) {
        let mut gates = self.bias.clone();
        add_rows(&mut gates, input, &self.input_weight);
        add_rows(&mut gates, hidden, &self.hidden_weight);

        for index in 0..HIDDEN {
            let [enter, forget, candidate, leave] =
                [0, 1, 2, 3].map(|gate| gates[gate * HIDDEN + index]);
            cell[index] = sigmoid(forget) * cell[index] + sigmoid(enter) * candidate.tanh();
            hidden[index] = sigmoid(leave) * cell[index].tanh();
        }
    }
}

/// Adds to `sums` the rows of `weight` (one for each value, as long as `sums`), times the values.
///
/// Compiled for wider registers too, and chosen by what the processor has. Multiplication and
/// addition are not fused, so every width gives the same bits.
#[multiversion::multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn add_rows(sums: &mut [f32], values: &[f32], weight: &[f32]) {
    let width = sums.len();
    let blocks = values.chunks_exact(ROWS);
    let remainder = blocks.remainder();

    let mut rows = weight.chunks_exact(width);
    for block in blocks {
        let mut row = || rows.next().expect("there is a row for each value");
        let [first, second, third, fourth] = [row(), row(), row(), row()];
        for (index, sum) in sums.iter_mut().enumerate() {
            *sum += block[0] * first[index]
                + block[1] * second[index]
                + block[2] * third[index]
                + block[3] * fourth[index];
        }
    }
    for (value, row) in remainder.iter().zip(rows) {
        for (sum, weight) in sums.iter_mut().zip(row) {
            *sum += value * weight;
        }
    }
}

/// The sum of products, from the first to the last.
pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum()
}
