//! Products in bfloat16 with sums in `f32`: for the convolutions and for attention.

use std::arch::x86_64::{
    __m256bh, __m256i, __m512, __m512bh, __m512i, _mm256_storeu_si256, _mm512_add_ps,
    _mm512_cvtneps_pbh, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_ps,
};
use std::mem::transmute;

use super::math::gelu;
use super::{Avx512, CACHED_ROWS, Line, PANEL_COLUMNS, in_tiles, lines};

/// Values of a vector of `f32`.
pub(super) const LANES: usize = 16;
/// Values that one instruction multiplies and adds.
pub(super) const PAIR: usize = 2;

/// A matrix in panels of 16 columns: two inputs of each column beside each other.
pub(crate) struct HalfMatrix {
    panels: Vec<Line>,
    inputs: usize,
    outputs: usize,
}

impl HalfMatrix {
    /// Packs `weights`, which have one row for each input. `inputs` is even, and `outputs` a
    /// multiple of 32.
    pub(crate) fn new(weights: &[f32], outputs: usize) -> Self {
        assert!(outputs.is_multiple_of(PANEL_COLUMNS));
        let inputs = weights.len() / outputs;
        assert!(inputs.is_multiple_of(PAIR) && weights.len() == inputs * outputs);

        let panel = LANES * inputs;
        let halves = (0..weights.len()).flat_map(|at| {
            let (panel, place) = (at / panel, at % panel);
            let column = panel * LANES + place / PAIR % LANES;
            let input = place / (PAIR * LANES) * PAIR + place % PAIR;
            nearest(weights[input * outputs + column]).to_le_bytes()
        });
        let bytes: Vec<u8> = halves.collect();
        Self {
            panels: lines(bytes.into_iter()),
            inputs,
            outputs,
        }
    }
}

/// The nearest bfloat16; a tie goes to the even one.
fn nearest(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) as u16
}

impl Avx512 {
    /// Values as bfloat16. Their number is a multiple of 16.
    pub(crate) fn halve(self, values: &[f32], halves: &mut [u16]) {
        assert_eq!(values.len(), halves.len());
        assert!(values.len().is_multiple_of(LANES));
        // SAFETY: `self` proves that the instructions are there, and the lengths are equal whole vectors.
        unsafe { halve(values.as_ptr(), values.len(), 1.0, halves.as_mut_ptr()) }
    }

    /// GELU of the products of overlapping rows with a matrix and a bias. A row begins `stride` values after the one before.
    pub(crate) fn convolve(
        self,
        halves: &[u16],
        stride: usize,
        matrix: &HalfMatrix,
        bias: &[f32],
        output: &mut [f32],
    ) {
        let rows = output.len() / matrix.outputs;
        assert_eq!(output.len(), rows * matrix.outputs);
        assert_eq!(bias.len(), matrix.outputs);
        assert!(rows > 0 && halves.len() >= (rows - 1) * stride + matrix.inputs);
        assert_eq!(
            matrix.panels.len() * 64,
            matrix.inputs * matrix.outputs * PAIR
        );
        let input = Strided {
            values: halves.as_ptr(),
            stride,
        };
        // SAFETY: `self` proves that the instructions are there. The lengths above are what `convolve` asks for.
        unsafe { convolve(input, matrix, bias, rows, output.as_mut_ptr()) }
    }
}

/// Rows of halves.
#[derive(Clone, Copy)]
pub(super) struct Strided {
    pub(super) values: *const u16,
    /// Distance between the starts of two neighbouring rows, in values.
    pub(super) stride: usize,
}

/// Adjacent panels of halves.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    pub(super) values: *const u16,
    /// Pairs of inputs of a panel.
    pub(super) pairs: usize,
}

