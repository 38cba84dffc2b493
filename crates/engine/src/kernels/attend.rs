//! Attention of one query over the keys and values of one head. All heads of Whisper are 64 wide.
//!
//! Keys of the audio are kept in panels of 64 positions, all positions of a dimension beside each other, so that scores are
//! sums down the columns of a panel. They and the values of the audio are half precision: a decoder reads all of them for
//! each token, and waits for memory.
#![expect(
    clippy::inline_always,
    reason = "vector code must become part of the function that dispatch compiles for a processor"
)]

use std::sync::Arc;

use rten_simd::ops::{BitOps, Extend as _, NumOps as _};
use rten_simd::{Isa, SimdOp, f16};

/// Width of a head.
pub(crate) const HEAD: usize = 64;
/// Positions of a panel of keys.
pub(crate) const PANEL: usize = 64;

/// Rows of one head among those of all heads.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) values: &'a [f32],
    /// Distance between the starts of two rows.
    pub(crate) stride: usize,
    /// From the start of a row to the head's part of it.
    pub(crate) offset: usize,
}

impl<'a> Rows<'a> {
    fn row(&self, at: usize) -> &'a [f32] {
        &self.values[at * self.stride + self.offset..][..HEAD]
    }
}

/// Rows of one head, each in the memory of a token.
#[derive(Clone, Copy)]
pub(crate) struct TokenRows<'a> {
    pub(crate) tokens: &'a [Arc<[f32]>],
    /// From the start of a token's memory to the head's part of it.
    pub(crate) offset: usize,
}

impl<'a> TokenRows<'a> {
    fn row(&self, at: usize) -> &'a [f32] {
        &self.tokens[at][self.offset..][..HEAD]
    }
}

/// The keys of a head in panels; positions that fill up the last panel are zero.
pub(crate) fn pack_keys(rows: Rows<'_>, count: usize) -> Vec<f16> {
    let mut packed = vec![f16::from_f32(0.0); count.next_multiple_of(PANEL) * HEAD];
    for at in 0..count {
        let panel = &mut packed[at / PANEL * PANEL * HEAD..][..PANEL * HEAD];
        for (dimension, value) in rows.row(at).iter().enumerate() {
            panel[dimension * PANEL + at % PANEL] = f16::from_f32(*value);
        }
    }
    packed
}

/// The products of a query with keys in panels; `scores` has whole panels.
pub(crate) fn score_panels(query: &[f32], keys: &[f16], scores: &mut [f32]) {
    let operation = ScorePanels {
        query,
        keys,
        scores,
    };
    operation.dispatch();
}

/// The products of a query with the keys of tokens.
pub(crate) fn score_tokens(query: &[f32], keys: TokenRows<'_>, scores: &mut [f32]) {
    let operation = ScoreTokens {
        query,
        keys,
        scores,
    };
    operation.dispatch();
}

/// The sum of rows of half precision, each times its weight.
pub(crate) fn weigh_halves(weights: &[f32], values: &[f16], output: &mut [f32]) {
    let operation = WeighHalves {
        weights,
        values,
        output,
    };
    operation.dispatch();
}

/// The sum of the values of tokens, each times its weight.
pub(crate) fn weigh_tokens(weights: &[f32], values: TokenRows<'_>, output: &mut [f32]) {
    let operation = WeighTokens {
        weights,
        values,
        output,
    };
    operation.dispatch();
}

struct ScorePanels<'a> {
    query: &'a [f32],
    keys: &'a [f16],
    scores: &'a mut [f32],
}

impl SimdOp for ScorePanels<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let halves = isa.f16();
        let width = ops.len();

        let panels = self.keys.chunks_exact(PANEL * HEAD);
        for (keys, scores) in panels.zip(self.scores.chunks_exact_mut(PANEL)) {
            // Four sums at a time stay in registers.
            for (at, scores) in scores.chunks_exact_mut(4 * width).enumerate() {
                let mut sums = [ops.zero(); 4];
                for (query, keys) in self.query.iter().zip(keys.chunks_exact(PANEL)) {
                    let query = ops.splat(*query);
                    let [first, second] = halves.load_many::<2>(&keys[at * 4 * width..]);
                    sums[0] = ops.mul_add(query, halves.extend_low(first), sums[0]);
                    sums[1] = ops.mul_add(query, halves.extend_high(first), sums[1]);
                    sums[2] = ops.mul_add(query, halves.extend_low(second), sums[2]);
                    sums[3] = ops.mul_add(query, halves.extend_high(second), sums[3]);
                }
                for (sum, scores) in sums.into_iter().zip(scores.chunks_exact_mut(width)) {
                    ops.store(sum, scores);
                }
            }
        }
    }
}

