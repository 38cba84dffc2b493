//! Matrices of weights and products with them: `f32` as the reference, 8-bit integers as the fast form.
//!
//! In 8 bits each output column of a matrix has a scale, and so has each row of activations. Sums are exact integers, so a
//! row's result is the same whatever rows are multiplied with it.

use rten_gemm::{
    BiasVector, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix, QuantParams,
};
use rten_tensor::{Matrix, NdTensorView};

use crate::kernels::avx2::Avx2;
use crate::kernels::avx512::{AttentionMemory, Avx512};
use crate::kernels::integer_matrix::{Epilogue, IntegerMatrix};
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
    /// Like `Int8`, for our own kernels.
    Own {
        kernels: Own,
        matrix: IntegerMatrix,
        scales: Vec<f32>,
    },
}

/// Our own kernels for 8-bit products.
#[derive(Clone, Copy, Debug)]
enum Own {
    Avx512(Avx512),
    Avx2(Avx2),
}

/// What a thread multiplies with: the kernels for this processor, and memory that is used again and again.
pub(crate) struct Gemm {
    pub(crate) floats: GemmExecutor<f32>,
    integers: GemmExecutor<u8, i8, i32>,
    /// Our own kernels, which replace `rten-gemm` if the processor has their instructions.
    pub(crate) avx512: Option<Avx512>,
    /// Our own kernels for 8-bit products where rten-gemm's lose bits.
    avx2: Option<Avx2>,
    pub(crate) attention: AttentionMemory,
    quantised: Vec<u8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
    products: Vec<f32>,
    /// Of a step of the decoder.
    pub(crate) logits: Vec<f32>,
}

impl Gemm {
    pub(crate) fn new() -> Self {
        let integers = GemmExecutor::new();
        // If the processor has AVX-512 with VNNI but without bfloat16, rten-gemm's kernels have wider vectors than `avx2`.
        let avx2 = Avx2::detect().filter(|_| integers.may_saturate());
        Self {
            floats: GemmExecutor::new(),
            integers,
            avx512: Avx512::detect(),
            avx2,
            attention: AttentionMemory::default(),
            quantised: Vec::new(),
            scales: Vec::new(),
            sums: Vec::new(),
            products: Vec::new(),
            logits: Vec::new(),
        }
    }

    /// Without our own kernels, as on a processor that lacks their instructions.
    #[cfg(test)]
    pub(crate) fn portable() -> Self {
        Self {
            avx512: None,
            avx2: None,
            ..Self::new()
        }
    }

    /// With our own kernels for AVX2, as on a processor without AVX-512.
    #[cfg(test)]
    pub(crate) fn without_avx512() -> Self {
        Self {
            avx2: Avx2::detect(),
            ..Self::portable()
        }
    }

    /// Name of the instructions that 8-bit products use here.
    pub(crate) fn integer_kernel(&self) -> &str {
        match self.own() {
            Some(Own::Avx512(_)) => "avx512-vnni-bf16",
            Some(Own::Avx2(kernels)) => kernels.name(),
            None => self.integers.kernel_name(),
        }
    }

    fn own(&self) -> Option<Own> {
        let avx2 = || self.avx2.map(Own::Avx2);
        self.avx512.map(Own::Avx512).or_else(avx2)
    }

    /// Whether pairs of products are added in 16 bits, as rten-gemm does on x86 without VNNI. Weights then have half the range of
    /// a byte, so that these sums do not overflow.
    fn may_saturate(&self) -> bool {
        match self.own() {
            Some(_) => false,
            None => self.integers.may_saturate(),
        }
    }
}

impl Own {
    fn pack(self, weights: &[i8], inputs: usize) -> IntegerMatrix {
        match self {
            Self::Avx512(kernels) => kernels.pack(weights, inputs),
            Self::Avx2(kernels) => kernels.pack(weights, inputs),
        }
    }

    fn multiply(
        self,
        rows: &[u8],
        matrix: &IntegerMatrix,
        epilogue: Epilogue<'_>,
        output: &mut [f32],
    ) {
        match self {
            Self::Avx512(kernels) => kernels.multiply(rows, matrix, epilogue, output),
            Self::Avx2(kernels) => kernels.multiply(rows, matrix, epilogue, output),
        }
    }
}

impl Linear {
    /// Of `weights` with one row for each output.
    pub(crate) fn new(
        weights: &[f32],
        mut bias: Vec<f32>,
        precision: Precision,
        gemm: &Gemm,
    ) -> Self {
        let outputs = bias.len();
        let inputs = weights.len() / outputs;
        let matrix = match precision {
            Precision::F32 => {
                let rows: Matrix = NdTensorView::from_data([outputs, inputs], weights);
                Packed::F32(gemm.floats.prepack_b(rows.transposed()))
            }
            Precision::Int8 => pack_int8(weights, inputs, outputs, gemm),
        };
        if let Packed::Own { matrix, .. } = &matrix {
            bias.resize(matrix.columns(), 0.0);
        }
        Self {
            inputs,
            outputs,
            matrix,
            bias,
        }
    }

    /// Whether it is kept in 8 bits.
    pub(crate) fn is_integer(&self) -> bool {
        !matches!(self.matrix, Packed::F32(_))
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
                Packed::Own {
                    kernels,
                    matrix,
                    scales,
                } => {
                    quantise(input, self.inputs, gemm);
                    let epilogue = Epilogue {
                        row_scales: &gemm.scales,
                        column_scales: scales,
                        bias: &self.bias,
                        then,
                    };
                    kernels.multiply(&gemm.quantised, matrix, epilogue, output);
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
        quantise(input, self.inputs, gemm);
        gemm.sums.resize(rows * self.outputs, 0);

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

/// Rows of `input` as 8-bit integers, with a scale for each.
fn quantise(input: &[f32], inputs: usize, gemm: &mut Gemm) {
    gemm.quantised.resize(input.len(), 0);
    gemm.scales.clear();
    let quantised = gemm.quantised.chunks_exact_mut(inputs);
    for (row, quantised) in input.chunks_exact(inputs).zip(quantised) {
        gemm.scales.push(kernels::quantise(row, quantised));
    }
}

/// Each output column in steps of its own.
fn pack_int8(weights: &[f32], inputs: usize, outputs: usize, gemm: &Gemm) -> Packed {
    let range = if gemm.may_saturate() { 63.0 } else { 127.0 };
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

    if let Some(kernels) = gemm.own() {
        let matrix = kernels.pack(&quantised, inputs);
        scales.resize(matrix.columns(), 0.0);
        return Packed::Own {
            kernels,
            matrix,
            scales,
        };
    }
    let rows: Matrix<i8> = NdTensorView::from_data([outputs, inputs], &quantised[..]);
    Packed::Int8 {
        matrix: gemm.integers.prepack_b(rows.transposed()),
        scales,
    }
}

#[cfg(test)]
mod tests;
