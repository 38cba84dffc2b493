//! Attention of one query to the audio, whose keys and values are 8-bit integers with a scale for each frame and head: the
//! decoder reads all of them for each token, and waits for memory.
//!
//! Queries and weights have two bytes for each number, coarse and fine, so that only keys and values are rounded.

use std::arch::x86_64::{
    _mm_loadu_si128, _mm_set1_epi8, _mm_storeu_si128, _mm_xor_si128, _mm512_add_epi32,
    _mm512_add_ps, _mm512_and_si512, _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps,
    _mm512_cvtepu8_epi32, _mm512_cvtps_epi32, _mm512_cvtsepi32_epi8, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_i32gather_epi32, _mm512_load_si512, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mask_max_ps, _mm512_mask_mov_ps, _mm512_max_ps, _mm512_mul_ps,
    _mm512_mullo_epi32, _mm512_or_si512, _mm512_reduce_add_ps, _mm512_reduce_max_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_slli_epi32, _mm512_srli_epi32, _mm512_storeu_ps, _mm512_storeu_si512, _mm512_sub_epi32,
    _mm512_sub_ps,
};

use super::math::exponential;
use super::{Avx512, Line, mask};
use crate::kernels::{HEAD, ZERO};

/// 32-bit values of a vector.
const LANES: usize = 16;
/// Dimensions of keys, or frames of values, that one instruction multiplies and adds.
const GROUP: usize = 4;
/// Vectors of a head's dimensions.
const PARTS: usize = HEAD / LANES;
/// The largest value of a byte.
const RANGE: f32 = 127.0;
/// How much finer the second byte of a query or a weight is.
const FINER: f32 = 256.0;
/// The largest weight in two bytes.
const WEIGHT_RANGE: f32 = 65_535.0;

/// Keys and values of one head.
pub(crate) struct ByteHead {
    frames: usize,
    /// Panels of 16 frames: four dimensions of each frame, then the next four.
    keys: Vec<Line>,
    /// One for each frame, padded to whole panels, like `key_zeros` and `value_scales`.
    key_scales: Vec<f32>,
    /// The sums for a query of zeros, each encoded as `ZERO`.
    key_zeros: Vec<i32>,
    /// Four frames: four bytes of each dimension, one of each frame; then the next four frames. Padded like `keys`.
    values: Vec<Line>,
    value_scales: Vec<f32>,
}

impl ByteHead {
    /// The number of weights, padding of the last panel included.
    pub(crate) fn filled(&self) -> usize {
        self.key_scales.len()
    }
}

/// The weights of frames in two bytes each, of which only the memory is kept.
#[derive(Default)]
pub(crate) struct WeightBytes {
    coarse: Vec<u8>,
    fine: Vec<u8>,
}

impl Avx512 {
    /// Packs the keys and values of one head. Each row has the keys of all heads, then their
    /// values.
    pub(crate) fn pack_head(self, rows: &[f32], width: usize, head: usize) -> ByteHead {
        let frames = rows.len() / (2 * width);
        assert!(rows.len() == frames * 2 * width && (head + 1) * HEAD <= width);
        let filled = frames.next_multiple_of(LANES);
        let mut packed = ByteHead {
            frames,
            keys: vec![Line([0; 64]); filled],
            key_scales: vec![0.0; filled],
            key_zeros: vec![0; filled],
            values: vec![Line([0; 64]); filled],
            value_scales: vec![0.0; filled],
        };

        let mut keys = [Line([0; 64]); LANES];
        let mut values = [Line([0; 64]); LANES];
        let rows = |frame: usize| rows[frame * 2 * width + head * HEAD..].as_ptr();
        for first in (0..filled).step_by(LANES) {
            keys.fill(Line([0; 64]));
            values.fill(Line([0; 64]));
            for frame in first..frames.min(first + LANES) {
                let line = &mut keys[frame - first];
                // SAFETY: `self` proves that the instructions are there. Each row has this head's part of both.
                unsafe {
                    packed.key_scales[frame] = quantise(rows(frame), line);
                    let row = rows(frame).add(width);
                    packed.value_scales[frame] = quantise(row, &mut values[frame - first]);
                }
                let sum: i32 = line
                    .0
                    .iter()
                    .map(|byte| i32::from(byte.cast_signed()))
                    .sum();
                packed.key_zeros[frame] = sum * i32::from(ZERO);
            }
            let panel = first..first + LANES;
            // SAFETY: `self` proves that the instructions are there.
            unsafe {
                pack_keys(&keys, &mut packed.keys[panel.clone()]);
                pack_values(&values, &mut packed.values[panel]);
            }
        }
        packed
    }