struct ScoreTokens<'a> {
    query: &'a [f32],
    keys: TokenRows<'a>,
    scores: &'a mut [f32],
}

impl SimdOp for ScoreTokens<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        for (at, score) in self.scores.iter_mut().enumerate() {
            let key = self.keys.row(at);
            let mut sum = ops.zero();
            let width = ops.len();
            for (query, key) in self.query.chunks_exact(width).zip(key.chunks_exact(width)) {
                sum = ops.mul_add(ops.load(query), ops.load(key), sum);
            }
            *score = ops.sum(sum);
        }
    }
}

struct WeighHalves<'a> {
    weights: &'a [f32],
    values: &'a [f16],
    output: &'a mut [f32],
}

impl SimdOp for WeighHalves<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let halves = isa.f16();
        let width = ops.len();
        for (at, output) in self.output.chunks_exact_mut(4 * width).enumerate() {
            let mut sums = [ops.zero(); 4];
            for (weight, values) in self.weights.iter().zip(self.values.chunks_exact(HEAD)) {
                let weight = ops.splat(*weight);
                let [first, second] = halves.load_many::<2>(&values[at * 4 * width..]);
                sums[0] = ops.mul_add(weight, halves.extend_low(first), sums[0]);
                sums[1] = ops.mul_add(weight, halves.extend_high(first), sums[1]);
                sums[2] = ops.mul_add(weight, halves.extend_low(second), sums[2]);
                sums[3] = ops.mul_add(weight, halves.extend_high(second), sums[3]);
            }
            for (sum, output) in sums.into_iter().zip(output.chunks_exact_mut(width)) {
                ops.store(sum, output);
            }
        }
    }
}

struct WeighTokens<'a> {
    weights: &'a [f32],
    values: TokenRows<'a>,
    output: &'a mut [f32],
}

impl SimdOp for WeighTokens<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let width = ops.len();
        for (at, output) in self.output.chunks_exact_mut(4 * width).enumerate() {
            let mut sums = [ops.zero(); 4];
            for (row, weight) in self.weights.iter().enumerate() {
                let weight = ops.splat(*weight);
                let values = &self.values.row(row)[at * 4 * width..];
                let values = ops.load_many::<4>(values);
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = ops.mul_add(weight, value, *sum);
                }
            }
            for (sum, output) in sums.into_iter().zip(output.chunks_exact_mut(width)) {
                ops.store(sum, output);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(7);
        (0..count).map(|_| random.f32() - 0.5).collect()
    }

    /// Rows as the memory of tokens.
    fn tokens(rows: &[f32], width: usize) -> Vec<Arc<[f32]>> {
        rows.chunks_exact(width).map(Arc::from).collect()
    }

    fn product(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    fn assert_close(found: &[f32], expected: &[f32], bound: f32) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < bound,
                "{found} is not {expected}"
            );
        }
    }

    #[test]
    fn scores_of_panels_and_rows_are_products() {
        for count in [1, 63, 64, 65, 200] {
            let stride = 3 * HEAD;
            let all = values(count * stride);
            let rows = Rows {
                values: &all,
                stride,
                offset: HEAD,
            };
            let query = values(HEAD);
            let expected: Vec<f32> = (0..count).map(|at| product(&query, rows.row(at))).collect();

            let tokens = tokens(&all, stride);
            let keys = TokenRows {
                tokens: &tokens,
                offset: HEAD,
            };
            let mut scores = vec![0.0; count];
            score_tokens(&query, keys, &mut scores);
            assert_close(&scores, &expected, 1e-5);

            let packed = pack_keys(rows, count);
            let mut scores = vec![1.0; count.next_multiple_of(PANEL)];
            score_panels(&query, &packed, &mut scores);
            assert_close(&scores[..count], &expected, 2e-3);
            assert!(scores[count..].iter().all(|score| *score == 0.0));
        }
    }

    #[test]
    fn weighted_sums_are_sums() {
        let count = 37;
        let all = values(count * HEAD);
        let weights = values(count);
        let tokens = tokens(&all, HEAD);
        let values_of_tokens = TokenRows {
            tokens: &tokens,
            offset: 0,
        };
        let expected: Vec<f32> = (0..HEAD)
            .map(|at| {
                (0..count)
                    .map(|row| weights[row] * all[row * HEAD + at])
                    .sum()
            })
            .collect();

        let mut found = vec![0.0; HEAD];
        weigh_tokens(&weights, values_of_tokens, &mut found);
        assert_close(&found, &expected, 1e-5);

        let halves: Vec<f16> = all.iter().map(|value| f16::from_f32(*value)).collect();
        weigh_halves(&weights, &halves, &mut found);
        assert_close(&found, &expected, 2e-3);
    }
}
