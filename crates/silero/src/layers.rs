//! The layers of the network. Weights lie so that the innermost loop runs over outputs: the compiler
//! makes vector code of that without changing the order of any addition.

use crate::detector::sigmoid;
use crate::weights::HIDDEN;

/// Inputs of a convolution beside each other in time.
pub(crate) const TAPS: usize = 3;
/// Gates of a cell of an LSTM.
pub(crate) const GATES: usize = 4;
/// Rows of weights that are added in one pass over the sums.
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
    /// Replaces `output` by the result for many frames. Each frame has `steps` steps, and each step all channels. Steps outside of a frame
    /// count as zero. Returns the steps of each output frame.
    pub(crate) fn apply(&self, input: &[f32], steps: usize, output: &mut Vec<f32>) -> usize {
        let frames = input.len() / (steps * self.inputs);
        let steps_out = steps.div_ceil(self.stride);
        output.clear();
        for _ in 0..frames * steps_out {
            output.extend_from_slice(&self.bias);
        }

        let taps = self.weight.chunks_exact(self.inputs * self.outputs);
        for (tap, weight) in taps.enumerate() {
            let rows: Vec<Rows> = (0..steps_out)
                .filter_map(|step| Some((step, (step * self.stride + tap).checked_sub(1)?)))
                .filter(|(_, step_in)| *step_in < steps)
                .flat_map(|(step, step_in)| {
                    (0..frames).map(move |frame| Rows {
                        values: frame * steps + step_in,
                        sums: frame * steps_out + step,
                    })
                })
                .collect();
            add_products(output, input, weight, self.inputs, &rows);
        }
        for sum in output {
            *sum = sum.max(0.0);
        }
        steps_out
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
    /// Replaces `gates` by what the inputs add to them, for many steps.
    pub(crate) fn read_inputs(&self, inputs: &[f32], gates: &mut Vec<f32>) {
        let steps = inputs.len() / HIDDEN;
        gates.clear();
        for _ in 0..steps {
            gates.extend_from_slice(&self.bias);
        }
        let rows: Vec<Rows> = (0..steps)
            .map(|step| Rows {
                values: step,
                sums: step,
            })
            .collect();
        add_products(gates, inputs, &self.input_weight, HIDDEN, &rows);
    }

    /// Moves the state one step on. `gates` are those of the step, without what the state adds.
    pub(crate) fn step(
        &self,
        gates: &mut [f32],
        hidden: &mut [f32; HIDDEN],
        cell: &mut [f32; HIDDEN],
    ) {
        add_products(
            gates,
            hidden,
            &self.hidden_weight,
            HIDDEN,
            &[Rows { values: 0, sums: 0 }],
        );

        for index in 0..HIDDEN {
            let [enter, forget, candidate, leave] =
                [0, 1, 2, 3].map(|gate| gates[gate * HIDDEN + index]);
            cell[index] = sigmoid(forget) * cell[index] + sigmoid(enter) * tanh(candidate);
            hidden[index] = sigmoid(leave) * tanh(cell[index]);
        }
    }
}

/// The hyperbolic tangent, with an error of about 1e-7. The library's function is also exact near zero, and takes several times as long.
fn tanh(value: f32) -> f32 {
    2.0 * sigmoid(2.0 * value) - 1.0
}

/// A row of values and the row of sums that gets its products.
struct Rows {
    values: usize,
    sums: usize,
}

/// For each of `rows`: multiplies a row of `inputs` values with `weight`, which has `inputs` rows, and adds the product to a row of sums. Few rows of the weights are used at a time, for all `rows`, so that they stay in the processor's first cache.
///
/// Compiled for wider registers too, and chosen by what the processor has. Multiplication and addition are not fused, and each sum
/// gets its products in the order of the weights, so every width and every number of rows gives the same bits.
#[multiversion::multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn add_products(sums: &mut [f32], values: &[f32], weight: &[f32], inputs: usize, rows: &[Rows]) {
    let width = weight.len() / inputs;
    let blocks = weight.chunks_exact(ROWS * width);
    let remainder = blocks.remainder().chunks_exact(width);
    let first_of_remainder = inputs - remainder.len();

    for (block, weight) in blocks.enumerate() {
        let (first, rest) = weight.split_at(width);
        let (second, rest) = rest.split_at(width);
        let (third, fourth) = rest.split_at(width);
        for row in rows {
            let values = &values[row.values * inputs + block * ROWS..][..ROWS];
            let sums = &mut sums[row.sums * width..][..width];
            // Zipped, because checks of bounds would leave a part of each row to scalar code.
            let weights = first.iter().zip(second).zip(third.iter().zip(fourth));
            for (sum, ((first, second), (third, fourth))) in sums.iter_mut().zip(weights) {
                *sum +=
                    values[0] * first + values[1] * second + values[2] * third + values[3] * fourth;
            }
        }
    }
    for (at, weight) in remainder.enumerate() {
        for row in rows {
            let value = values[row.values * inputs + first_of_remainder + at];
            let sums = &mut sums[row.sums * width..][..width];
            for (sum, weight) in sums.iter_mut().zip(weight) {
                *sum += value * weight;
            }
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
