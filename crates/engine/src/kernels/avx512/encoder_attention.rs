//! Attention of all frames to all frames, in bfloat16. Scores of a block of queries stay in the second-level cache.

use std::arch::x86_64::{
    __m512, _mm256_loadu_si256, _mm512_add_ps, _mm512_cvtepu16_epi32, _mm512_i32gather_epi32,
    _mm512_loadu_ps, _mm512_mask_max_ps, _mm512_mask_mov_ps, _mm512_max_ps, _mm512_mul_ps,
    _mm512_mullo_epi32, _mm512_or_si512, _mm512_reduce_add_ps, _mm512_reduce_max_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps, _mm512_slli_epi32,
    _mm512_storeu_ps, _mm512_storeu_si512, _mm512_sub_ps,
};

use super::bf16::{LANES, PAIR, Panels, Strided, halve, products, store_halves};
use super::math::rough_exponential;
use super::{Avx512, in_tiles, mask};
use crate::kernels::HEAD;

/// Queries whose scores are computed together.
const QUERIES: usize = 96;
/// Frames are padded to a multiple of this: two panels.
const FRAME_STEP: usize = 32;
/// Panels of a head's values.
const VALUE_PANELS: usize = HEAD / LANES;

/// Buffers of attention, which are reused.
#[derive(Default)]
pub(crate) struct AttentionMemory {
    queries: Vec<u16>,
    /// Panels of 16 frames.
    keys: Vec<u16>,
    /// Panels of 16 dimensions.
    values: Vec<u16>,
    rows: Vec<u16>,
    scores: Vec<f32>,
    /// The largest scores of each row, in 16 parts; then as many for the last panels, which nothing reads.
    largest: Vec<f32>,
    weights: Vec<u16>,
    /// One divided by the sum of each row of weights.
    inverse_sums: Vec<f32>,
}

impl AttentionMemory {
    fn fit(&mut self, frames: usize) {
        for halves in [&mut self.queries, &mut self.keys, &mut self.values] {
            halves.resize(frames * HEAD, 0);
        }
        self.rows.resize(frames * HEAD, 0);
        self.scores.resize(QUERIES * frames, 0.0);
        self.largest.resize(2 * QUERIES * LANES, 0.0);
        self.weights.resize(QUERIES * frames, 0);
        self.inverse_sums.resize(QUERIES, 0.0);
    }
}

impl Avx512 {
    /// Attention in one head. Rows of `projected` have the queries, keys and values of all heads; `attended` is as wide as
    /// the queries, and gets the head's part.
    pub(crate) fn attend(
        self,
        projected: &[f32],
        width: usize,
        head: usize,
        memory: &mut AttentionMemory,
        attended: &mut [f32],
    ) {
        let frames = attended.len() / width;
        assert!(attended.len() == frames * width && projected.len() == 3 * attended.len());
        assert!((head + 1) * HEAD <= width);
        memory.fit(frames.next_multiple_of(FRAME_STEP));
        // SAFETY: `self` proves that the instructions are there. The lengths above are what `attend` asks for.
        unsafe { attend(projected, width, head, frames, memory, attended) }
    }
}

