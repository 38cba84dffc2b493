//! pyannote's segmentation-3.0: who of up to three local speakers speaks, in windows of 10 s.
//!
//! From <https://huggingface.co/pyannote/segmentation-3.0> (MIT). Sinc filters, two convolutions, four
//! LSTMs in both directions, three linear layers.

mod lstm;
mod sinc;

use safetensors::SafeTensors;

use self::{lstm::BothWays, sinc::SincNet};
use crate::{
    SpeakersError,
    layers::{Linear, Rows, leaky_rectify},
    tensors::Tensors,
};

/// Samples of a window: 10 s at 16 kHz.
pub const WINDOW_SAMPLES: usize = 160_000;
/// What a frame can be: silence; speaker a, b or c; a and b, a and c, b and c.
pub const CLASSES: usize = 7;
/// Values of an LSTM in one direction.
const HIDDEN: usize = 128;
/// Channels that the filters give.
const FILTERED: usize = 60;
const LAYERS: usize = 4;

/// The network.
pub struct Segmentation {
    sinc: SincNet,
    lstm: Vec<BothWays>,
    linear: Vec<Linear>,
    classifier: Linear,
}

impl Segmentation {
    /// Reads the network from the file of [`crate::Networks`].
    pub(crate) fn new(file: &SafeTensors<'_>) -> Result<Self, SpeakersError> {
        let tensors = Tensors::new(file, "segmentation");
        let lstm = (0..LAYERS).map(|layer| {
            let inputs = if layer == 0 { FILTERED } else { 2 * HIDDEN };
            BothWays::new(&tensors, layer, inputs)
        });
        Ok(Self {
            sinc: SincNet::new(&tensors)?,
            lstm: lstm.collect::<Result<_, _>>()?,
            linear: vec![
                linear(&tensors, "linear.0", 2 * HIDDEN, HIDDEN)?,
                linear(&tensors, "linear.1", HIDDEN, HIDDEN)?,
            ],
            classifier: linear(&tensors, "classifier", HIDDEN, CLASSES)?,
        })
    }

    /// The logarithms of the probabilities of [`CLASSES`] for each frame of a window of
    /// [`WINDOW_SAMPLES`] samples, -1 to 1.
    pub fn classify(&self, window: &[f32]) -> Vec<f32> {
        let mut values = self.sinc.apply(window);
        for layer in &self.lstm {
            values = layer.apply(&values);
        }

        let mut next = Vec::new();
        for layer in &self.linear {
            layer.apply(rows(&values, layer.inputs()), &mut next);
            leaky_rectify(&mut next);
            std::mem::swap(&mut values, &mut next);
        }
        self.classifier.apply(rows(&values, HIDDEN), &mut next);

        for frame in next.chunks_exact_mut(CLASSES) {
            let sum: f32 = frame.iter().map(|value| value.exp()).sum();
            for value in frame {
                *value -= sum.ln();
            }
        }
        next
    }
}

/// All of `values` as rows of `width`.
fn rows(values: &[f32], width: usize) -> Rows<'_> {
    Rows {
        values,
        count: values.len() / width,
        stride: width,
    }
}

fn linear(
    tensors: &Tensors<'_>,
    name: &str,
    inputs: usize,
    outputs: usize,
) -> Result<Linear, SpeakersError> {
    let weight = tensors.floats(&format!("{name}.weight"), inputs * outputs)?;
    let bias = tensors.floats(&format!("{name}.bias"), outputs)?;
    Ok(Linear::new(inputs, outputs, bias, |output, input| {
        weight[output * inputs + input]
    }))
}
