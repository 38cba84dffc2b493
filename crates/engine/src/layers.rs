//! Layers that encoder and decoder share, and how they are loaded.

use crate::LoadError;
use crate::kernels::avx512::Avx512;
use crate::kernels::{Norm, Then};
use crate::matrix::{BLOCK_ROWS, Gemm, Linear, Precision};
use crate::weights_file::{Dimensions, WeightsFile};

/// Reads layers out of a file.
pub(crate) struct Loader<'a> {
    file: &'a mut WeightsFile,
    precision: Precision,
    gemm: &'a Gemm,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(file: &'a mut WeightsFile, precision: Precision, gemm: &'a Gemm) -> Self {
        Self {
            file,
            precision,
            gemm,
        }
    }

    pub(crate) fn dimensions(&self) -> Dimensions {
        self.file.dimensions
    }

    pub(crate) fn gemm(&self) -> &'a Gemm {
        self.gemm
    }

    /// Our own kernels, if the matrices are packed for them.
    pub(crate) fn fast_kernels(&self) -> Option<Avx512> {
        let is_fast = self.precision == Precision::Int8;
        self.gemm.avx512.filter(|_| is_fast)
    }

    pub(crate) fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        self.file.tensor(name, shape)
    }

    pub(crate) fn norm(&mut self, name: &str, width: usize) -> Result<Norm, LoadError> {
        Ok(Norm {
            scale: self.tensor(&format!("{name}.weight"), &[width])?,
            bias: self.tensor(&format!("{name}.bias"), &[width])?,
        })
    }

    pub(crate) fn linear(
        &mut self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear, LoadError> {
        let weights = self.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = self.tensor(&format!("{name}.bias"), &[outputs])?;
        Ok(self.pack(&weights, bias))
    }

    /// Queries, keys and values of an attention as one matrix. Keys have no bias.
    pub(crate) fn projections(&mut self, name: &str, width: usize) -> Result<Linear, LoadError> {
        let mut weights = self.tensor(&format!("{name}.query.weight"), &[width, width])?;
        weights.extend(self.tensor(&format!("{name}.key.weight"), &[width, width])?);
        weights.extend(self.tensor(&format!("{name}.value.weight"), &[width, width])?);

        let mut bias = self.tensor(&format!("{name}.query.bias"), &[width])?;
        bias.resize(2 * width, 0.0);
        bias.extend(self.tensor(&format!("{name}.value.bias"), &[width])?);
        Ok(self.pack(&weights, bias))
    }

    /// Keys and values of an attention as one matrix.
    pub(crate) fn keys_and_values(
        &mut self,
        name: &str,
        width: usize,
    ) -> Result<Linear, LoadError> {
        let mut weights = self.tensor(&format!("{name}.key.weight"), &[width, width])?;
        weights.extend(self.tensor(&format!("{name}.value.weight"), &[width, width])?);

        let mut bias = vec![0.0; width];
        bias.extend(self.tensor(&format!("{name}.value.bias"), &[width])?);
        Ok(self.pack(&weights, bias))
    }

    pub(crate) fn pack(&self, weights: &[f32], bias: Vec<f32>) -> Linear {
        Linear::new(weights, bias, self.precision, self.gemm)
    }
}

/// The two matrices at the end of each layer.
pub(crate) struct FeedForward {
    norm: Norm,
    widen: Linear,
    narrow: Linear,
}

impl FeedForward {
    pub(crate) fn load(
        loader: &mut Loader<'_>,
        name: &str,
        width: usize,
    ) -> Result<Self, LoadError> {
        Ok(Self {
            norm: loader.norm(&format!("{name}.mlp_ln"), width)?,
            widen: loader.linear(&format!("{name}.mlp.0"), width, 4 * width)?,
            narrow: loader.linear(&format!("{name}.mlp.2"), 4 * width, width)?,
        })
    }

    /// Adds its result to each row.
    pub(crate) fn apply(&self, rows: &mut [f32], gemm: &mut Gemm) {
        let width = self.narrow.outputs();
        let mut normed = vec![0.0; rows.len().min(BLOCK_ROWS * width)];
        let mut wide = vec![0.0; 4 * normed.len()];
        for rows in rows.chunks_mut(BLOCK_ROWS * width) {
            let normed = &mut normed[..rows.len()];
            let wide = &mut wide[..4 * rows.len()];
            self.norm.apply(rows, normed);
            self.widen.apply(normed, Then::Gelu, wide, gemm);
            self.narrow.apply(wide, Then::Add, rows, gemm);
        }
    }
}
