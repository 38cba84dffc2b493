//! The front of the segmentation network: band-pass filters and two convolutions, with pooling.

use std::f32::consts::TAU;

use super::FILTERED;
use crate::{
    SpeakersError,
    layers::{Linear, Rows, leaky_rectify},
    tensors::Tensors,
};

/// Band-pass filters: half of them even, half odd.
const FILTERS: usize = 80;
/// Samples of a filter.
const TAPS: usize = 251;
const HALF: usize = TAPS / 2;
/// Samples from one output of the filters to the next.
const STRIDE: usize = 10;
/// Inputs in time of the convolutions.
const WIDTH: usize = 5;
/// Steps of which the largest is kept.
const POOL: usize = 3;
const EPSILON: f32 = 1e-5;
const LOWEST_HZ: f32 = 50.0;
const NYQUIST_HZ: f32 = 8000.0;

pub(super) struct SincNet {
    scale: f32,
    shift: f32,
    filters: Linear,
    convolutions: Vec<Linear>,
    norms: Vec<Norm>,
}

/// Scale and shift of each channel, after it was normalised over the window.
struct Norm {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl SincNet {
    pub(super) fn new(tensors: &Tensors<'_>) -> Result<Self, SpeakersError> {
        let norm = |index: usize, channels| {
            Ok::<_, SpeakersError>(Norm {
                scale: tensors.floats(&format!("sincnet.norm1d.{index}.weight"), channels)?,
                shift: tensors.floats(&format!("sincnet.norm1d.{index}.bias"), channels)?,
            })
        };
        Ok(Self {
            scale: tensors.floats("sincnet.wav_norm1d.weight", 1)?[0],
            shift: tensors.floats("sincnet.wav_norm1d.bias", 1)?[0],
            filters: filters(tensors)?,
            convolutions: vec![
                convolution(tensors, 1, FILTERS)?,
                convolution(tensors, 2, FILTERED)?,
            ],
            norms: vec![norm(0, FILTERS)?, norm(1, FILTERED)?, norm(2, FILTERED)?],
        })
    }

    /// [`FILTERED`] values for each frame.
    pub(super) fn apply(&self, window: &[f32]) -> Vec<f32> {
        let samples = self.normalise(window);
        let input = Rows {
            values: &samples,
            count: (samples.len() - TAPS) / STRIDE + 1,
            stride: STRIDE,
        };
        let mut values = Vec::new();
        self.filters.apply(input, &mut values);
        for value in &mut values {
            *value = value.abs();
        }

        let mut pooled = Vec::new();
        self.norms[0].pool(&values, &mut pooled);
        for (convolution, norm) in self.convolutions.iter().zip(&self.norms[1..]) {
            let channels = convolution.inputs() / WIDTH;
            let input = Rows {
                values: &pooled,
                count: pooled.len() / channels - (WIDTH - 1),
                stride: channels,
            };
            convolution.apply(input, &mut values);
            norm.pool(&values, &mut pooled);
        }
        pooled
    }

    /// The window with mean 0 and variance 1.
    fn normalise(&self, window: &[f32]) -> Vec<f32> {
        let count = window.len() as f64;
        let mean = window.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
        let squares = window.iter().map(|v| (f64::from(*v) - mean).powi(2));
        let variance = (squares.sum::<f64>() / count) as f32;
        let scale = self.scale / (variance + EPSILON).sqrt();
        let shift = self.shift - mean as f32 * scale;
        window.iter().map(|value| value * scale + shift).collect()
    }
}

impl Norm {
    /// Keeps the largest of every [`POOL`] steps, then normalises each channel over time.
    fn pool(&self, input: &[f32], output: &mut Vec<f32>) {
        let channels = self.scale.len();
        output.clear();
        for steps in input.chunks_exact(POOL * channels) {
            let (first, rest) = steps.split_at(channels);
            let (second, third) = rest.split_at(channels);
            let largest = (0..channels).map(|at| first[at].max(second[at]).max(third[at]));
            output.extend(largest);
        }

        let count = (output.len() / channels) as f64;
        let mut sums = vec![0.0_f64; channels];
        let mut squares = vec![0.0_f64; channels];
        for step in output.chunks_exact(channels) {
            for (at, value) in step.iter().enumerate() {
                sums[at] += f64::from(*value);
                squares[at] += f64::from(*value) * f64::from(*value);
            }
        }

        let factors: Vec<(f32, f32)> = (0..channels)
            .map(|at| {
                let mean = sums[at] / count;
                let variance = (squares[at] / count - mean * mean).max(0.0) as f32;
                let scale = self.scale[at] / (variance + EPSILON).sqrt();
                (scale, self.shift[at] - mean as f32 * scale)
            })
            .collect();
        for step in output.chunks_exact_mut(channels) {
            for (value, (scale, shift)) in step.iter_mut().zip(&factors) {
                *value = *value * scale + shift;
            }
        }
        leaky_rectify(output);
    }
}

fn convolution(
    tensors: &Tensors<'_>,
    index: usize,
    inputs: usize,
) -> Result<Linear, SpeakersError> {
    let name = format!("sincnet.conv1d.{index}");
    // By output, input, then step in time.
    let weight = tensors.floats(&format!("{name}.weight"), FILTERED * inputs * WIDTH)?;
    let bias = tensors.floats(&format!("{name}.bias"), FILTERED)?;
    Ok(Linear::new(
        inputs * WIDTH,
        FILTERED,
        bias,
        |output, place| {
            let step = place / inputs;
            let input = place % inputs;
            weight[(output * inputs + input) * WIDTH + step]
        },
    ))
}

/// The filters, of the lower limits and widths that were learned.
fn filters(tensors: &Tensors<'_>) -> Result<Linear, SpeakersError> {
    let name = "sincnet.conv1d.0.filterbank";
    let low = tensors.floats(&format!("{name}.low_hz_"), FILTERS / 2)?;
    let band = tensors.floats(&format!("{name}.band_hz_"), FILTERS / 2)?;
    let window = tensors.floats(&format!("{name}.window_"), HALF)?;

    let mut taps = vec![0.0; FILTERS * TAPS];
    for filter in 0..FILTERS / 2 {
        let low = LOWEST_HZ + low[filter].abs();
        let high = (low + LOWEST_HZ + band[filter].abs()).clamp(LOWEST_HZ, NYQUIST_HZ);
        let width = high - low;

        let even = filter * TAPS;
        let odd = (filter + FILTERS / 2) * TAPS;
        for tap in 0..HALF {
            let time = TAU * (tap as f32 - HALF as f32) / (2.0 * NYQUIST_HZ);
            let factor = window[tap] / (time / 2.0) / (2.0 * width);
            let cosine = ((high * time).sin() - (low * time).sin()) * factor;
            let sine = ((low * time).cos() - (high * time).cos()) * factor;
            taps[even + tap] = cosine;
            taps[even + TAPS - 1 - tap] = cosine;
            taps[odd + tap] = sine;
            taps[odd + TAPS - 1 - tap] = -sine;
        }
        taps[even + HALF] = 1.0;
    }
    Ok(Linear::new(TAPS, FILTERS, Vec::new(), |output, input| {
        taps[output * TAPS + input]
    }))
}
