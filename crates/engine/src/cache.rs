//! What the decoder keeps between its steps: keys and values of the audio, and of the text so far.

use std::sync::Arc;

use rten_simd::f16;

use crate::kernels::{HEAD, Rows, pack_keys};

/// Keys and values of the audio of one span, for all layers. Sequences over one span share it.
pub(crate) struct Heard {
    frames: usize,
    layers: Vec<Vec<HeardHead>>,
}

/// Those of one head.
pub(crate) struct HeardHead {
    /// In panels.
    pub(crate) keys: Vec<f16>,
    /// One row for each frame.
    pub(crate) values: Vec<f16>,
}

/// A text that is being decoded.
#[derive(Clone)]
pub(crate) struct Sequence {
    pub(crate) heard: Arc<Heard>,
    pub(crate) layers: Vec<Own>,
    /// Tokens so far.
    pub(crate) length: usize,
}

/// Keys and values of the tokens so far, in one layer: one row for each token.
#[derive(Clone, Default)]
pub(crate) struct Own {
    pub(crate) keys: Vec<f32>,
    pub(crate) values: Vec<f32>,
}

impl Heard {
    pub(crate) fn new(frames: usize) -> Self {
        Self {
            frames,
            layers: Vec::new(),
        }
    }

    /// Adds a layer: rows of keys, then values, of all heads.
    pub(crate) fn push_layer(&mut self, rows: &[f32], width: usize) {
        let stride = 2 * width;
        let heads = (0..width)
            .step_by(HEAD)
            .map(|offset| {
                let keys = Rows {
                    values: rows,
                    stride,
                    offset,
                };
                let values = rows
                    .chunks_exact(stride)
                    .flat_map(|row| &row[width + offset..][..HEAD])
                    .map(|value| f16::from_f32(*value))
                    .collect();
                HeardHead {
                    keys: pack_keys(keys, self.frames),
                    values,
                }
            })
            .collect();
        self.layers.push(heads);
    }

    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// The heads of a layer.
    pub(crate) fn layer(&self, layer: usize) -> &[HeardHead] {
        &self.layers[layer]
    }
}

impl Sequence {
    pub(crate) fn new(heard: Arc<Heard>, layers: usize) -> Self {
        Self {
            heard,
            layers: vec![Own::default(); layers],
            length: 0,
        }
    }
}
