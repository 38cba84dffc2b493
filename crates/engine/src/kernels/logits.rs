//! What the search needs of a row of logits.
#![expect(
    clippy::inline_always,
    reason = "vector code must become part of the function that dispatch compiles for a processor"
)]

use rten_simd::ops::{BitOps as _, NumOps as _};
use rten_simd::{Isa, SimdOp, SimdUnaryOp as _};
use rten_vecmath::Exp;

/// The sum of the exponentials of all logits less `largest`.
pub(crate) fn exponential_sum(logits: &[f32], largest: f32) -> f32 {
    ExponentialSum { logits, largest }.dispatch()
}

struct ExponentialSum<'a> {
    logits: &'a [f32],
    largest: f32,
}

impl SimdOp for ExponentialSum<'_> {
    type Output = f32;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> f32 {
        let ops = isa.f32();
        let largest = ops.splat(self.largest);
        let mut sums = [ops.zero(); 2];
        let mut pairs = self.logits.chunks_exact(2 * ops.len());
        for pair in pairs.by_ref() {
            let [first, second] = ops.load_many::<2>(pair);
            sums[0] = ops.add(sums[0], Exp {}.eval(isa, ops.sub(first, largest)));
            sums[1] = ops.add(sums[1], Exp {}.eval(isa, ops.sub(second, largest)));
        }

        let rest = pairs.remainder().iter();
        let rest: f32 = rest.map(|logit| (logit - self.largest).exp()).sum();
        ops.sum(ops.add(sums[0], sums[1])) + rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_sum_is_that_of_the_exponentials(
            mut logits in prop::collection::vec(-30.0_f32..30.0, 1..200), forbidden in 0_usize..200,
        ) {
            let at = forbidden % logits.len();
            logits[at] = f32::NEG_INFINITY;
            let largest = 30.0;
            let expected: f64 = logits.iter().map(|logit| f64::from(logit - largest).exp()).sum();
            let found = f64::from(exponential_sum(&logits, largest));
            prop_assert!((found - expected).abs() <= 1e-5 * expected.max(1e-9), "{found} is not {expected}");
        }
    }
}
