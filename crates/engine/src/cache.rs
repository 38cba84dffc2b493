//! What the decoder keeps between its steps: keys and values of the audio, and of the text so far.

use std::sync::Arc;

use rten_simd::f16;

use crate::kernels::avx512::{Avx512, ByteHead};
use crate::kernels::{self, HEAD, Rows, pack_keys};

/// Keys and values of the audio of one span, for all layers. Sequences over one span share it.
pub(crate) struct Heard {
    frames: usize,
    layers: Vec<Vec<HeardHead>>,
}

/// Those of one head.
pub(crate) enum HeardHead {
    /// In half precision.
    Halves {
        /// In panels.
        keys: Vec<f16>,
        /// One row for each frame.
        values: Vec<f16>,
    },
    /// In 8 bits, for our own kernels.
    Bytes(Avx512, ByteHead),
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

    /// Adds a layer: rows of keys, then values, of all heads. `fast_kernels` keep them in 8 bits.
    pub(crate) fn push_layer(&mut self, rows: &[f32], width: usize, fast_kernels: Option<Avx512>) {
        let heads = (0..width / HEAD).map(|head| match fast_kernels {
            Some(kernels) => HeardHead::Bytes(kernels, kernels.pack_head(rows, width, head)),
            None => HeardHead::halves(rows, width, head * HEAD, self.frames),
        });
        self.layers.push(heads.collect());
    }

    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// The heads of a layer.
    pub(crate) fn layer(&self, layer: usize) -> &[HeardHead] {
        &self.layers[layer]
    }
}

impl HeardHead {
    fn halves(rows: &[f32], width: usize, offset: usize, frames: usize) -> Self {
        let stride = 2 * width;
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
        Self::Halves {
            keys: pack_keys(keys, frames),
            values,
        }
    }

    /// The products of a query with the keys. `scores` has a place for each frame, and some that fill up the last panel.
    pub(crate) fn score(&self, query: &[f32], scores: &mut [f32]) {
        match self {
            Self::Halves { keys, .. } => kernels::score_panels(query, keys, scores),
            Self::Bytes(avx512, head) => {
                let filled = head.filled();
                avx512.score_bytes(query, head, &mut scores[..filled]);
            }
        }
    }

    /// The sum of the values, each times its weight.
    pub(crate) fn weigh(&self, weights: &[f32], output: &mut [f32]) {
        match self {
            Self::Halves { values, .. } => kernels::weigh_halves(weights, values, output),
            Self::Bytes(avx512, head) => avx512.weigh_bytes(weights, head, output),
        }
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
