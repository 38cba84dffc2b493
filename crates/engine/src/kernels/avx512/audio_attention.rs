//! Attention of one query to the audio, whose keys and values are 8-bit integers with a scale for each frame and head: the
//! decoder reads all of them for each token, and waits for memory.
//!
//! The query has two bytes for each dimension, coarse and fine, so that only keys and values are rounded.

use std::arch::x86_64::{
    __m512, _mm_load_si128, _mm_set1_epi8, _mm_storeu_si128, _mm_xor_si128, _mm512_add_ps,
    _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps, _mm512_cvtps_epi32, _mm512_cvtsepi32_epi8,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_i32gather_epi32,
    _mm512_load_si512, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_mullo_epi32,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_storeu_ps, _mm512_storeu_si512, _mm512_sub_epi32,
};

use super::{Avx512, Line};
use crate::kernels::{HEAD, ZERO};

/// 32-bit values of a vector.
const LANES: usize = 16;
/// Dimensions that one instruction multiplies and adds.
const GROUP: usize = 4;
/// The largest value of a byte.
const RANGE: f32 = 127.0;
/// How much finer the second byte of a query is.
const FINER: f32 = 256.0;

/// Keys and values of one head.
pub(crate) struct ByteHead {
    /// Panels of 16 frames: four dimensions of each frame, then the next four.
    keys: Vec<Line>,
    /// One for each frame, padded to whole panels, like `key_zeros`.
    key_scales: Vec<f32>,
    /// The sums for a query of zeros, each encoded as `ZERO`.
    key_zeros: Vec<i32>,
    /// One frame in each line.
    values: Vec<Line>,
    value_scales: Vec<f32>,
}

impl ByteHead {
    /// The number of scores, padding of the last panel included.
    pub(crate) fn filled(&self) -> usize {
        self.key_scales.len()
    }
}

impl Avx512 {
    /// Packs the keys and values of one head. Each row has the keys of all heads, then their
    /// values.
    pub(crate) fn pack_head(self, rows: &[f32], width: usize, head: usize) -> ByteHead {
        let frames = rows.len() / (2 * width);
        assert!(rows.len() == frames * 2 * width && (head + 1) * HEAD <= width);
        let filled = frames.next_multiple_of(LANES);
        let mut packed = ByteHead {
            keys: vec![Line([0; 64]); filled],
            key_scales: vec![0.0; filled],
            key_zeros: vec![0; filled],
            values: vec![Line([0; 64]); frames],
            value_scales: vec![0.0; frames],
        };

        let mut panel = [Line([0; 64]); LANES];
        let rows = |frame: usize| rows[frame * 2 * width + head * HEAD..].as_ptr();
        for first in (0..frames).step_by(LANES) {
            panel.fill(Line([0; 64]));
            for frame in first..frames.min(first + LANES) {
                let line = &mut panel[frame - first];
                // SAFETY: `self` proves that the instructions are there. Each row has this head's part of both.
                unsafe {
                    packed.key_scales[frame] = quantise(rows(frame), line);
                    let values = rows(frame).add(width);
                    packed.value_scales[frame] = quantise(values, &mut packed.values[frame]);
                }
                let sum: i32 = line
                    .0
                    .iter()
                    .map(|byte| i32::from(byte.cast_signed()))
                    .sum();
                packed.key_zeros[frame] = sum * i32::from(ZERO);
            }
            let keys = &mut packed.keys[first..first + LANES];
            // SAFETY: `self` proves that the instructions are there.
            unsafe { pack_panel(&panel, keys) }
        }
        packed
    }

    /// The products of a query with all keys. `scores` has whole panels.
    pub(crate) fn score_bytes(self, query: &[f32], head: &ByteHead, scores: &mut [f32]) {
        assert_eq!(query.len(), HEAD);
        assert_eq!(scores.len(), head.key_scales.len());
        // SAFETY: `self` proves that the instructions are there. The lengths are those of `score`.
        unsafe { score(query, head, scores) }
    }

    /// The sum of values, each times its weight.
    pub(crate) fn weigh_bytes(self, weights: &[f32], head: &ByteHead, output: &mut [f32]) {
        assert_eq!(weights.len(), head.values.len());
        assert_eq!(output.len(), HEAD);
        // SAFETY: `self` proves that the instructions are there. The lengths are those of `weigh`.
        unsafe { weigh(weights, head, output) }
    }
}

/// Writes the 64 values at `row` as signed bytes, and returns their scale.
///
/// # Safety
/// The processor has the instructions of [`Avx512`], and `row` can be read for 64 values.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn quantise(row: *const f32, bytes: &mut Line) -> f32 {
    // SAFETY: there are 64 values.
    let row = unsafe { std::slice::from_raw_parts(row, HEAD) };
    let largest = row
        .iter()
        .fold(1e-9_f32, |most, value| most.max(value.abs()));
    let inverse = _mm512_set1_ps(RANGE / largest);
    for (values, bytes) in row.chunks_exact(LANES).zip(bytes.0.chunks_exact_mut(LANES)) {
        // SAFETY: both have room for 16 values.
        unsafe {
            let values = _mm512_mul_ps(_mm512_loadu_ps(values.as_ptr()), inverse);
            let values = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(values));
            _mm_storeu_si128(bytes.as_mut_ptr().cast(), values);
        }
    }
    largest / RANGE
}