/// Attention of all frames to all frames in one head.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. `projected` has `frames` rows of three times `width`, and `attended` as many
/// of `width`. The head is within it, and the memory fits the frames, filled up.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn attend(
    projected: &[f32],
    width: usize,
    head: usize,
    frames: usize,
    memory: &mut AttentionMemory,
    attended: &mut [f32],
) {
    let filled = frames.next_multiple_of(FRAME_STEP);
    let scale = 1.0 / (HEAD as f32).sqrt();
    // SAFETY: the parts of a row are within it; the memory fits.
    unsafe {
        let part = |which: usize| projected.as_ptr().add(which * width + head * HEAD);
        copy_rows(part(0), 3 * width, frames, scale, &mut memory.queries);
        copy_rows(part(1), 3 * width, frames, 1.0, &mut memory.rows);
        pack_keys(&memory.rows, filled, &mut memory.keys);
        copy_rows(part(2), 3 * width, frames, 1.0, &mut memory.rows);
        pack_values(&memory.rows, filled, &mut memory.values);
    }

    for first in (0..frames).step_by(QUERIES) {
        let count = QUERIES.min(frames - first);
        // SAFETY: `count` queries begin at `first`; scores and weights have `count` rows of `filled`.
        unsafe {
            let queries = Strided {
                values: memory.queries.as_ptr().add(first * HEAD),
                stride: HEAD,
            };
            memory.largest.fill(f32::NEG_INFINITY);
            for panel in (0..filled).step_by(2 * LANES) {
                let keys = Panels {
                    values: memory.keys.as_ptr().add(panel * HEAD),
                    pairs: HEAD / PAIR,
                };
                let scores = memory.scores.as_mut_ptr().add(panel);
                let is_last = panel + FRAME_STEP == filled;
                let unread = usize::from(is_last) * QUERIES * LANES;
                let largest = memory.largest.as_mut_ptr().add(unread);
                in_tiles!(count, score_tile, queries, keys, scores, filled, largest);
            }

            for row in 0..count {
                let scores = memory.scores.as_ptr().add(row * filled);
                let largest = _mm512_loadu_ps(memory.largest.as_ptr().add(row * LANES));
                let largest = with_last_panels(largest, scores, frames, filled);
                let weights = memory.weights.as_mut_ptr().add(row * filled);
                let sum = softmax(scores, largest, frames, filled, weights);
                memory.inverse_sums[row] = 1.0 / sum;
            }

            let weights = Strided {
                values: memory.weights.as_ptr(),
                stride: filled,
            };
            let values = Panels {
                values: memory.values.as_ptr(),
                pairs: filled / PAIR,
            };
            let sums = memory.inverse_sums.as_ptr();
            let attended = attended.as_mut_ptr().add(first * width + head * HEAD);
            weigh(count, weights, values, sums, attended, width);
        }
    }
}

/// Copies `count` rows of a head, `stride` apart, as adjacent halves. Rows after the last become zero.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. `count` rows of 64 values can be read at `from`, and `to` has at least as many.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn copy_rows(from: *const f32, stride: usize, count: usize, factor: f32, to: &mut [u16]) {
    let (rows, rest) = to.split_at_mut(count * HEAD);
    for (row, to) in rows.chunks_exact_mut(HEAD).enumerate() {
        // SAFETY: the caller promises `count` rows.
        unsafe { halve(from.add(row * stride), HEAD, factor, to.as_mut_ptr()) }
    }
    rest.fill(0);
}

/// Packs rows, a whole number of panels, into panels of 16 rows: a pair of dimensions of each row,
/// then the next pair.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. `rows` and `panels` have `count` rows of 64 values; `count` is a multiple of 16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn pack_keys(rows: &[u16], count: usize, panels: &mut [u16]) {
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let places = _mm512_mullo_epi32(lanes, _mm512_set1_epi32((HEAD / PAIR) as i32));
    for panel in (0..count).step_by(LANES) {
        for pair in 0..HEAD / PAIR {
            // SAFETY: 16 rows begin at `panel`, and as much is written.
            unsafe {
                let from = rows.as_ptr().add(panel * HEAD + pair * PAIR);
                let pairs = _mm512_i32gather_epi32::<4>(places, from.cast());
                let to = panels.as_mut_ptr().add(panel * HEAD + pair * PAIR * LANES);
                _mm512_storeu_si512(to.cast(), pairs);
            }
        }
    }
}

/// Packs an even number of rows into panels of 16 dimensions: two rows beside each other, then the
/// next two.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. `rows` and `panels` have `count` rows of 64 values; `count` is even.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn pack_values(rows: &[u16], count: usize, panels: &mut [u16]) {
    for panel in 0..VALUE_PANELS {
        for row in (0..count).step_by(PAIR) {
            // SAFETY: both rows are there, and panels are as many values as rows.
            unsafe {
                let from = rows.as_ptr().add(row * HEAD + panel * LANES);
                let first = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
                let second = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.add(HEAD).cast()));
                let pairs = _mm512_or_si512(first, _mm512_slli_epi32::<16>(second));
                let to = panels.as_mut_ptr().add((panel * count + row) * LANES);
                _mm512_storeu_si512(to.cast(), pairs);
            }
        }
    }
}

