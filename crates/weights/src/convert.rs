//! Converting a CTranslate2 Whisper folder to a ggml file, half precision, one slice of one tensor at a time: a model of any
//! size needs a few megabytes. Called by import and by the PyPI fallback. Never installs anything.

mod plan;

use std::{
    io::{self, Write},
    path::Path,
};

use self::plan::Planned;
use crate::{
    Progress, Stage, WeightsError,
    ctranslate2::{Dtype, Model, Tensor},
    float::{f16_from_f32, f32_from_bf16, f32_from_f16},
    ggml::{self, Element},
    hash::HashingWriter,
    vocabulary,
};

/// Elements that are read, converted and written at a time.
const SLICE: u64 = 1 << 16;

/// Writes the model in `folder` (`model.bin`, a vocabulary) to `out` as a ggml file. `out_path` is only for messages.
pub(crate) fn convert<W: Write>(
    folder: &Path,
    out: &mut HashingWriter<W>,
    out_path: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), WeightsError> {
    let mut model = Model::open(&folder.join("model.bin"))?;
    let parameters = plan::hyperparameters(&mut model)?;
    let tensors = plan::tensors(&model, &parameters)?;
    let tokens = vocabulary::read(folder)?;

    let failed = |error: io::Error| WeightsError::io("write", out_path)(error);
    ggml::write_header(out, parameters, &tokens).map_err(failed)?;
    let total = out.written() + tensors.iter().map(Planned::written_bytes).sum::<u64>();
    for tensor in &tensors {
        tensor.write_header(out).map_err(failed)?;
        let scales = Scales::read(&mut model, &tensor.source)?;
        let mut next = tensor.first_row * tensor.source.row_len();
        let end = next + tensor.rows * tensor.source.row_len();
        let (mut raw, mut converted) = (Vec::new(), Vec::new());
        while next < end {
            let count = SLICE.min(end - next);
            model.read_elements(&tensor.source, next, count as usize, &mut raw)?;
            convert_slice(&model, tensor, &scales, next, &raw, &mut converted)?;
            out.write_all(&converted).map_err(failed)?;
            next += count;
            progress(Progress {
                stage: Stage::Convert,
                bytes_done: out.written(),
                bytes_total: Some(total),
            });
        }
    }
    out.flush().map_err(failed)
}

/// Converts `raw`, the elements of the tensor's source from `first` on, into the bytes of the ggml file.
fn convert_slice(
    model: &Model,
    tensor: &Planned,
    scales: &Scales,
    first: u64,
    raw: &[u8],
    converted: &mut Vec<u8>,
) -> Result<(), WeightsError> {
    converted.clear();
    let source = &tensor.source;
    if matches!(
        (source.dtype, tensor.element),
        (Dtype::F16, Element::F16) | (Dtype::F32, Element::F32)
    ) {
        converted.extend_from_slice(raw);
        return Ok(());
    }

    let mut put = |value: f32| match tensor.element {
        Element::F32 => {
            converted.extend_from_slice(&value.to_le_bytes());
            true
        }
        Element::F16 => {
            let half = f16_from_f32(value);
            converted.extend_from_slice(&half.to_le_bytes());
            // All ones in the exponent: too large for half precision, or no number to begin with.
            half & 0x7c00 != 0x7c00
        }
    };

    let fits = match source.dtype {
        Dtype::F32 => raw
            .as_chunks()
            .0
            .iter()
            .all(|bytes| put(f32::from_le_bytes(*bytes))),
        Dtype::F16 => raw
            .as_chunks()
            .0
            .iter()
            .all(|bytes| put(f32_from_f16(u16::from_le_bytes(*bytes)))),
        Dtype::Bf16 => raw
            .as_chunks()
            .0
            .iter()
            .all(|bytes| put(f32_from_bf16(u16::from_le_bytes(*bytes)))),
        Dtype::I8 => raw.iter().enumerate().all(|(index, byte)| {
            let row = (first + index as u64) / source.row_len();
            put(f32::from(*byte as i8) / scales.of_row(row))
        }),
        Dtype::I16 | Dtype::I32 => return Err(unsupported(model, source)),
    };

    if !fits {
        return Err(model.problem(format!(
            "the tensor {} holds a value half precision cannot",
            source.name
        )));
    }

    Ok(())
}

fn unsupported(model: &Model, source: &Tensor) -> WeightsError {
    model.problem(format!(
        "the tensor {} is {:?}; convert the model again as float16",
        source.name, source.dtype
    ))
}

/// What the whole numbers of an int8 tensor are to be divided by: one value a row, or one for all. Empty for other tensors.
struct Scales(Vec<f32>);

impl Scales {
    fn read(model: &mut Model, tensor: &Tensor) -> Result<Self, WeightsError> {
        if tensor.dtype != Dtype::I8 {
            return Ok(Self(Vec::new()));
        }
        let scale = model.tensor(&format!("{}_scale", tensor.name))?;
        let count = scale.rows().saturating_mul(scale.row_len());
        if count != 1 && count != tensor.rows() {
            return Err(model.problem(format!(
                "the tensor {} does not have one value a row",
                scale.name
            )));
        }

        let mut raw = Vec::new();
        model.read_elements(&scale, 0, count as usize, &mut raw)?;
        let scales: Vec<f32> = match scale.dtype {
            Dtype::F32 => raw
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect(),
            Dtype::F16 => raw
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f32_from_f16(u16::from_le_bytes(*bytes)))
                .collect(),
            Dtype::Bf16 => raw
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f32_from_bf16(u16::from_le_bytes(*bytes)))
                .collect(),
            Dtype::I8 | Dtype::I16 | Dtype::I32 => return Err(unsupported(model, &scale)),
        };

        if scales.iter().any(|scale| !scale.is_normal()) {
            return Err(model.problem(format!(
                "the tensor {} holds a value nothing can be divided by",
                scale.name
            )));
        }

        Ok(Self(scales))
    }

    fn of_row(&self, row: u64) -> f32 {
        match self.0.as_slice() {
            [one] => *one,
            many => many[row as usize],
        }
    }
}