/// Sixteen rows as a panel.
///
/// # Safety
/// The processor has the instructions of [`Avx512`], and `panel` has at most 16 lines.
#[target_feature(enable = "avx512f")]
unsafe fn pack_panel(rows: &[Line; LANES], panel: &mut [Line]) {
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let places = _mm512_mullo_epi32(lanes, _mm512_set1_epi32((HEAD / GROUP) as i32));
    for (group, line) in panel.iter_mut().enumerate() {
        // SAFETY: there are 16 groups in each of 16 rows, and a line has 64 bytes.
        unsafe {
            let from = rows.as_ptr().cast::<i32>().add(group);
            let groups = _mm512_i32gather_epi32::<4>(places, from);
            _mm512_storeu_si512(line.0.as_mut_ptr().cast(), groups);
        }
    }
}

/// The query as bytes with `ZERO` for zero, the remainder as finer bytes, and the scale.
///
/// # Safety
/// The processor has the instructions of [`Avx512`], and `query` has 64 values.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn split_query(query: &[f32]) -> (Line, Line, f32) {
    let largest = query
        .iter()
        .fold(1e-9_f32, |most, value| most.max(value.abs()));
    let scale = _mm512_set1_ps(largest / RANGE);
    let inverse = _mm512_set1_ps(RANGE / largest);
    let finer = _mm512_set1_ps(FINER * RANGE / largest);
    let zero = _mm_set1_epi8(ZERO.cast_signed());
    let (mut coarse, mut fine) = (Line([0; 64]), Line([0; 64]));
    for at in (0..HEAD).step_by(LANES) {
        // SAFETY: query and lines have 64 places.
        unsafe {
            let values = _mm512_loadu_ps(query.as_ptr().add(at));
            let whole = _mm512_cvtps_epi32(_mm512_mul_ps(values, inverse));
            let rest = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(whole), scale, values);
            let rest = _mm512_cvtps_epi32(_mm512_mul_ps(rest, finer));
            let whole = _mm_xor_si128(_mm512_cvtsepi32_epi8(whole), zero);
            let rest = _mm_xor_si128(_mm512_cvtsepi32_epi8(rest), zero);
            _mm_storeu_si128(coarse.0.as_mut_ptr().add(at).cast(), whole);
            _mm_storeu_si128(fine.0.as_mut_ptr().add(at).cast(), rest);
        }
    }
    (coarse, fine, largest / RANGE)
}

/// The products of a query with all keys.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. `query` has 64 values, and `scores` as many as `head` has key scales,
/// which are whole panels.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn score(query: &[f32], head: &ByteHead, scores: &mut [f32]) {
    // SAFETY: the query has 64 values.
    let (coarse, fine, scale) = unsafe { split_query(query) };
    let coarse = std::ptr::from_ref(&coarse).cast::<i32>();
    let fine = std::ptr::from_ref(&fine).cast::<i32>();
    let scale = _mm512_set1_ps(scale);
    let finer = _mm512_set1_ps(1.0 / FINER);
    for first in (0..scores.len()).step_by(LANES) {
        let mut sums = _mm512_setzero_si512();
        let mut fine_sums = _mm512_setzero_si512();
        // SAFETY: keys, their scales and sums of zeros have 16 entries from `first`, and so have the scores.
        unsafe {
            for group in 0..HEAD / GROUP {
                let keys = _mm512_load_si512(head.keys.as_ptr().add(first + group).cast());
                let coarse = coarse.add(group).read();
                let fine = fine.add(group).read();
                sums = _mm512_dpbusd_epi32(sums, _mm512_set1_epi32(coarse), keys);
                fine_sums = _mm512_dpbusd_epi32(fine_sums, _mm512_set1_epi32(fine), keys);
            }
            let zeros = _mm512_loadu_si512(head.key_zeros.as_ptr().add(first).cast());
            let scales = _mm512_loadu_ps(head.key_scales.as_ptr().add(first));
            let sums = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, zeros));
            let fine_sums = _mm512_cvtepi32_ps(_mm512_sub_epi32(fine_sums, zeros));
            let sums = _mm512_fmadd_ps(fine_sums, finer, sums);
            let sums = _mm512_mul_ps(sums, _mm512_mul_ps(scales, scale));
            _mm512_storeu_ps(scores.as_mut_ptr().add(first), sums);
        }
    }
}

/// The sum of values, each times its weight.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. `head` has a value and its scale for each weight, and `output` has 64
/// places.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn weigh(weights: &[f32], head: &ByteHead, output: &mut [f32]) {
    const PARTS: usize = HEAD / LANES;
    // Even and odd frames have separate sums, so that an addition does not wait for the one before
    // it.
    let mut sums = [[_mm512_setzero_ps(); PARTS]; 2];
    for (at, weights) in weights.chunks(2).enumerate() {
        for (odd, weight) in weights.iter().enumerate() {
            let frame = 2 * at + odd;
            // SAFETY: a value and its scale are there for each weight.
            unsafe {
                let scale = *head.value_scales.as_ptr().add(frame);
                let weight = _mm512_set1_ps(weight * scale);
                add_value(&mut sums[odd], weight, head.values.as_ptr().add(frame));
            }
        }
    }
    let [even, odd] = sums;
    for (part, (even, odd)) in even.into_iter().zip(odd).enumerate() {
        let sum = _mm512_add_ps(even, odd);
        // SAFETY: `output` has 64 places.
        unsafe { _mm512_storeu_ps(output.as_mut_ptr().add(part * LANES), sum) }
    }
}

/// Adds the bytes at `value` times a weight.
///
/// # Safety
/// The processor has the instructions of [`Avx512`], and `value` can be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn add_value(sums: &mut [__m512; 4], weight: __m512, value: *const Line) {
    for (part, sum) in sums.iter_mut().enumerate() {
        // SAFETY: a line has 64 bytes and begins at a multiple of them.
        let bytes = unsafe { _mm_load_si128(value.cast::<u8>().add(part * LANES).cast()) };
        let values = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
        *sum = _mm512_fmadd_ps(weight, values, *sum);
    }
}