/// Scores of `ROWS` queries from `first` with the keys of two panels. Rows of scores are `stride` apart. Raises the largest
/// scores of the rows.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. The queries are there, `keys` are two panels, and each of these rows has 32 places
/// in `scores` and 16 in `largest`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn score_tile<const ROWS: usize>(
    first: usize,
    queries: Strided,
    keys: Panels,
    scores: *mut f32,
    stride: usize,
    largest: *mut f32,
) {
    // SAFETY: the caller promises the queries, the panels, and places for the scores and 16 largest ones for each row.
    unsafe {
        let sums = products::<ROWS, 2>(first, queries, keys);
        for (row, [left, right]) in sums.into_iter().enumerate() {
            let place = scores.add((first + row) * stride);
            _mm512_storeu_ps(place, left);
            _mm512_storeu_ps(place.add(LANES), right);

            let largest = largest.add((first + row) * LANES);
            let higher = _mm512_max_ps(left, right);
            let higher = _mm512_max_ps(higher, _mm512_loadu_ps(largest));
            _mm512_storeu_ps(largest, higher);
        }
    }
}

/// The largest of the scores that `largest` knows and those of the last two panels, of which some may lie beyond `frames`.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. There are `filled` scores, at least 32.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn with_last_panels(
    mut largest: __m512,
    scores: *const f32,
    frames: usize,
    filled: usize,
) -> f32 {
    for at in (filled - FRAME_STEP..filled).step_by(LANES) {
        // SAFETY: there are `filled` scores.
        let scores = unsafe { _mm512_loadu_ps(scores.add(at)) };
        largest = _mm512_mask_max_ps(largest, mask(frames, at), largest, scores);
    }
    _mm512_reduce_max_ps(largest)
}

/// Writes the weights of `frames` scores, none of which is above `largest`, as halves, and zeros up to `filled`. Returns their
/// sum, which is not yet 1.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. There are `filled` scores and places for weights; `filled` is a multiple of 16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn softmax(
    scores: *const f32,
    largest: f32,
    frames: usize,
    filled: usize,
    weights: *mut u16,
) -> f32 {
    let largest = _mm512_set1_ps(largest);
    let mut sum = _mm512_setzero_ps();
    let whole = frames / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        // SAFETY: there are `frames` scores, and places for as many weights.
        unsafe {
            let score = _mm512_loadu_ps(scores.add(at));
            let weight = rough_exponential(_mm512_sub_ps(score, largest));
            sum = _mm512_add_ps(sum, weight);
            store_halves(weight, weights.add(at));
        }
    }
    for at in (whole..filled).step_by(LANES) {
        // SAFETY: there are `filled` scores, and places for as many weights.
        unsafe {
            let score = _mm512_loadu_ps(scores.add(at));
            let weight = rough_exponential(_mm512_sub_ps(score, largest));
            let weight = _mm512_mask_mov_ps(_mm512_setzero_ps(), mask(frames, at), weight);
            sum = _mm512_add_ps(sum, weight);
            store_halves(weight, weights.add(at));
        }
    }
    _mm512_reduce_add_ps(sum)
}

/// The sum of values by `count` rows of weights, into rows that are `width` apart.
///
/// # Safety
/// The processor has the instructions of [`Avx512`]. There are `count` rows of weights, sums, and places for 64 values; `values` has a
/// value for each weight.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn weigh(
    count: usize,
    weights: Strided,
    values: Panels,
    inverse_sums: *const f32,
    attended: *mut f32,
    width: usize,
) {
    const ROWS: usize = 6;
    let mut first = 0;
    while first < count {
        // SAFETY: the caller promises `count` rows of weights, sums and places.
        unsafe {
            if count - first >= ROWS {
                weigh_tile::<ROWS>(first, weights, values, inverse_sums, attended, width);
                first += ROWS;
            } else {
                weigh_tile::<1>(first, weights, values, inverse_sums, attended, width);
                first += 1;
            }
        }
    }
}

/// As `weigh`, of `ROWS` rows from `first`.
///
/// # Safety
/// As for `weigh`; these rows are there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn weigh_tile<const ROWS: usize>(
    first: usize,
    weights: Strided,
    values: Panels,
    inverse_sums: *const f32,
    attended: *mut f32,
    width: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let sums = products::<ROWS, VALUE_PANELS>(first, weights, values);
        for (row, sums) in sums.into_iter().enumerate() {
            let row = first + row;
            let inverse = _mm512_set1_ps(*inverse_sums.add(row));
            for (panel, sum) in sums.into_iter().enumerate() {
                let place = attended.add(row * width + panel * LANES);
                _mm512_storeu_ps(place, _mm512_mul_ps(sum, inverse));
            }
        }
    }
}
