//! Matrices of weights and products with them: `f32` as the reference, 8-bit integers as the fast form.
//!
//! In 8 bits each output column of a matrix has a scale, and so has each row of activations. Sums are exact integers, so a
//! row's result is the same whatever rows are multiplied with it.

use rten_gemm::{
    BiasVector, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix, QuantParams,
};
use rten_tensor::{Matrix, NdTensorView};

use crate::kernels::{self, Then};

/// Rows that are multiplied at a time, so that their sums stay in the cache.
pub(crate) const BLOCK_ROWS: usize = 128;
/// The value that represents zero in each row of activations.
const ZEROS: [u8; BLOCK_ROWS] = [128; BLOCK_ROWS];

/// How matrices are kept and multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// As `f32`: slow, the reference.
    F32,
    /// As 8-bit integers.
    Int8,
}

/// A matrix with its bias: `output = input * matrix + bias`.
pub(crate) struct Linear {
    inputs: usize,
    outputs: usize,
    matrix: Packed,
    bias: Vec<f32>,
}

enum Packed {
    F32(PackedBMatrix<f32>),
    Int8 {
        matrix: PackedBMatrix<i8>,
        scales: Vec<f32>,
    },
}

/// What a thread multiplies with: the kernels for this processor, and memory that is used again and again.
pub(crate) struct Gemm {
    pub(crate) floats: GemmExecutor<f32>,
    integers: GemmExecutor<u8, i8, i32>,
    quantised: Vec<u8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
    products: Vec<f32>,
}

impl Gemm {
    pub(crate) fn new() -> Self {
        Self {
            floats: GemmExecutor::new(),
            integers: GemmExecutor::new(),
            quantised: Vec::new(),
            scales: Vec::new(),
            sums: Vec::new(),
            products: Vec::new(),
        }
    }

    /// Name of the instructions that 8-bit products use here.
    pub(crate) fn integer_kernel(&self) -> &str {
        self.integers.kernel_name()
    }
}

