//! The weights, read once from the file that is compiled in.

use std::sync::LazyLock;

use safetensors::SafeTensors;

use crate::layers::{Convolution, Lstm, TAPS};

/// Hidden values of the LSTM.
pub(crate) const HIDDEN: usize = 128;

/// SHA-256 c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1.
static FILE: &[u8] = include_bytes!("../weights.safetensors");

/// The weights of this program.
pub(crate) static WEIGHTS: LazyLock<Weights> = LazyLock::new(Weights::read);

/// All layers.
pub(crate) struct Weights {
    pub(crate) encoder: [Convolution; 4],
    pub(crate) lstm: Lstm,
    pub(crate) output: Vec<f32>,
    pub(crate) output_bias: f32,
}

impl Weights {
    fn read() -> Self {
        let file = SafeTensors::deserialize(FILE).expect("the file is part of this crate");
        let tensor = |name: &str| floats(&file, name);

        let bias = tensor("lstm_cell.bias_ih")
            .iter()
            .zip(tensor("lstm_cell.bias_hh"))
            .map(|(input, hidden)| input + hidden)
            .collect();
        Self {
            encoder: [
                convolution(&file, "conv1", 1),
                convolution(&file, "conv2", 2),
                convolution(&file, "conv3", 2),
                convolution(&file, "conv4", 1),
            ],
            lstm: Lstm {
                input_weight: transposed(&tensor("lstm_cell.weight_ih"), HIDDEN),
                hidden_weight: transposed(&tensor("lstm_cell.weight_hh"), HIDDEN),
                bias,
            },
            output: tensor("final_conv.weight"),
            output_bias: tensor("final_conv.bias")[0],
        }
    }
}

fn convolution(file: &SafeTensors<'_>, name: &str, stride: usize) -> Convolution {
    let bias = floats(file, &format!("{name}.bias"));
    // By output, then input, then tap.
    let weight = floats(file, &format!("{name}.weight"));
    let outputs = bias.len();
    let inputs = weight.len() / outputs / TAPS;

    let by_tap = transposed(&weight, inputs * TAPS);
    let mut ordered = Vec::with_capacity(weight.len());
    for tap in 0..TAPS {
        for input in 0..inputs {
            ordered.extend_from_slice(&by_tap[(input * TAPS + tap) * outputs..][..outputs]);
        }
    }
    Convolution {
        inputs,
        outputs,
        stride,
        weight: ordered,
        bias,
    }
}

/// Turns rows of `width` values into columns.
fn transposed(rows: &[f32], width: usize) -> Vec<f32> {
    let height = rows.len() / width;
    (0..width)
        .flat_map(|column| (0..height).map(move |row| rows[row * width + column]))
        .collect()
}

fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let tensor = file
        .tensor(name)
        .expect("the file has every tensor of the network");
    tensor
        .data()
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))
        .collect()
}
