//! Products of 8-bit rows with 8-bit matrices, with scales, bias and what follows computed before sums leave the registers.
#![expect(
    clippy::needless_range_loop,
    reason = "with iterators, the compiler keeps sums in memory instead of registers"
)]

use std::time::Instant;

use std::arch::x86_64::{
    __m512, __m512i, __mmask16, _mm512_add_ps, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_load_si512, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_si512,
    _mm512_sub_epi32,
};

use super::math::gelu;
use super::{Avx512, CACHED_ROWS, PANEL_COLUMNS, in_tiles, mask};
use crate::kernels::Then;
use crate::kernels::integer_matrix::{Epilogue, GROUP, IntegerMatrix};

/// 32-bit values of a vector.
const LANES: usize = 16;

impl Avx512 {
    /// Packs `weights`, which have one row for each output. `inputs` is a multiple of 4.
    pub(crate) fn pack(self, weights: &[i8], inputs: usize) -> IntegerMatrix {
        IntegerMatrix::new(weights, inputs, PANEL_COLUMNS)
    }

    /// The products of `rows` with the matrix, one row after the other.
    pub(crate) fn multiply(
        self,
        rows: &[u8],
        matrix: &IntegerMatrix,
        epilogue: Epilogue<'_>,
        output: &mut [f32],
    ) {
        matrix.assert_fits(PANEL_COLUMNS, rows, epilogue, output);
        // SAFETY: `self` proves that the instructions are there. The lengths above are what `multiply` asks for.
        unsafe { multiply(rows, matrix, epilogue, output) }
    }
}

impl Avx512 {
    /// The most products of 8-bit values that one core can compute in a second: instructions that
    /// wait for nothing.
    pub(crate) fn integer_peak(self) -> f64 {
        const ROUNDS: usize = 2_000_000;
        let began = Instant::now();
        // SAFETY: `self` proves that the instructions are there.
        unsafe { multiply_in_registers(ROUNDS) }
        let products = ROUNDS * CHAINS * GROUP * LANES;
        products as f64 / began.elapsed().as_secs_f64()
    }
}

/// Independent sums.
const CHAINS: usize = 16;

/// # Safety
/// The processor has the instructions of [`Avx512`]. It reads and writes no memory of others.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn multiply_in_registers(rounds: usize) {
    let values = _mm512_set1_epi32(std::hint::black_box(3));
    let mut sums = [_mm512_setzero_si512(); CHAINS];
    for _ in 0..rounds {
        for chain in 0..CHAINS {
            sums[chain] = _mm512_dpbusd_epi32(sums[chain], values, values);
        }
    }
    std::hint::black_box(sums);
}

/// A panel with the places of its columns.
#[derive(Clone, Copy)]
struct Panel {
    weights: *const u8,
    first_column: usize,
    /// Columns of its two vectors that the matrix has.
    masks: [__mmask16; 2],
}

/// # Safety
/// The processor has the instructions of [`Avx512`], and the lengths are those that `IntegerMatrix::assert_fits` checks.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn multiply(
    rows: &[u8],
    matrix: &IntegerMatrix,
    epilogue: Epilogue<'_>,
    output: &mut [f32],
) {
    let (inputs, outputs) = (matrix.inputs, matrix.outputs);
    let cached_rows = rows.chunks(CACHED_ROWS * inputs);
    let cached_output = output.chunks_mut(CACHED_ROWS * outputs);
    let cached_scales = epilogue.row_scales.chunks(CACHED_ROWS);
    for ((rows, output), row_scales) in cached_rows.zip(cached_output).zip(cached_scales) {
        let epilogue = Epilogue {
            row_scales,
            ..epilogue
        };
        for first_column in (0..outputs).step_by(PANEL_COLUMNS) {
            let left = outputs - first_column;
            let panel = Panel {
                weights: matrix.panels[first_column * inputs / 64..].as_ptr().cast(),
                first_column,
                masks: [mask(left, 0), mask(left, LANES)],
            };
            let (rows, output) = (rows.as_ptr(), output.as_mut_ptr());
            // SAFETY: the tiles are rows of `rows` and `output`, and `panel` is one of the matrix.
            unsafe {
                in_tiles!(
                    row_scales.len(),
                    tile,
                    rows,
                    panel,
                    matrix,
                    epilogue,
                    output
                );
            }
        }
    }
}

/// Rows `first..first + ROWS` of `rows` times a panel, into the same rows of `output`.
///
/// # Safety
/// As for `multiply`; `rows`, `output` and the row scales have these rows, and `panel` is one of the matrix.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn tile<const ROWS: usize>(
    first: usize,
    rows: *const u8,
    panel: Panel,
    matrix: &IntegerMatrix,
    epilogue: Epilogue<'_>,
    output: *mut f32,
) {
    let inputs = matrix.inputs;
    let mut low_sums = [_mm512_setzero_si512(); ROWS];
    let mut high_sums = [_mm512_setzero_si512(); ROWS];
    // SAFETY: a panel has `inputs` times 32 bytes and begins at a line; each row has `inputs` bytes.
    unsafe {
        let rows = rows.add(first * inputs);
        let mut weights = panel.weights;
        for at in (0..inputs).step_by(GROUP) {
            let low = _mm512_load_si512(weights.cast());
            let high = _mm512_load_si512(weights.add(64).cast());
            weights = weights.add(128);
            for row in 0..ROWS {
                let values = rows.add(row * inputs + at).cast::<i32>().read_unaligned();
                let values = _mm512_set1_epi32(values);
                low_sums[row] = _mm512_dpbusd_epi32(low_sums[row], values, low);
                high_sums[row] = _mm512_dpbusd_epi32(high_sums[row], values, high);
            }
        }
    }

    let [low_mask, high_mask] = panel.masks;
    let column = panel.first_column;
    // SAFETY: scales, biases and sums of zeros are whole panels.
    unsafe {
        store(low_sums, first, column, low_mask, matrix, epilogue, output);
        let column = column + LANES;
        store(
            high_sums, first, column, high_mask, matrix, epilogue, output,
        );
    }
}

/// Applies the epilogue to the sums of 16 columns from `column`, and writes them into rows from
/// `first`, in the columns of `mask`.
///
/// # Safety
/// As for `tile`; scales, biases and sums of zeros have 16 columns from `column`, and the rows of `output` those of `mask`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn store<const ROWS: usize>(
    sums: [__m512i; ROWS],
    first: usize,
    column: usize,
    mask: __mmask16,
    matrix: &IntegerMatrix,
    epilogue: Epilogue<'_>,
    output: *mut f32,
) {
    // SAFETY: the caller promises scales, biases and sums of zeros for 16 columns, and the rows.
    unsafe {
        let zeros: __m512i = _mm512_loadu_si512(matrix.zeros.as_ptr().add(column).cast());
        let column_scales = _mm512_loadu_ps(epilogue.column_scales.as_ptr().add(column));
        let bias = _mm512_loadu_ps(epilogue.bias.as_ptr().add(column));
        for row in 0..ROWS {
            let scale = _mm512_set1_ps(*epilogue.row_scales.as_ptr().add(first + row));
            let scale = _mm512_mul_ps(scale, column_scales);
            let sum = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums[row], zeros));
            let value = _mm512_fmadd_ps(sum, scale, bias);
            // Past the end of the last row if the mask is empty.
            let place = output.wrapping_add((first + row) * matrix.outputs + column);
            let value: __m512 = match epilogue.then {
                Then::Store => value,
                Then::Gelu => gelu(value),
                Then::Add => _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, place)),
            };
            _mm512_mask_storeu_ps(place, mask, value);
        }
    }
}