impl Linear {
    /// Of `weights` with one row for each output.
    pub(crate) fn new(weights: &[f32], bias: Vec<f32>, precision: Precision, gemm: &Gemm) -> Self {
        let outputs = bias.len();
        let inputs = weights.len() / outputs;
        let matrix = match precision {
            Precision::F32 => {
                let rows: Matrix = NdTensorView::from_data([outputs, inputs], weights);
                Packed::F32(gemm.floats.prepack_b(rows.transposed()))
            }
            Precision::Int8 => pack_int8(weights, inputs, outputs, gemm),
        };
        Self {
            inputs,
            outputs,
            matrix,
            bias,
        }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Multiplies the rows of `input`.
    pub(crate) fn apply(&self, input: &[f32], then: Then, output: &mut [f32], gemm: &mut Gemm) {
        let inputs = input.chunks(BLOCK_ROWS * self.inputs);
        for (input, output) in inputs.zip(output.chunks_mut(BLOCK_ROWS * self.outputs)) {
            match &self.matrix {
                Packed::F32(matrix) => self.apply_f32(matrix, input, then, output, gemm),
                Packed::Int8 { matrix, scales } => {
                    self.apply_int8(matrix, scales, input, then, output, gemm);
                }
            }
        }
    }

    fn apply_f32(
        &self,
        matrix: &PackedBMatrix<f32>,
        input: &[f32],
        then: Then,
        output: &mut [f32],
        gemm: &mut Gemm,
    ) {
        let rows = input.len() / self.inputs;
        let products = match then {
            Then::Add => {
                gemm.products.resize(rows * self.outputs, 0.0);
                &mut gemm.products[..rows * self.outputs]
            }
            Then::Store | Then::Gelu => &mut *output,
        };
        let options = GemmOptions {
            bias: Some(BiasVector::Row(&self.bias)),
            ..GemmOptions::default()
        };
        let input = GemmInputA::Unpacked(NdTensorView::from_data([rows, self.inputs], input));
        gemm.floats
            .gemm(products, input, GemmInputB::Packed(matrix), options)
            .expect("the shapes of a layer fit");

        match then {
            Then::Store => {}
            Then::Gelu => kernels::gelu(output),
            Then::Add => {
                for (value, product) in output.iter_mut().zip(&gemm.products) {
                    *value += product;
                }
            }
        }
    }

    fn apply_int8(
        &self,
        matrix: &PackedBMatrix<i8>,
        column_scales: &[f32],
        input: &[f32],
        then: Then,
        output: &mut [f32],
        gemm: &mut Gemm,
    ) {
        let rows = input.len() / self.inputs;
        gemm.quantised.resize(rows * self.inputs, 0);
        gemm.sums.resize(rows * self.outputs, 0);
        gemm.scales.clear();
        let quantised = gemm.quantised.chunks_exact_mut(self.inputs);
        for (row, quantised) in input.chunks_exact(self.inputs).zip(quantised) {
            gemm.scales.push(kernels::quantise(row, quantised));
        }

        let options = GemmOptions {
            a_quant: Some(QuantParams {
                zero_point: &ZEROS[..rows],
            }),
            ..GemmOptions::default()
        };
        let quantised = NdTensorView::from_data([rows, self.inputs], &gemm.quantised[..]);
        gemm.integers
            .gemm(
                &mut gemm.sums,
                GemmInputA::Unpacked(quantised),
                GemmInputB::Packed(matrix),
                options,
            )
            .expect("the shapes of a layer fit");

        let sums = gemm.sums.chunks_exact(self.outputs);
        let outputs = output.chunks_exact_mut(self.outputs);
        for ((sums, scale), output) in sums.zip(&gemm.scales).zip(outputs) {
            kernels::dequantise(sums, *scale, column_scales, &self.bias, then, output);
        }
    }
}

/// Each output column in steps of its own.
fn pack_int8(weights: &[f32], inputs: usize, outputs: usize, gemm: &Gemm) -> Packed {
    // Without VNNI, x86 adds pairs of products in 16 bits: half the range keeps them from overflowing.
    let range = if gemm.integers.may_saturate() {
        63.0
    } else {
        127.0
    };
    let mut scales = Vec::with_capacity(outputs);
    let mut quantised = Vec::with_capacity(weights.len());
    for row in weights.chunks_exact(inputs) {
        let largest = row
            .iter()
            .fold(1e-9_f32, |most, value| most.max(value.abs()));
        scales.push(largest / range);
        let inverse = range / largest;
        quantised.extend(
            row.iter()
                .map(|value| (value * inverse).round_ties_even() as i8),
        );
    }

    let rows: Matrix<i8> = NdTensorView::from_data([outputs, inputs], &quantised[..]);
    Packed::Int8 {
        matrix: gemm.integers.prepack_b(rows.transposed()),
        scales,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bits_come_close_to_f32_and_rows_do_not_depend_on_others() {
        let mut random = fastrand::Rng::with_seed(3);
        let (inputs, outputs, rows) = (128, 70, 300);
        let weights: Vec<f32> = (0..inputs * outputs).map(|_| random.f32() - 0.5).collect();
        let bias: Vec<f32> = (0..outputs).map(|_| random.f32()).collect();
        let input: Vec<f32> = (0..inputs * rows).map(|_| random.f32() - 0.5).collect();
        let mut gemm = Gemm::new();

        for then in [Then::Store, Then::Gelu, Then::Add] {
            let mut found = [Precision::F32, Precision::Int8].map(|precision| {
                let linear = Linear::new(&weights, bias.clone(), precision, &gemm);
                let mut output = vec![1.0; outputs * rows];
                linear.apply(&input, then, &mut output, &mut gemm);
                output
            });
            let [reference, fast] = &mut found;
            for (reference, fast) in reference.iter().zip(&*fast) {
                assert!((reference - fast).abs() < 0.05, "{fast} is not {reference}");
            }

            let linear = Linear::new(&weights, bias.clone(), Precision::Int8, &gemm);
            let mut alone = vec![1.0; outputs];
            let row = 177;
            linear.apply(
                &input[row * inputs..][..inputs],
                then,
                &mut alone,
                &mut gemm,
            );
            assert_eq!(alone, fast[row * outputs..][..outputs]);
        }
    }
}