    /// Attention of a query. `weights` gets those of the frames and zeros up to the end of the last panel, `output` the sum of
    /// the values, each times its weight.
    pub(crate) fn attend_to_bytes(
        self,
        query: &[f32],
        head: &ByteHead,
        memory: &mut WeightBytes,
        weights: &mut [f32],
        output: &mut [f32],
    ) {
        assert_eq!(query.len(), HEAD);
        assert_eq!(weights.len(), head.filled());
        assert_eq!(output.len(), HEAD);
        memory.coarse.resize(weights.len(), 0);
        memory.fine.resize(weights.len(), 0);
        // SAFETY: `self` proves that the instructions are there. The lengths are those that the functions ask for.
        unsafe {
            score(query, head, weights);
            let factor = weigh_frames(head, weights, memory);
            add_values(head, memory, factor, output);
        }
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

/// Sixteen rows as a panel of keys.
///
/// # Safety
/// The processor has the instructions of [`Avx512`], and `panel` has at most 16 lines.
#[target_feature(enable = "avx512f")]
unsafe fn pack_keys(rows: &[Line; LANES], panel: &mut [Line]) {
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

/// Sixteen rows as four groups of values.
///
/// # Safety
/// The processor has the instructions of [`Avx512`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn pack_values(rows: &[Line; LANES], panel: &mut [Line]) {
    let groups = rows.chunks_exact(GROUP).zip(panel.chunks_exact_mut(PARTS));
    for (rows, lines) in groups {
        for (part, line) in lines.iter_mut().enumerate() {
            // SAFETY: a line has 16 bytes at `part`.
            let bytes = |row: usize| unsafe {
                _mm512_cvtepu8_epi32(_mm_loadu_si128(rows[row].0[part * LANES..].as_ptr().cast()))
            };
            let low = _mm512_or_si512(bytes(0), _mm512_slli_epi32::<8>(bytes(1)));
            let high = _mm512_or_si512(bytes(2), _mm512_slli_epi32::<8>(bytes(3)));
            let both = _mm512_or_si512(low, _mm512_slli_epi32::<16>(high));
            // SAFETY: a line has 64 bytes.
            unsafe { _mm512_storeu_si512(line.0.as_mut_ptr().cast(), both) }
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

/// Products of the query and keys, divided by the root of their length.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. `query` has 64 values, and `scores` as many as `head` has key scales, which are
/// whole panels.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn score(query: &[f32], head: &ByteHead, scores: &mut [f32]) {
    // SAFETY: the query has 64 values.
    let (coarse, fine, scale) = unsafe { split_query(query) };
    let coarse = std::ptr::from_ref(&coarse).cast::<i32>();
    let fine = std::ptr::from_ref(&fine).cast::<i32>();
    let scale = _mm512_set1_ps(scale / (HEAD as f32).sqrt());
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

/// Turns scores into weights, and these times the scales of the values into bytes. Returns what the bytes have to be
/// multiplied with.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. Weights and bytes have as many places as `head` has value scales, which are whole
/// panels.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn weigh_frames(head: &ByteHead, weights: &mut [f32], memory: &mut WeightBytes) -> f32 {
    let places = weights.as_mut_ptr();
    // SAFETY: weights and scales have 16 entries from each multiple of 16.
    let weights_at = |at: usize| unsafe { _mm512_loadu_ps(places.add(at)) };
    let scales_at = |at: usize| unsafe { _mm512_loadu_ps(head.value_scales.as_ptr().add(at)) };
    let mut largest = _mm512_set1_ps(f32::NEG_INFINITY);
    let mut largest_scale = _mm512_setzero_ps();
    for at in (0..weights.len()).step_by(LANES) {
        largest = _mm512_mask_max_ps(largest, mask(head.frames, at), largest, weights_at(at));
        largest_scale = _mm512_max_ps(largest_scale, scales_at(at));
    }
    let largest = _mm512_set1_ps(_mm512_reduce_max_ps(largest));
    let largest_scale = _mm512_reduce_max_ps(largest_scale);

    let to_bytes = _mm512_set1_ps(WEIGHT_RANGE / largest_scale);
    let low_byte = _mm512_set1_epi32(0xFF);
    let mut sum = _mm512_setzero_ps();
    for at in (0..weights.len()).step_by(LANES) {
        let weight = exponential(_mm512_sub_ps(weights_at(at), largest));
        let weight = _mm512_mask_mov_ps(_mm512_setzero_ps(), mask(head.frames, at), weight);
        sum = _mm512_add_ps(sum, weight);
        let scaled = _mm512_mul_ps(weight, _mm512_mul_ps(scales_at(at), to_bytes));
        let scaled = _mm512_cvtps_epi32(scaled);
        // SAFETY: the bytes have 16 places from `at`, like the weights.
        unsafe {
            _mm512_storeu_ps(places.add(at), weight);
            let coarse = _mm512_cvtepi32_epi8(_mm512_srli_epi32::<8>(scaled));
            let fine = _mm512_cvtepi32_epi8(_mm512_and_si512(scaled, low_byte));
            _mm_storeu_si128(memory.coarse.as_mut_ptr().add(at).cast(), coarse);
            _mm_storeu_si128(memory.fine.as_mut_ptr().add(at).cast(), fine);
        }
    }

    let inverse = 1.0 / _mm512_reduce_add_ps(sum);
    for weight in weights {
        *weight *= inverse;
    }
    inverse * largest_scale / WEIGHT_RANGE
}

/// The sum of values, each times its weight and `factor`.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. `memory` has as many weights as there are values, which are whole panels, and
/// `output` has 64 places.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn add_values(head: &ByteHead, memory: &WeightBytes, factor: f32, output: &mut [f32]) {
    // Neighbouring groups have separate sums, so that an addition does not wait for the one before it.
    let mut coarse_sums = [[_mm512_setzero_si512(); PARTS]; 2];
    let mut fine_sums = [[_mm512_setzero_si512(); PARTS]; 2];
    for first in (0..memory.coarse.len()).step_by(2 * GROUP) {
        for side in 0..2 {
            let at = first + side * GROUP;
            // SAFETY: four weights and four lines of values begin at `at`: both are whole panels of 16.
            unsafe {
                let (coarse, fine) = (memory.coarse.as_ptr(), memory.fine.as_ptr());
                let coarse = coarse.add(at).cast::<i32>().read_unaligned();
                let fine = fine.add(at).cast::<i32>().read_unaligned();
                let (coarse, fine) = (_mm512_set1_epi32(coarse), _mm512_set1_epi32(fine));
                for part in 0..PARTS {
                    let values = _mm512_load_si512(head.values.as_ptr().add(at + part).cast());
                    let (coarse_sum, fine_sum) =
                        (&mut coarse_sums[side][part], &mut fine_sums[side][part]);
                    *coarse_sum = _mm512_dpbusd_epi32(*coarse_sum, coarse, values);
                    *fine_sum = _mm512_dpbusd_epi32(*fine_sum, fine, values);
                }
            }
        }
    }

    let factor = _mm512_set1_ps(factor);
    let finer = _mm512_set1_ps(FINER);
    for part in 0..PARTS {
        let coarse = _mm512_add_epi32(coarse_sums[0][part], coarse_sums[1][part]);
        let fine = _mm512_add_epi32(fine_sums[0][part], fine_sums[1][part]);
        let fine = _mm512_cvtepi32_ps(fine);
        let sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(coarse), finer, fine);
        // SAFETY: `output` has 64 places.
        unsafe {
            let place = output.as_mut_ptr().add(part * LANES);
            _mm512_storeu_ps(place, _mm512_mul_ps(sum, factor));
        }
    }
}
