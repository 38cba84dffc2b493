//! Products of 8-bit rows with 8-bit matrices for x86-64 processors with AVX2 and without AVX-512. Uses the dot products of
//! AVX-VNNI if the processor has them. Called by `matrix`.
//!
//! Contract: a value of [`Avx2`] proves that the processor has the instructions, and only [`Avx2::detect`] makes one. `multiply` checks
//! the lengths of its slices with `assert`. The functions below it read and write only the rows, panels and columns that
//! these checks cover; each says which. Results do not depend on how rows are grouped.
#![expect(
    unsafe_code,
    reason = "neither std nor rten-simd has safe loads and stores for these instructions"
)]
#![expect(
    clippy::inline_always,
    reason = "the code must become part of a function that is compiled for the instructions"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "with iterators, the compiler keeps sums in memory instead of registers"
)]

use std::arch::x86_64::{
    __m256i, _mm256_abs_epi8, _mm256_add_epi32, _mm256_add_ps, _mm256_cmpgt_epi32,
    _mm256_cvtepi32_ps, _mm256_dpbusd_avx_epi32, _mm256_fmadd_ps, _mm256_load_si256,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_si256, _mm256_sign_epi8,
    _mm256_sub_epi32, _mm256_xor_si256,
};

use super::integer_matrix::{Epilogue, GROUP, IntegerMatrix};
use super::{Then, ZERO, gelu};

/// Columns of a panel: two vectors of 32-bit sums.
const PANEL_COLUMNS: usize = 16;
/// 32-bit values of a vector.
const LANES: usize = 8;
/// Rows that are multiplied with all panels before the next rows are: they stay in the second-level cache.
const CACHED_ROWS: usize = 48;

/// Proof that the processor has the instructions of this module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2 {
    /// Whether it has those of AVX-VNNI too.
    has_vnni: bool,
}

impl Avx2 {
    /// None where an instruction is missing.
    pub(crate) fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        has_all.then(|| Self {
            has_vnni: is_x86_feature_detected!("avxvnni"),
        })
    }

    /// Without AVX-VNNI, as on a processor that lacks it.
    #[cfg(test)]
    fn without_vnni(mut self) -> Self {
        self.has_vnni = false;
        self
    }

    /// The name of its instructions.
    pub(crate) fn name(self) -> &'static str {
        if self.has_vnni { "avx-vnni" } else { "avx2" }
    }

    /// Packs `weights`, which have one row for each output. `inputs` is a multiple of 4.
    #[expect(clippy::unused_self, reason = "as the other kernels have it")]
    pub(crate) fn pack(self, weights: &[i8], inputs: usize) -> IntegerMatrix {
        IntegerMatrix::new(weights, inputs, PANEL_COLUMNS)
    }

    /// The products of `rows` with the matrix, one row after the other. Values are from 1 to 255, and weights from -127 to 127.
    pub(crate) fn multiply(
        self,
        rows: &[u8],
        matrix: &IntegerMatrix,
        epilogue: Epilogue<'_>,
        output: &mut [f32],
    ) {
        matrix.assert_fits(PANEL_COLUMNS, rows, epilogue, output);
        let cached_rows = rows.chunks(CACHED_ROWS * matrix.inputs);
        let cached_output = output.chunks_mut(CACHED_ROWS * matrix.outputs);
        let cached_scales = epilogue.row_scales.chunks(CACHED_ROWS);
        for ((rows, output), row_scales) in cached_rows.zip(cached_output).zip(cached_scales) {
            let epilogue = Epilogue {
                row_scales,
                ..epilogue
            };
            // SAFETY: `self` proves that the instructions are there. The lengths fit, because those above do.
            unsafe {
                if self.has_vnni {
                    multiply_vnni(rows, matrix, epilogue, output);
                } else {
                    multiply_pairs(rows, matrix, epilogue, output);
                }
            }
            if epilogue.then == Then::Gelu {
                gelu(output);
            }
        }
    }
}

/// How four products are added to each of eight sums.
trait Dot {
    /// The sums to begin with. `zeros` are the sums of a row of zeros, which are subtracted at the end.
    ///
    /// # Safety
    /// As for `add`.
    unsafe fn start(zeros: __m256i) -> __m256i;

    /// # Safety
    /// The processor has the instructions, and the caller is compiled for them.
    unsafe fn add(sums: __m256i, values: __m256i, weights: __m256i) -> __m256i;
}

