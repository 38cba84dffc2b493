//! The encoder: from a spectrogram to one row of values for each 20 ms.

use std::time::{Duration, Instant};

use rten_gemm::{BiasVector, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::{Matrix, NdTensorView};

use crate::RunError;
use crate::kernels::avx512::{Avx512, HalfMatrix};
use crate::kernels::{self, HEAD, Norm, Then};
use crate::layers::{FeedForward, Loader};
use crate::matrix::{BLOCK_ROWS, Gemm, Linear};

/// Steps of the input that a convolution sees at once.
const TAPS: usize = 3;
/// Queries whose scores are computed together. Those of a full window then stay in the second-level cache.
const QUERIES: usize = 96;

/// Asked between layers; an error ends the run.
pub(crate) type Check<'a> = &'a mut dyn FnMut() -> Result<(), RunError>;

/// The encoder's weights.
pub(crate) struct Encoder {
    first: Convolution,
    second: Convolution,
    /// What is added to each frame for its place.
    positions: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
    width: usize,
}

struct Layer {
    attention_norm: Norm,
    /// Queries, keys and values.
    attention_in: Linear,
    attention_out: Linear,
    feed_forward: FeedForward,
}

/// The time that each kind of work took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) convolutions: Duration,
    /// Products with the matrices of the layers, and norms.
    pub(crate) matrices: Duration,
    pub(crate) attention: Duration,
}

/// Memory of one run.
struct Work {
    normed: Vec<f32>,
    projected: Vec<f32>,
    attended: Vec<f32>,
    scores: Vec<f32>,
    head: Vec<f32>,
    times: Times,
}

impl Encoder {
    pub(crate) fn load(loader: &mut Loader<'_>) -> Result<Self, crate::LoadError> {
        let dimensions = loader.dimensions();
        let width = dimensions.state;
        let positions = loader.tensor(
            "encoder.positional_embedding",
            &[dimensions.audio_context, width],
        )?;
        let layers = (0..dimensions.audio_layers)
            .map(|at| Layer::load(loader, &format!("encoder.blocks.{at}"), width))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            first: Convolution::load(loader, "encoder.conv1", dimensions.mels, width, 1)?,
            second: Convolution::load(loader, "encoder.conv2", width, width, 2)?,
            positions,
            layers,
            norm: loader.norm("encoder.ln_post", width)?,
            width,
        })
    }

    /// One row for each two frames of the spectrogram, which has an even number of them.
    pub(crate) fn run(
        &self,
        spectrogram: &[f32],
        gemm: &mut Gemm,
        check: Check<'_>,
    ) -> Result<Vec<f32>, RunError> {
        self.run_timed(spectrogram, gemm, check)
            .map(|(output, _)| output)
    }

    /// Like `run`, and returns how long each kind of work took.
    pub(crate) fn run_timed(
        &self,
        spectrogram: &[f32],
        gemm: &mut Gemm,
        check: Check<'_>,
    ) -> Result<(Vec<f32>, Times), RunError> {
        let began = Instant::now();
        let narrow = self.first.apply(spectrogram, gemm);
        check()?;
        let mut rows = self.second.apply(&narrow, gemm);
        check()?;
        for (value, position) in rows.iter_mut().zip(&self.positions) {
            *value += position;
        }

        let count = rows.len() / self.width;
        let mut work = Work {
            normed: vec![0.0; BLOCK_ROWS * self.width],
            projected: vec![0.0; 3 * rows.len()],
            attended: vec![0.0; rows.len()],
            scores: vec![0.0; QUERIES * count],
            head: vec![0.0; QUERIES * HEAD],
            times: Times {
                convolutions: began.elapsed(),
                ..Times::default()
            },
        };
        for layer in &self.layers {
            layer.apply(&mut rows, self.width, &mut work, gemm, check)?;
        }

        let mut output = vec![0.0; rows.len()];
        self.norm.apply(&rows, &mut output);
        Ok((output, work.times))
    }
}

impl Layer {
    fn load(loader: &mut Loader<'_>, name: &str, width: usize) -> Result<Self, crate::LoadError> {
        Ok(Self {
            attention_norm: loader.norm(&format!("{name}.attn_ln"), width)?,
            attention_in: loader.projections(&format!("{name}.attn"), width)?,
            attention_out: loader.linear(&format!("{name}.attn.out"), width, width)?,
            feed_forward: FeedForward::load(loader, name, width)?,
        })
    }

    fn apply(
        &self,
        rows: &mut [f32],
        width: usize,
        work: &mut Work,
        gemm: &mut Gemm,
        check: Check<'_>,
    ) -> Result<(), RunError> {
        let began = Instant::now();
        let block = BLOCK_ROWS * width;
        for (rows, projected) in rows.chunks(block).zip(work.projected.chunks_mut(3 * block)) {
            let normed = &mut work.normed[..rows.len()];
            self.attention_norm.apply(rows, normed);
            self.attention_in
                .apply(normed, Then::Store, projected, gemm);
        }
        work.times.matrices += began.elapsed();
        check()?;

        let began = Instant::now();
        for head in 0..width / HEAD {
            match gemm.avx512 {
                Some(kernels) if self.attention_in.is_integer() => kernels.attend(
                    &work.projected,
                    width,
                    head,
                    &mut gemm.attention,
                    &mut work.attended,
                ),
                _ => attend(head, width, work, gemm),
            }
            check()?;
        }

        work.times.attention += began.elapsed();

        let began = Instant::now();
        for (rows, attended) in rows.chunks_mut(block).zip(work.attended.chunks(block)) {
            self.attention_out.apply(attended, Then::Add, rows, gemm);
            self.feed_forward.apply(rows, gemm);
        }
        work.times.matrices += began.elapsed();
        check()
    }
}