/// GELU of the products of rows with a matrix and a bias.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. `input` has `rows` rows as wide as the matrix has inputs; `bias` and
/// `rows` rows of `output` have its outputs.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn convolve(
    input: Strided,
    matrix: &HalfMatrix,
    bias: &[f32],
    rows: usize,
    output: *mut f32,
) {
    for first in (0..rows).step_by(CACHED_ROWS) {
        let count = CACHED_ROWS.min(rows - first);
        for column in (0..matrix.outputs).step_by(PANEL_COLUMNS) {
            // SAFETY: the tiles are rows of `input` and `output`; two panels begin at `column`.
            unsafe {
                let input = Strided {
                    values: input.values.add(first * input.stride),
                    ..input
                };
                let panels = Panels {
                    values: matrix
                        .panels
                        .as_ptr()
                        .cast::<u16>()
                        .add(column * matrix.inputs),
                    pairs: matrix.inputs / PAIR,
                };
                let output = output.add(first * matrix.outputs + column);
                let bias = bias.as_ptr().add(column);
                in_tiles!(
                    count,
                    convolution_tile,
                    input,
                    panels,
                    bias,
                    output,
                    matrix.outputs
                );
            }
        }
    }
}

/// `ROWS` rows from `first` times two panels, into rows of `output` that are `width` apart.
///
/// # Safety
/// As for `convolve`; `input` and `output` have these rows, and `bias` and each row of `output` 32 places.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn convolution_tile<const ROWS: usize>(
    first: usize,
    input: Strided,
    panels: Panels,
    bias: *const f32,
    output: *mut f32,
    width: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let sums = products::<ROWS, 2>(first, input, panels);
        for (row, sums) in sums.into_iter().enumerate() {
            for (panel, sum) in sums.into_iter().enumerate() {
                let value = _mm512_add_ps(sum, _mm512_loadu_ps(bias.add(panel * LANES)));
                let place = output.add((first + row) * width + panel * LANES);
                _mm512_storeu_ps(place, gelu(value));
            }
        }
    }
}

/// The products of `ROWS` rows from `first` with `PANELS` panels.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. The rows and the panels are there, and each has `panels.pairs` pairs of
/// values.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn products<const ROWS: usize, const PANELS: usize>(
    first: usize,
    rows: Strided,
    panels: Panels,
) -> [[__m512; PANELS]; ROWS] {
    let mut sums = [[_mm512_setzero_ps(); PANELS]; ROWS];
    // SAFETY: each row and each panel has this many pairs, as the caller promises.
    unsafe {
        let rows_begin = rows.values.add(first * rows.stride);
        for pair in 0..panels.pairs {
            let mut columns = [_mm512_setzero_si512(); PANELS];
            for (panel, columns) in columns.iter_mut().enumerate() {
                let vector = panel * panels.pairs + pair;
                *columns = _mm512_loadu_si512(panels.values.add(vector * PAIR * LANES).cast());
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let values = rows_begin.add(row * rows.stride + pair * PAIR);
                let values = _mm512_set1_epi32(values.cast::<i32>().read_unaligned());
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    *sum = add_products(*sum, values, columns);
                }
            }
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn add_products(sum: __m512, a: __m512i, b: __m512i) -> __m512 {
    // SAFETY: both types are 64 bytes of any value.
    unsafe {
        _mm512_dpbf16_ps(
            sum,
            transmute::<__m512i, __m512bh>(a),
            transmute::<__m512i, __m512bh>(b),
        )
    }
}

/// `count` values times `factor` as bfloat16.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. `count` is a multiple of 16, `values` can be read and `halves` written
/// for as many.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn halve(values: *const f32, count: usize, factor: f32, halves: *mut u16) {
    let factor = _mm512_set1_ps(factor);
    for at in (0..count).step_by(LANES) {
        // SAFETY: there are `count` values and places for them.
        unsafe {
            let value = _mm512_mul_ps(_mm512_loadu_ps(values.add(at)), factor);
            store_halves(value, halves.add(at));
        }
    }
}

/// Writes 16 values as bfloat16.
///
/// # Safety
/// The processor has the instructions of [`Avx512`], and `place` can be written for 16 values.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn store_halves(value: __m512, place: *mut u16) {
    // SAFETY: there is a place for 16 values, and both types are 32 bytes of any value.
    unsafe {
        let halves = transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(value));
        _mm256_storeu_si256(place.cast(), halves);
    }
}
