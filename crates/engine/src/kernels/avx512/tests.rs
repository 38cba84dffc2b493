//! The kernels against scalar code, over random sizes. Without the instructions there is nothing to compare: other
//! processors take the portable kernels, which have tests of their own.

use proptest::prelude::*;

use super::*;
use crate::kernels::integer_matrix::Epilogue;
use crate::kernels::{HEAD, Then, ZERO};

fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| random.f32() - 0.5).collect()
}

/// A value rounded to bfloat16.
fn halved(value: f32) -> f32 {
    f32::from_bits((value.to_bits() + 0x7FFF + ((value.to_bits() >> 16) & 1)) & 0xFFFF_0000)
}

/// Values rounded to signed bytes with one scale.
fn in_bytes(values: &[f32]) -> Vec<f32> {
    let largest = values
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    let kept = |value: f32| (value * (127.0 / largest)).round_ties_even() * (largest / 127.0);
    values.iter().copied().map(kept).collect()
}

fn gelu(x: f32) -> f32 {
    let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
    0.5 * x * (1.0 + inner.tanh())
}

fn assert_close(found: &[f32], expected: &[f32], bound: f32) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let distance = (found - expected).abs();
        prop_assert!(distance <= bound, "{found} is not {expected} at {at}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn integer_products_are_sums_of_products(
        rows in 1_usize..110, groups in 1_usize..40, outputs in 1_usize..100, seed: u64,
    ) {
        let Some(kernels) = Avx512::detect() else { return Ok(()) };
        let inputs = groups * 16;
        let mut random = fastrand::Rng::with_seed(seed);
        let input: Vec<u8> = (0..rows * inputs).map(|_| random.u8(1..)).collect();
        let weights: Vec<i8> = (0..inputs * outputs).map(|_| random.i8(-127..)).collect();
        let matrix = kernels.pack(&weights, inputs);
        let row_scales = values(rows, seed);
        let column_scales = values(matrix.columns(), seed ^ 1);
        let bias = values(matrix.columns(), seed ^ 2);

        for then in [Then::Store, Then::Gelu, Then::Add] {
            let mut found = vec![0.5; rows * outputs];
            let epilogue = Epilogue {
                row_scales: &row_scales,
                column_scales: &column_scales,
                bias: &bias,
                then,
            };
            kernels.multiply(&input, &matrix, epilogue, &mut found);
            for (at, found) in found.into_iter().enumerate() {
                let (row, column) = (at / outputs, at % outputs);
                let pairs = input[row * inputs..].iter().zip(&weights[column * inputs..]);
                let sum: i32 = pairs
                    .take(inputs)
                    .map(|(value, weight)| (i32::from(*value) - i32::from(ZERO)) * i32::from(*weight))
                    .sum();
                let scale = row_scales[row] * column_scales[column];
                let value = (sum as f32).mul_add(scale, bias[column]);
                match then {
                    // Compared exactly, because the portable path of this crate has the same
                    // numbers.
                    Then::Store => prop_assert_eq!(found.to_bits(), value.to_bits()),
                    Then::Add => prop_assert_eq!(found.to_bits(), (value + 0.5).to_bits()),
                    Then::Gelu => {
                        let expected = gelu(value);
                        let bound = 1e-5 + expected.abs() * 1e-5;
                        prop_assert!((found - expected).abs() < bound, "{found} is not {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn convolutions_are_sums_of_products(
        rows in 1_usize..110, inputs in 1_usize..20, panels in 1_usize..4, stride in 1_usize..40, seed: u64,
    ) {
        let Some(kernels) = Avx512::detect() else { return Ok(()) };
        let (inputs, outputs) = (2 * inputs, 32 * panels);
        let input = values((rows * stride + inputs).next_multiple_of(16), seed);
        let weights = values(inputs * outputs, seed ^ 1);
        let bias = values(outputs, seed ^ 2);
        let mut halves = vec![0; input.len()];
        kernels.halve(&input, &mut halves);
        let mut found = vec![0.0; rows * outputs];
        let matrix = HalfMatrix::new(&weights, outputs);
        kernels.convolve(&halves, stride, &matrix, &bias, &mut found);

        let expected: Vec<f32> = (0..rows * outputs)
            .map(|at| {
                let (row, column) = (at / outputs, at % outputs);
                let products = (0..inputs).map(|input_at| {
                    let value = halved(input[row * stride + input_at]);
                    value * halved(weights[input_at * outputs + column])
                });
                gelu(products.sum::<f32>() + bias[column])
            })
            .collect();
        assert_close(&found, &expected, 1e-4)?;
    }

    #[test]
    fn attention_is_a_weighted_mean_of_values(
        frames in 1_usize..230, heads in 1_usize..4, seed: u64,
    ) {
        let Some(kernels) = Avx512::detect() else { return Ok(()) };
        let width = heads * HEAD;
        let projected: Vec<f32> = values(frames * 3 * width, seed).iter().map(|value| value * 4.0).collect();
        let mut memory = AttentionMemory::default();
        let mut found = vec![f32::NAN; frames * width];
        for head in 0..heads {
            kernels.attend(&projected, width, head, &mut memory, &mut found);
        }

        let part = |frame: usize, which: usize, head: usize| {
            &projected[(frame * 3 + which) * width + head * HEAD..][..HEAD]
        };
        for head in 0..heads {
            for query in [0, frames / 2, frames - 1] {
                let weights: Vec<f32> = (0..frames)
                    .map(|frame| {
                        let pairs = part(query, 0, head).iter().zip(part(frame, 1, head));
                        let product: f32 = pairs.map(|(query, key)| query * key).sum();
                        (product / 8.0).exp()
                    })
                    .collect();
                let sum: f32 = weights.iter().sum();
                let expected: Vec<f32> = (0..HEAD)
                    .map(|at| {
                        let values = (0..frames).map(|frame| weights[frame] * part(frame, 2, head)[at]);
                        values.sum::<f32>() / sum
                    })
                    .collect();
                assert_close(&found[query * width + head * HEAD..][..HEAD], &expected, 0.03)?;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn attention_to_the_audio_is_close_to_that_of_floats(
        frames in 1_usize..200, heads in 1_usize..3, seed: u64,
    ) {
        let Some(kernels) = Avx512::detect() else { return Ok(()) };
        let width = heads * HEAD;
        let rows = values(frames * 2 * width, seed);
        let query: Vec<f32> = values(HEAD, seed ^ 1).iter().map(|value| value * 8.0).collect();
        let mut memory = WeightBytes::default();
        for head in 0..heads {
            // As bytes keep them: only query and weights are rounded beside them, to 16 bits.
            let kept = |frame: usize, which: usize| {
                in_bytes(&rows[(frame * 2 + which) * width + head * HEAD..][..HEAD])
            };
            let packed = kernels.pack_head(&rows, width, head);
            let mut weights = vec![1.0; packed.filled()];
            let mut found = vec![f32::NAN; HEAD];
            kernels.attend_to_bytes(&query, &packed, &mut memory, &mut weights, &mut found);

            let mut expected: Vec<f32> = (0..frames)
                .map(|frame| {
                    let keys = kept(frame, 0);
                    let product: f32 = query.iter().zip(&keys).map(|(query, key)| query * key).sum();
                    (product / 8.0).exp()
                })
                .collect();
            let sum: f32 = expected.iter().sum();
            for weight in &mut expected {
                *weight /= sum;
            }
            assert_close(&weights[..frames], &expected, 2e-4)?;
            prop_assert!(weights[frames..].iter().all(|weight| *weight == 0.0));

            let values: Vec<Vec<f32>> = (0..frames).map(|frame| kept(frame, 1)).collect();
            let expected: Vec<f32> = (0..HEAD)
                .map(|at| (0..frames).map(|frame| expected[frame] * values[frame][at]).sum())
                .collect();
            assert_close(&found, &expected, 2e-4)?;
        }
    }
}
