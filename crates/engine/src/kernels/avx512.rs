//! Products for x86-64 processors with AVX-512, VNNI and bfloat16: 8-bit matrices with what follows them, convolutions, and
//! attention of the encoder. Called by `matrix`, `encoder` and `kernels`.
//!
//! Contract: a value of [`Avx512`] proves that the processor has the instructions, and only [`Avx512::detect`] makes one.
//! Each public function checks the lengths of its slices with `assert`. The functions below them read and write only the
//! rows, panels and columns that these checks cover; each says which. Results do not depend on how rows are grouped.
#![expect(
    unsafe_code,
    reason = "neither std nor rten-simd has safe loads and stores for these instructions"
)]
#![expect(
    clippy::unused_self,
    reason = "the value proves that the processor has the instructions"
)]

use std::arch::x86_64::__mmask16;

mod audio_attention;
mod bf16;
mod encoder_attention;
mod integers;
mod math;
#[cfg(test)]
mod tests;

pub(crate) use audio_attention::{ByteHead, WeightBytes};
pub(crate) use bf16::HalfMatrix;
pub(crate) use encoder_attention::AttentionMemory;

use super::integer_matrix::{Line, lines};

/// Columns of a panel of a matrix: two vectors of 32-bit sums.
const PANEL_COLUMNS: usize = 32;
/// Rows that are multiplied with all panels before the next rows are: they stay in the second-level cache.
const CACHED_ROWS: usize = 96;

/// Proof that the processor has the instructions of this module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// None where an instruction is missing.
    pub(crate) fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("avx512bf16");
        has_all.then_some(Self(()))
    }
}

/// Which of 16 places from `at` are among the first `count`.
#[inline]
fn mask(count: usize, at: usize) -> __mmask16 {
    match count.saturating_sub(at) {
        16.. => __mmask16::MAX,
        left => (1 << left) - 1,
    }
}

/// Calls `tile` with a constant number of rows, for all of `rows`: the first row, and how many.
macro_rules! in_tiles {
    ($rows:expr, $tile:ident, $($arguments:expr),*) => {{
        let rows: usize = $rows;
        let mut at = 0;
        while at < rows {
            match rows - at {
                12.. => { $tile::<12>(at, $($arguments),*); at += 12; }
                8.. => { $tile::<8>(at, $($arguments),*); at += 8; }
                4.. => { $tile::<4>(at, $($arguments),*); at += 4; }
                2.. => { $tile::<2>(at, $($arguments),*); at += 2; }
                _ => { $tile::<1>(at, $($arguments),*); at += 1; }
            }
        }
    }};
}
use in_tiles;