/// Attention of all rows to all rows in one head.
fn attend(head: usize, width: usize, work: &mut Work, gemm: &Gemm) {
    let stride = 3 * width;
    let count = work.attended.len() / width;
    let part = |which: usize| -> Matrix<'_> {
        let values = &work.projected[which * width + head * HEAD..];
        NdTensorView::from_slice_with_strides([count, HEAD], values, [stride, 1])
            .expect("each row has this head's part")
    };
    let (queries, keys, values) = (part(0), part(1), part(2));
    let keys = gemm.floats.prepack_b(keys.transposed());
    let values = gemm.floats.prepack_b(values);

    for first in (0..count).step_by(QUERIES) {
        let rows = QUERIES.min(count - first);
        let scores = &mut work.scores[..rows * count];
        let options = GemmOptions {
            alpha: 1.0 / (HEAD as f32).sqrt(),
            ..GemmOptions::default()
        };
        let queries = queries.slice((first..first + rows, ..));
        gemm.floats
            .gemm(
                scores,
                GemmInputA::Unpacked(queries),
                GemmInputB::Packed(&keys),
                options,
            )
            .expect("queries and keys are equally wide");
        for row in scores.chunks_exact_mut(count) {
            kernels::softmax(row);
        }

        let output = &mut work.head[..rows * HEAD];
        let weights = NdTensorView::from_data([rows, count], &*scores);
        gemm.floats
            .gemm(
                output,
                GemmInputA::Unpacked(weights),
                GemmInputB::Packed(&values),
                GemmOptions::default(),
            )
            .expect("there is a weight for each value");
        let attended = work.attended[first * width..].chunks_exact_mut(width);
        for (attended, output) in attended.zip(output.chunks_exact(HEAD)) {
            attended[head * HEAD..][..HEAD].copy_from_slice(output);
        }
    }
}

/// A convolution over time with three taps, one step of padding at either end, and GELU.
struct Convolution {
    inputs: usize,
    outputs: usize,
    /// Steps of the input for each step of the output.
    stride: usize,
    /// Rows are taps, and the inputs of each.
    matrix: Taps,
    bias: Vec<f32>,
}

enum Taps {
    F32(PackedBMatrix<f32>),
    Half(Avx512, HalfMatrix),
}

impl Convolution {
    fn load(
        loader: &mut Loader<'_>,
        name: &str,
        inputs: usize,
        outputs: usize,
        stride: usize,
    ) -> Result<Self, crate::LoadError> {
        let weights = loader.tensor(&format!("{name}.weight"), &[outputs, inputs, TAPS])?;
        let bias = loader.tensor(&format!("{name}.bias"), &[outputs])?;

        let mut by_tap = vec![0.0; weights.len()];
        for output in 0..outputs {
            for input in 0..inputs {
                for tap in 0..TAPS {
                    by_tap[(tap * inputs + input) * outputs + output] =
                        weights[(output * inputs + input) * TAPS + tap];
                }
            }
        }
        let matrix = if let Some(kernels) = loader.fast_kernels() {
            Taps::Half(kernels, HalfMatrix::new(&by_tap, outputs))
        } else {
            let shape = [TAPS * inputs, outputs];
            let by_tap: Matrix = NdTensorView::from_data(shape, &by_tap[..]);
            Taps::F32(loader.gemm().floats.prepack_b(by_tap))
        };
        Ok(Self {
            inputs,
            outputs,
            stride,
            matrix,
            bias,
        })
    }

    fn apply(&self, input: &[f32], gemm: &Gemm) -> Vec<f32> {
        let steps = input.len() / self.inputs;
        let mut padded = vec![0.0; (steps + 2) * self.inputs];
        padded[self.inputs..][..input.len()].copy_from_slice(input);

        // Three steps beside each other are a row: rows overlap.
        let rows = steps.div_ceil(self.stride);
        let stride = self.stride * self.inputs;
        let mut output = vec![0.0; rows * self.outputs];
        match &self.matrix {
            Taps::Half(kernels, matrix) => {
                let mut halves = vec![0; padded.len()];
                kernels.halve(&padded, &mut halves);
                kernels.convolve(&halves, stride, matrix, &self.bias, &mut output);
            }
            Taps::F32(matrix) => {
                let shape = [rows, TAPS * self.inputs];
                let rows_of_taps =
                    NdTensorView::from_slice_with_strides(shape, &padded, [stride, 1])
                        .expect("there is one step of padding at either end");
                let options = GemmOptions {
                    bias: Some(BiasVector::Row(&self.bias)),
                    ..GemmOptions::default()
                };
                let rows_of_taps = GemmInputA::Unpacked(rows_of_taps);
                gemm.floats
                    .gemm(
                        &mut output,
                        rows_of_taps,
                        GemmInputB::Packed(matrix),
                        options,
                    )
                    .expect("the shapes of a convolution fit");
                kernels::gelu(&mut output);
            }
        }
        output
    }
}
