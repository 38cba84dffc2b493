//! One layer of an LSTM that runs in both directions.

use super::{HIDDEN, rows};
use crate::{
    SpeakersError,
    layers::{Linear, sigmoid, tanh},
    tensors::Tensors,
};

/// Gates of a cell: input, forget, cell and output.
const GATES: usize = 4 * HIDDEN;
/// Rows of weights that are added in one pass.
const ROWS: usize = 4;

/// Both directions of a layer.
pub(super) struct BothWays {
    forward: OneWay,
    backward: OneWay,
}

struct OneWay {
    input: Linear,
    /// By hidden value, then gate.
    hidden: Vec<f32>,
}

impl BothWays {
    pub(super) fn new(
        tensors: &Tensors<'_>,
        layer: usize,
        inputs: usize,
    ) -> Result<Self, SpeakersError> {
        Ok(Self {
            forward: OneWay::new(tensors, &format!("l{layer}"), inputs)?,
            backward: OneWay::new(tensors, &format!("l{layer}_reverse"), inputs)?,
        })
    }

    /// Two times [`HIDDEN`] values for each step of `input`.
    pub(super) fn apply(&self, input: &[f32]) -> Vec<f32> {
        let steps = input.len() / self.forward.input.inputs();
        let mut output = vec![0.0; steps * 2 * HIDDEN];
        let mut gates = Vec::new();

        self.forward.prepare(input, &mut gates);
        let mut state = State::new();
        for step in 0..steps {
            state.advance(&mut gates[step * GATES..][..GATES], &self.forward.hidden);
            output[step * 2 * HIDDEN..][..HIDDEN].copy_from_slice(&state.hidden);
        }

        self.backward.prepare(input, &mut gates);
        let mut state = State::new();
        for step in (0..steps).rev() {
            state.advance(&mut gates[step * GATES..][..GATES], &self.backward.hidden);
            output[(step * 2 + 1) * HIDDEN..][..HIDDEN].copy_from_slice(&state.hidden);
        }
        output
    }
}

impl OneWay {
    fn new(tensors: &Tensors<'_>, suffix: &str, inputs: usize) -> Result<Self, SpeakersError> {
        let weight = tensors.floats(&format!("lstm.weight_ih_{suffix}"), GATES * inputs)?;
        let recurrent = tensors.floats(&format!("lstm.weight_hh_{suffix}"), GATES * HIDDEN)?;
        let from_input = tensors.floats(&format!("lstm.bias_ih_{suffix}"), GATES)?;
        let from_hidden = tensors.floats(&format!("lstm.bias_hh_{suffix}"), GATES)?;

        let bias = from_input.iter().zip(&from_hidden).map(|(a, b)| a + b);
        let hidden = (0..HIDDEN)
            .flat_map(|value| (0..GATES).map(move |gate| (value, gate)))
            .map(|(value, gate)| recurrent[gate * HIDDEN + value]);
        Ok(Self {
            input: Linear::new(inputs, GATES, bias.collect(), |gate, input| {
                weight[gate * inputs + input]
            }),
            hidden: hidden.collect(),
        })
    }

    /// Replaces `gates` by what the input adds to each gate, for every step.
    fn prepare(&self, input: &[f32], gates: &mut Vec<f32>) {
        self.input.apply(rows(input, self.input.inputs()), gates);
    }
}

struct State {
    hidden: [f32; HIDDEN],
    cell: [f32; HIDDEN],
}

impl State {
    fn new() -> Self {
        Self {
            hidden: [0.0; HIDDEN],
            cell: [0.0; HIDDEN],
        }
    }

    /// One step; `gates` holds what the input adds.
    fn advance(&mut self, gates: &mut [f32], weights: &[f32]) {
        add_rows(gates, &self.hidden, weights);
        update(gates, &mut self.hidden, &mut self.cell);
    }
}

/// Adds the rows of `weights`, one for each value, times the values.
#[multiversion::multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn add_rows(sums: &mut [f32], values: &[f32; HIDDEN], weights: &[f32]) {
    let blocks = values.chunks_exact(ROWS);
    for (block, rows) in blocks.zip(weights.chunks_exact(ROWS * GATES)) {
        let (first, rest) = rows.split_at(GATES);
        let (second, rest) = rest.split_at(GATES);
        let (third, fourth) = rest.split_at(GATES);
        for (index, sum) in sums[..GATES].iter_mut().enumerate() {
            *sum += block[0] * first[index]
                + block[1] * second[index]
                + block[2] * third[index]
                + block[3] * fourth[index];
        }
    }
}

/// Moves cell and hidden values on by the gates.
#[multiversion::multiversion(targets("x86_64+avx512f", "x86_64+avx2+fma"))]
fn update(gates: &[f32], hidden: &mut [f32; HIDDEN], cell: &mut [f32; HIDDEN]) {
    let (enter, rest) = gates.split_at(HIDDEN);
    let (forget, rest) = rest.split_at(HIDDEN);
    let (candidate, leave) = rest.split_at(HIDDEN);
    for index in 0..HIDDEN {
        let kept = sigmoid(forget[index]) * cell[index];
        cell[index] = kept + sigmoid(enter[index]) * tanh(candidate[index]);
        hidden[index] = sigmoid(leave[index]) * tanh(cell[index]);
    }
}
