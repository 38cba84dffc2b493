//! What the decoder keeps between its steps: keys and values of the audio, and of the text so far.

use std::sync::Arc;

use rten_simd::f16;

use crate::kernels::avx512::{Avx512, ByteHead, WeightBytes};
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

/// A text that is being decoded. Clones share what their common tokens have.
#[derive(Clone)]
pub(crate) struct Sequence {
    pub(crate) heard: Arc<Heard>,
    tokens: Vec<TokenMemory>,
}

/// Keys and values of a token: for each layer a row of keys, then one of values.
pub(crate) type TokenMemory = Arc<[f32]>;

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

    /// Attention of a query: the sum of the values, each times its weight. `weights` gets those of the frames.
    pub(crate) fn attend(&self, query: &[f32], weights: &mut Weights, output: &mut [f32]) {
        match self {
            Self::Halves { keys, values } => {
                let scores = sized(&mut weights.frames, keys.len() / HEAD);
                kernels::score_panels(query, keys, scores);
                let scores = &mut scores[..values.len() / HEAD];
                kernels::weights_of(scores);
                kernels::weigh_halves(scores, values, output);
            }
            Self::Bytes(avx512, head) => {
                let frames = sized(&mut weights.frames, head.filled());
                avx512.attend_to_bytes(query, head, &mut weights.bytes, frames, output);
            }
        }
    }
}

/// Memory for the weights of an attention.
#[derive(Default)]
pub(crate) struct Weights {
    /// One for each frame of the audio, and some that fill up the last panel.
    pub(crate) frames: Vec<f32>,
    bytes: WeightBytes,
}

/// So many values; those that the memory had before stay.
pub(crate) fn sized(values: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if values.len() < length {
        values.resize(length, 0.0);
    }
    &mut values[..length]
}

impl Sequence {
    /// Without tokens, over what was heard.
    pub(crate) fn new(heard: &Arc<Heard>) -> Self {
        Self {
            heard: Arc::clone(heard),
            tokens: Vec::new(),
        }
    }

    /// The number of tokens so far.
    pub(crate) fn length(&self) -> usize {
        self.tokens.len()
    }

    /// Adds a token with memory for so many keys and values.
    pub(crate) fn push(&mut self, values: usize) {
        self.tokens.push(std::iter::repeat_n(0.0, values).collect());
    }

    /// The memory of a token that was added in this step.
    pub(crate) fn new_token(&mut self, position: usize) -> &mut [f32] {
        Arc::get_mut(&mut self.tokens[position]).expect("sequences are cloned between steps only")
    }

    /// The memory of the first tokens.
    pub(crate) fn tokens(&self, count: usize) -> &[TokenMemory] {
        &self.tokens[..count]
    }
}
