//! Reading tensors by name, in the layout that the layers need.

use safetensors::{Dtype, SafeTensors};

use crate::SpeakersError;

/// The tensors of one network.
pub(crate) struct Tensors<'a> {
    file: &'a SafeTensors<'a>,
    prefix: &'static str,
}

impl<'a> Tensors<'a> {
    /// Those whose names start with `prefix` and a dot.
    pub(crate) fn new(file: &'a SafeTensors<'a>, prefix: &'static str) -> Self {
        Self { file, prefix }
    }

    /// The values of a tensor that has `count` of them.
    pub(crate) fn floats(&self, name: &str, count: usize) -> Result<Vec<f32>, SpeakersError> {
        let name = format!("{}.{name}", self.prefix);
        let tensor = self.file.tensor(&name).ok();
        let fitting = tensor.filter(|tensor| {
            tensor.dtype() == Dtype::F32 && tensor.shape().iter().product::<usize>() == count
        });
        let Some(tensor) = fitting else {
            return Err(SpeakersError::Tensor { name });
        };
        let values = tensor.data().as_chunks().0.iter();
        Ok(values.map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// A batch normalisation over `count` channels as a scale and a shift.
    pub(crate) fn batch_norm(&self, name: &str, count: usize) -> Result<Affine, SpeakersError> {
        let scale = self.floats(&format!("{name}.weight"), count)?;
        let shift = self.floats(&format!("{name}.bias"), count)?;
        let plain = self.plain_batch_norm(name, count)?;
        Ok(Affine {
            shift: (0..count)
                .map(|channel| shift[channel] + scale[channel] * plain.shift[channel])
                .collect(),
            scale: (0..count)
                .map(|channel| scale[channel] * plain.scale[channel])
                .collect(),
        })
    }

    /// The same without learned scale and shift.
    pub(crate) fn plain_batch_norm(
        &self,
        name: &str,
        count: usize,
    ) -> Result<Affine, SpeakersError> {
        const EPSILON: f32 = 1e-5;
        let mean = self.floats(&format!("{name}.running_mean"), count)?;
        let variance = self.floats(&format!("{name}.running_var"), count)?;
        let scale: Vec<f32> = variance
            .iter()
            .map(|variance| 1.0 / (variance + EPSILON).sqrt())
            .collect();
        let shift = mean.iter().zip(&scale).map(|(mean, scale)| -mean * scale);
        Ok(Affine {
            shift: shift.collect(),
            scale,
        })
    }
}

/// A scale and a shift for each channel.
pub(crate) struct Affine {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}
