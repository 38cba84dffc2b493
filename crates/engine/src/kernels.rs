//! Arithmetic over slices that `rten-gemm` and `rten-vecmath` do not have: 8-bit rows, layer norm, attention of one query.
//! Written in the portable vectors of `rten-simd`, which chooses the instructions at run time. `avx512` has products for
//! processors with those instructions, and `avx2` for those with AVX2 alone; all unsafe code is in these two.
//!
//! Every function works on one row, in an order that depends on nothing else: a row's result is the same in any batch.

mod attend;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) mod integer_matrix;
mod logits;
#[cfg(not(target_arch = "x86_64"))]
mod no_x86;
mod quantise;

pub(crate) use attend::{
    HEAD, Rows, TokenRows, pack_keys, score_panels, score_tokens, weigh_halves, weigh_tokens,
};
pub(crate) use logits::exponential_sum;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use no_x86::{avx2, avx512, integer_matrix};
#[cfg(target_arch = "x86_64")]
pub(crate) use quantise::ZERO;
pub(crate) use quantise::{Then, dequantise, quantise};

use rten_simd::{SimdOp as _, SimdUnaryOp as _};
use rten_vecmath::{Gelu, Normalize, NormalizeOptions, Softmax, Sum, SumSquareSub};

/// What keeps the variance of a layer norm from zero.
const EPSILON: f32 = 1e-5;

/// Weights of a layer norm.
pub(crate) struct Norm {
    pub(crate) scale: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl Norm {
    /// Normalises each row of `input` into `output`.
    pub(crate) fn apply(&self, input: &[f32], output: &mut [f32]) {
        let width = self.scale.len();
        for (row, out) in input
            .chunks_exact(width)
            .zip(output.chunks_exact_mut(width))
        {
            let mean = Sum::new(row).dispatch() / width as f32;
            let variance = SumSquareSub::new(row, mean).dispatch() / width as f32;
            out.copy_from_slice(row);
            let options = NormalizeOptions {
                pre_scale_bias: mean,
                scale: 1.0 / (variance + EPSILON).sqrt(),
                element_scale: Some(&self.scale),
                bias: 0.0,
                element_bias: Some(&self.bias),
            };
            Normalize::new_mut(out, options).dispatch();
        }
    }
}

/// Turns a row of scores into weights that add up to 1.
pub(crate) fn softmax(row: &mut [f32]) {
    Softmax::new_mut(row).dispatch();
}

/// Turns products of a query and keys into weights.
pub(crate) fn weights_of(scores: &mut [f32]) {
    let scale = 1.0 / (HEAD as f32).sqrt();
    for score in &mut *scores {
        *score *= scale;
    }
    softmax(scores);
}

/// Puts each value through GELU.
pub(crate) fn gelu(values: &mut [f32]) {
    Gelu {}.map_mut(values);
}