/// In one instruction.
struct Vnni;

impl Dot for Vnni {
    #[inline(always)]
    unsafe fn start(_: __m256i) -> __m256i {
        // SAFETY: as the caller promises.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn add(sums: __m256i, values: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: as the caller promises.
        unsafe { _mm256_dpbusd_avx_epi32(sums, values, weights) }
    }
}

/// By adding two products in 16 bits. These sums do not overflow, because values become signed first: their absolute value is at
/// most 127, and the weight takes their sign.
struct Pairs;

impl Dot for Pairs {
    #[inline(always)]
    unsafe fn start(zeros: __m256i) -> __m256i {
        zeros
    }

    #[inline(always)]
    unsafe fn add(sums: __m256i, values: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: as the caller promises.
        unsafe {
            let values = _mm256_xor_si256(values, _mm256_set1_epi8(ZERO.cast_signed()));
            let pairs =
                _mm256_maddubs_epi16(_mm256_abs_epi8(values), _mm256_sign_epi8(weights, values));
            _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }
}

/// # Safety
/// The processor has AVX2, FMA and AVX-VNNI. The lengths of the slices are those that `IntegerMatrix::assert_fits` checks.
#[target_feature(enable = "avx2,fma,avxvnni")]
unsafe fn multiply_vnni(
    rows: &[u8],
    matrix: &IntegerMatrix,
    epilogue: Epilogue<'_>,
    output: &mut [f32],
) {
    // SAFETY: as the caller promises.
    unsafe { multiply::<Vnni>(rows, matrix, epilogue, output) }
}

/// # Safety
/// As for `multiply_vnni`, without AVX-VNNI.
#[target_feature(enable = "avx2,fma")]
unsafe fn multiply_pairs(
    rows: &[u8],
    matrix: &IntegerMatrix,
    epilogue: Epilogue<'_>,
    output: &mut [f32],
) {
    // SAFETY: as the caller promises.
    unsafe { multiply::<Pairs>(rows, matrix, epilogue, output) }
}

/// # Safety
/// The caller is compiled for AVX2, FMA and the instructions of `D`, and the lengths fit as for `multiply_vnni`.
#[inline(always)]
unsafe fn multiply<D: Dot>(
    rows: &[u8],
    matrix: &IntegerMatrix,
    epilogue: Epilogue<'_>,
    output: &mut [f32],
) {
    let count = epilogue.row_scales.len();
    for column in (0..matrix.outputs).step_by(PANEL_COLUMNS) {
        let (rows, output) = (rows.as_ptr(), output.as_mut_ptr());
        let mut first = 0;
        while first < count {
            // SAFETY: the rows of each tile are among `count`, and the matrix has a panel at `column`.
            first += unsafe {
                match count - first {
                    6.. => tile::<D, 6>(first, rows, column, matrix, epilogue, output),
                    2..6 => tile::<D, 2>(first, rows, column, matrix, epilogue, output),
                    _ => tile::<D, 1>(first, rows, column, matrix, epilogue, output),
                }
            };
        }
    }
}

/// Rows `first..first + ROWS` of `rows` times the panel at `column`, into the same rows of `output`. Returns `ROWS`.
/// The sums of six rows take twelve of the sixteen registers.
///
/// # Safety
/// The caller is compiled as for `multiply`. `rows`, `output` and the row scales have these rows, and a panel begins at `column`.
#[inline(always)]
unsafe fn tile<D: Dot, const ROWS: usize>(
    first: usize,
    rows: *const u8,
    column: usize,
    matrix: &IntegerMatrix,
    epilogue: Epilogue<'_>,
    output: *mut f32,
) -> usize {
    let inputs = matrix.inputs;
    // SAFETY: a panel has `inputs` times 16 bytes and begins at a line; each row has `inputs` bytes, a multiple of 4.
    unsafe {
        let zeros = matrix.zeros.as_ptr().add(column);
        let low = D::start(_mm256_loadu_si256(zeros.cast()));
        let high = D::start(_mm256_loadu_si256(zeros.add(LANES).cast()));
        let mut sums = [[low, high]; ROWS];
        let rows = rows.add(first * inputs);
        let mut weights = matrix.panels.as_ptr().cast::<u8>().add(column * inputs);
        for at in (0..inputs).step_by(GROUP) {
            let low = _mm256_load_si256(weights.cast());
            let high = _mm256_load_si256(weights.add(32).cast());
            weights = weights.add(64);
            for row in 0..ROWS {
                let values = rows.add(row * inputs + at).cast::<i32>().read_unaligned();
                let values = _mm256_set1_epi32(values);
                sums[row][0] = D::add(sums[row][0], values, low);
                sums[row][1] = D::add(sums[row][1], values, high);
            }
        }

        for row in 0..ROWS {
            for half in 0..2 {
                let column = column + half * LANES;
                store(
                    sums[row][half],
                    first + row,
                    column,
                    matrix,
                    epilogue,
                    output,
                );
            }
        }
    }
    ROWS
}

/// Applies the epilogue to the sums of 8 columns from `column`, and writes those that the matrix has into `row`.
///
/// # Safety
/// The caller is compiled as for `multiply`. `output` and the row scales have the row, and the matrix, column scales and biases
/// have 8 columns from `column`, padding included.
#[inline(always)]
unsafe fn store(
    sums: __m256i,
    row: usize,
    column: usize,
    matrix: &IntegerMatrix,
    epilogue: Epilogue<'_>,
    output: *mut f32,
) {
    // SAFETY: as the caller promises; the mask leaves out columns that are only padding.
    unsafe {
        let left = matrix.outputs.saturating_sub(column).min(LANES) as i32;
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(left), lanes);

        let zeros = _mm256_loadu_si256(matrix.zeros.as_ptr().add(column).cast());
        let column_scales = _mm256_loadu_ps(epilogue.column_scales.as_ptr().add(column));
        let bias = _mm256_loadu_ps(epilogue.bias.as_ptr().add(column));
        let scale = _mm256_set1_ps(*epilogue.row_scales.as_ptr().add(row));
        let scale = _mm256_mul_ps(scale, column_scales);
        let sums = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums, zeros));
        let value = _mm256_fmadd_ps(sums, scale, bias);

        // This may be past the end of the last row. Then the mask is empty, and nothing is read or written.
        let place = output.wrapping_add(row * matrix.outputs + column);
        let value = match epilogue.then {
            // GELU follows when all columns are there.
            Then::Store | Then::Gelu => value,
            Then::Add => _mm256_add_ps(value, _mm256_maskload_ps(place, mask)),
        };
        _mm256_maskstore_ps(place, mask, value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn integer_products_are_sums_of_products(
            rows in 1_usize..110, groups in 1_usize..40, outputs in 1_usize..100, seed: u64,
        ) {
            let Some(kernels) = Avx2::detect() else { return Ok(()) };
            let inputs = groups * 4;
            let mut random = fastrand::Rng::with_seed(seed);
            let input: Vec<u8> = (0..rows * inputs)
                .map(|_| if random.bool() { 255 } else { random.u8(1..) })
                .collect();
            for kernels in [kernels, kernels.without_vnni()] {
                // Mostly the largest values, whose sums come closest to an overflow.
                let weights: Vec<i8> = (0..inputs * outputs)
                    .map(|_| if random.bool() { 127 } else { random.i8(-127..=127) })
                    .collect();
                let matrix = kernels.pack(&weights, inputs);
                let mut values = |count| (0..count).map(|_| random.f32() - 0.5).collect::<Vec<_>>();
                let row_scales = values(rows);
                let column_scales = values(matrix.columns());
                let bias = values(matrix.columns());

                for then in [Then::Store, Then::Gelu, Then::Add] {
                    let mut found = vec![0.5; rows * outputs];
                    let epilogue = Epilogue {
                        row_scales: &row_scales,
                        column_scales: &column_scales,
                        bias: &bias,
                        then,
                    };
                    kernels.multiply(&input, &matrix, epilogue, &mut found);

                    let mut expected = vec![0.5; rows * outputs];
                    for (at, expected) in expected.iter_mut().enumerate() {
                        let (row, column) = (at / outputs, at % outputs);
                        let pairs = input[row * inputs..].iter().zip(&weights[column * inputs..]);
                        let sum: i32 = pairs
                            .take(inputs)
                            .map(|(value, weight)| (i32::from(*value) - i32::from(ZERO)) * i32::from(*weight))
                            .sum();
                        let scale = row_scales[row] * column_scales[column];
                        let value = (sum as f32).mul_add(scale, bias[column]);
                        *expected = if then == Then::Add { *expected + value } else { value };
                    }
                    if then == Then::Gelu {
                        gelu(&mut expected);
                    }
                    // Exactly equal: the portable path of this crate has these numbers too.
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
