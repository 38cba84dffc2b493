//! Products in 8 bits against those in `f32`, and our own kernels against portable ones.

use std::ops::Range;

use super::*;

/// A matrix, its bias, and rows to multiply.
struct Case {
    inputs: usize,
    outputs: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
    input: Vec<f32>,
}

impl Case {
    const ROWS: usize = 300;

    fn new() -> Self {
        let mut random = fastrand::Rng::with_seed(3);
        let (inputs, outputs) = (128, 70);
        let mut values =
            |count: usize| -> Vec<f32> { (0..count).map(|_| random.f32() - 0.5).collect() };
        Self {
            inputs,
            outputs,
            weights: values(inputs * outputs),
            bias: values(outputs),
            input: values(inputs * Self::ROWS),
        }
    }

    fn apply(
        &self,
        rows: Range<usize>,
        precision: Precision,
        then: Then,
        gemm: &mut Gemm,
    ) -> Vec<f32> {
        let linear = Linear::new(&self.weights, self.bias.clone(), precision, gemm);
        let mut output = vec![1.0; self.outputs * rows.len()];
        let input = &self.input[rows.start * self.inputs..rows.end * self.inputs];
        linear.apply(input, then, &mut output, gemm);
        output
    }
}

#[test]
fn eight_bits_come_close_to_f32_and_rows_do_not_depend_on_others() {
    let case = Case::new();
    for gemm in [
        &mut Gemm::new(),
        &mut Gemm::without_avx512(),
        &mut Gemm::portable(),
    ] {
        for then in [Then::Store, Then::Gelu, Then::Add] {
            let reference = case.apply(0..Case::ROWS, Precision::F32, then, gemm);
            let fast = case.apply(0..Case::ROWS, Precision::Int8, then, gemm);
            for (reference, fast) in reference.iter().zip(&fast) {
                assert!((reference - fast).abs() < 0.05, "{fast} is not {reference}");
            }

            let alone = case.apply(177..178, Precision::Int8, then, gemm);
            assert_eq!(alone, fast[177 * case.outputs..][..case.outputs]);
        }
    }
}

#[test]
fn our_own_kernels_have_the_numbers_of_the_portable_ones() {
    let case = Case::new();
    let portable = &mut Gemm::portable();
    for own in [&mut Gemm::new(), &mut Gemm::without_avx512()] {
        if own.may_saturate() != portable.may_saturate() {
            // One of them uses half the range here.
            continue;
        }
        for then in [Then::Store, Then::Add] {
            let expected = case.apply(0..Case::ROWS, Precision::Int8, then, portable);
            let found = case.apply(0..Case::ROWS, Precision::Int8, then, own);
            assert_eq!(found, expected);
        }
    }
}
