//! The front of CAM++: convolutions over frequency and time, each 3 by 3.
//!
//! An image is a list of rows, one for each frequency, each with all steps in time, and one step of
//! zeros before the first and after the last.

use crate::{
    BANDS, SpeakersError,
    layers::{Linear, Rows, rectify},
    tensors::Tensors,
};

/// Channels of every image.
pub(super) const CHANNELS: usize = 32;
/// Rows of the last image.
pub(super) const ROWS: usize = BANDS / 8;
/// Values of a step that the layer after this one takes.
pub(super) const WIDTH: usize = CHANNELS * ROWS;
/// Steps of zeros that the layer after this one needs on either side.
const MARGIN: usize = 2;
const SIDE: usize = 3;

pub(super) struct Head {
    first: Linear,
    blocks: Vec<Residual>,
    last: Linear,
}

struct Residual {
    first: Linear,
    second: Linear,
    /// Where the block halves the rows, what it adds is convolved too.
    shortcut: Option<Linear>,
}

struct Image {
    /// Values of a row: the steps in time and two of zeros, times the channels.
    width: usize,
    values: Vec<f32>,
}

impl Image {
    fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..][..self.width]
    }
}

impl Head {
    pub(super) fn new(tensors: &Tensors<'_>) -> Result<Self, SpeakersError> {
        let names = ["layer1.0", "layer1.1", "layer2.0", "layer2.1"];
        let blocks = names.iter().map(|name| Residual::new(tensors, name));
        Ok(Self {
            first: convolution(tensors, "head.conv1", "head.bn1", 1)?,
            blocks: blocks.collect::<Result<_, _>>()?,
            last: convolution(tensors, "head.conv2", "head.bn2", CHANNELS)?,
        })
    }

    /// For each step in time all rows with all channels, with [`MARGIN`] steps of zeros on either side.
    pub(super) fn apply(&self, features: &[f32]) -> Vec<f32> {
        let steps = features.len() / BANDS;
        let mut image = self.start(features, steps);
        for block in &self.blocks {
            image = block.apply(&image);
        }

        let width = WIDTH;
        let mut output = vec![0.0; (steps + 2 * MARGIN) * width];
        let mut sums = Vec::new();
        for row in 0..ROWS {
            convolve(&self.last, &image, row * 2, None, &mut sums);
            for (step, values) in sums.chunks_exact(CHANNELS).enumerate() {
                let place = (step + MARGIN) * width + row * CHANNELS;
                for (out, value) in output[place..][..CHANNELS].iter_mut().zip(values) {
                    *out = value.max(0.0);
                }
            }
        }
        output
    }

    /// The first image: the features have one channel only.
    fn start(&self, features: &[f32], steps: usize) -> Image {
        let mut image = Image {
            width: (steps + 2) * CHANNELS,
            values: Vec::new(),
        };
        let value = |step: usize, band: usize| {
            // Both count from one step before the first.
            let inside = (1..=steps).contains(&step) && (1..=BANDS).contains(&band);
            if inside {
                features[(step - 1) * BANDS + band - 1]
            } else {
                0.0
            }
        };

        let mut patches = Vec::with_capacity(steps * SIDE * SIDE);
        let mut sums = Vec::new();
        for row in 0..BANDS {
            patches.clear();
            for step in 0..steps {
                for band in row..row + SIDE {
                    patches.extend((step..step + SIDE).map(|step| value(step, band)));
                }
            }
            let input = Rows {
                values: &patches,
                count: steps,
                stride: SIDE * SIDE,
            };
            self.first.apply(input, &mut sums);
            rectify(&mut sums);
            push_row(&mut image, &sums);
        }
        image
    }
}

impl Residual {
    fn new(tensors: &Tensors<'_>, name: &str) -> Result<Self, SpeakersError> {
        let name = format!("head.{name}");
        let part = |number: usize| {
            let convolved = format!("{name}.conv{number}");
            convolution(tensors, &convolved, &format!("{name}.bn{number}"), CHANNELS)
        };
        let shortcut = name.ends_with(".0").then(|| {
            let shortcut = format!("{name}.shortcut");
            let weight = tensors.floats(&format!("{shortcut}.0.weight"), CHANNELS * CHANNELS)?;
            let norm = tensors.batch_norm(&format!("{shortcut}.1"), CHANNELS)?;
            let layer = Linear::new(CHANNELS, CHANNELS, Vec::new(), |output, input| {
                weight[output * CHANNELS + input]
            });
            Ok::<_, SpeakersError>(layer.followed_by(&norm))
        });
        Ok(Self {
            first: part(1)?,
            second: part(2)?,
            shortcut: shortcut.transpose()?,
        })
    }

    fn apply(&self, input: &Image) -> Image {
        let stride = if self.shortcut.is_some() { 2 } else { 1 };
        let rows = input.rows() / stride;
        let empty = || Image {
            width: input.width,
            values: Vec::with_capacity(rows * input.width),
        };
        let mut sums = Vec::new();

        let mut middle = empty();
        for row in 0..rows {
            convolve(&self.first, input, row * stride, None, &mut sums);
            rectify(&mut sums);
            push_row(&mut middle, &sums);
        }

        let mut output = empty();
        let mut added = Vec::new();
        for row in 0..rows {
            let from = input.row(row * stride);
            let from = &from[CHANNELS..from.len() - CHANNELS];
            match &self.shortcut {
                Some(shortcut) => {
                    let input = Rows {
                        values: from,
                        count: from.len() / CHANNELS,
                        stride: CHANNELS,
                    };
                    shortcut.apply(input, &mut added);
                    convolve(&self.second, &middle, row, Some(&added), &mut sums);
                }
                None => convolve(&self.second, &middle, row, Some(from), &mut sums),
            }
            rectify(&mut sums);
            push_row(&mut output, &sums);
        }
        output
    }
}

/// Replaces `sums` by one row of a convolution, around the row `centre` of the image, plus `added`.
fn convolve(
    layer: &Linear,
    image: &Image,
    centre: usize,
    added: Option<&[f32]>,
    sums: &mut Vec<f32>,
) {
    let steps = image.width / CHANNELS - 2;
    layer.start(steps, sums);
    if let Some(added) = added {
        for (sum, value) in sums.iter_mut().zip(added) {
            *sum += value;
        }
    }
    for part in 0..SIDE {
        // Rows before the first and after the last are zero.
        let row = (centre + part).checked_sub(1);
        if let Some(row) = row.filter(|row| *row < image.rows()) {
            let input = Rows {
                values: image.row(row),
                count: steps,
                stride: CHANNELS,
            };
            layer.add_part(part, SIDE, input, sums);
        }
    }
}

/// Adds a row to the image, with its zeros.
fn push_row(image: &mut Image, row: &[f32]) {
    let zeros = [0.0; CHANNELS];
    image.values.extend_from_slice(&zeros);
    image.values.extend_from_slice(row);
    image.values.extend_from_slice(&zeros);
}

/// A convolution with its normalisation. Inputs go by row, step in time, then channel.
fn convolution(
    tensors: &Tensors<'_>,
    name: &str,
    norm: &str,
    channels: usize,
) -> Result<Linear, SpeakersError> {
    let size = SIDE * SIDE;
    let weight = tensors.floats(&format!("{name}.weight"), CHANNELS * channels * size)?;
    let norm = tensors.batch_norm(norm, CHANNELS)?;
    let layer = Linear::new(size * channels, CHANNELS, Vec::new(), |output, place| {
        let channel = place % channels;
        let within = place / channels;
        weight[(output * channels + channel) * size + within]
    });
    Ok(layer.followed_by(&norm))
}
