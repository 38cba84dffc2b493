//! When each token was spoken: the text is read by the decoder once more, and the attention of some heads to the audio
//! is followed. As `whisper_exp_compute_token_level_timestamps_dtw` of whisper.cpp does it.

use std::sync::Arc;

use crate::RunError;
use crate::cache::{Heard, Sequence};
use crate::decoder::Feed;
use crate::encoder::Check;
use crate::matrix::Gemm;
use crate::model::Model;
use crate::vocabulary::Token;

/// Width of the median filter over time, in frames.
const MEDIAN: usize = 7;
/// Seconds of a frame.
const FRAME_SECONDS: f32 = 0.02;
/// What keeps a deviation from zero.
const EPSILON: f32 = 1e-9;

/// A head of the decoder's attention to the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its layer.
    pub layer: usize,
    /// Its place in the layer.
    pub head: usize,
}

/// What to align with.
#[derive(Clone, Debug)]
pub(crate) struct Alignment {
    /// Start of transcript, and the language where there is one.
    pub(crate) start: Vec<Token>,
    pub(crate) heads: Arc<[Head]>,
}

/// A grid of numbers, one row for each token, one column for each frame.
struct Grid {
    columns: usize,
    values: Vec<f32>,
}

/// The seconds at which the decoder turned from each token of `text` to the next. `frames` of the audio are looked at.
pub(crate) fn align(
    alignment: &Alignment,
    text: &[Token],
    frames: usize,
    model: &Model,
    heard: &Arc<Heard>,
    gemm: &mut Gemm,
    check: Check<'_>,
) -> Result<Vec<f32>, RunError> {
    if text.is_empty() || frames == 0 {
        return Ok(vec![0.0; text.len()]);
    }
    let special = model.vocabulary().special();
    let mut tokens = alignment.start.clone();
    tokens.push(special.no_timestamps);
    tokens.extend_from_slice(text);
    tokens.push(special.end);

    let frames = frames.min(heard.frames());
    let mut grids: Vec<Grid> = alignment
        .heads
        .iter()
        .map(|_| Grid::new(tokens.len(), frames))
        .collect();
    let mut sequence = Sequence::new(heard);
    let feed = Feed {
        sequence: &mut sequence,
        tokens: &tokens,
    };
    model
        .decoder
        .watch(feed, gemm, check, &mut |layer, head, row, weights| {
            let seen = Head { layer, head };
            if let Some(at) = alignment.heads.iter().position(|wanted| *wanted == seen) {
                grids[at].row_mut(row).copy_from_slice(&weights[..frames]);
            }
        })?;

    // The token without timestamps represents the time before the text.
    let rows = alignment.start.len()..tokens.len() - 1;
    let mut cost = Grid::new(rows.len(), frames);
    for grid in &mut grids {
        grid.normalise_columns();
        for (row, cost) in rows.clone().zip(cost.values.chunks_exact_mut(frames)) {
            for (cost, value) in cost.iter_mut().zip(median_filtered(grid.row(row))) {
                *cost -= value / alignment.heads.len() as f32;
            }
        }
    }
    let begins = row_begins(&cost);
    Ok(begins[1..]
        .iter()
        .map(|frame| *frame as f32 * FRAME_SECONDS)
        .collect())
}

impl Grid {
    fn new(rows: usize, columns: usize) -> Self {
        Self {
            columns,
            values: vec![0.0; rows * columns],
        }
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.columns..][..self.columns]
    }

    fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.columns..][..self.columns]
    }

    fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Moves the mean of each column to 0 and its deviation to 1.
    fn normalise_columns(&mut self) {
        let rows = self.rows() as f32;
        for column in 0..self.columns {
            let cells = || self.values[column..].iter().step_by(self.columns);
            let mean = cells().sum::<f32>() / rows;
            let variance = cells().map(|value| (value - mean).powi(2)).sum::<f32>() / rows;
            let inverse = 1.0 / (variance + EPSILON).sqrt();
            for value in self.values[column..].iter_mut().step_by(self.columns) {
                *value = (*value - mean) * inverse;
            }
        }
    }
}

/// The middle one of seven values around each, reflected at the ends.
fn median_filtered(row: &[f32]) -> impl Iterator<Item = f32> {
    let last = row.len() as isize - 1;
    let half = MEDIAN as isize / 2;
    (0..=last).map(move |at| {
        let mut window = [0.0; MEDIAN];
        for (value, offset) in window.iter_mut().zip(-half..=half) {
            let place = (at + offset).abs();
            let place = if place > last {
                2 * last - place
            } else {
                place
            };
            *value = row[place.clamp(0, last) as usize];
        }
        window.sort_by(f32::total_cmp);
        window[MEDIAN / 2]
    })
}

/// Where the cheapest way through the grid, from its first cell to its last, enters each row.
fn row_begins(cost: &Grid) -> Vec<usize> {
    #[derive(Clone, Copy)]
    enum From {
        Both,
        Row,
        Column,
    }

    let columns = cost.columns;
    let mut steps = vec![From::Column; cost.values.len()];
    let mut above = vec![f32::INFINITY; columns + 1];
    above[0] = 0.0;
    for row in 0..cost.rows() {
        let mut current = vec![f32::INFINITY; columns + 1];
        for column in 0..columns {
            let both = above[column];
            let from_row = above[column + 1];
            let from_column = current[column];
            let (least, step) = if both < from_row && both < from_column {
                (both, From::Both)
            } else if from_row < both && from_row < from_column {
                (from_row, From::Row)
            } else {
                (from_column, From::Column)
            };
            current[column + 1] = least + cost.row(row)[column];
            steps[row * columns + column] = step;
        }
        above = current;
    }

    let mut begins = vec![0; cost.rows()];
    let (mut row, mut column) = (cost.rows() - 1, columns - 1);
    loop {
        begins[row] = column;
        let step = match (row, column) {
            (0, 0) => return begins,
            (0, _) => From::Column,
            (_, 0) => From::Row,
            _ => steps[row * columns + column],
        };
        match step {
            From::Both => {
                row -= 1;
                column -= 1;
            }
            From::Row => row -= 1,
            From::Column => column -= 1,
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_way_is_followed() {
        let mut cost = Grid::new(3, 9);
        cost.values.fill(0.5);
        for (row, bright) in [0..2, 2..7, 7..9].into_iter().enumerate() {
            cost.row_mut(row)[bright].fill(-1.0);
        }
        assert_eq!(row_begins(&cost), [0, 2, 7]);
    }

    #[test]
    fn a_single_outlier_is_filtered_out() {
        let found: Vec<f32> = median_filtered(&[0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0]).collect();
        assert_eq!(found, [0.0; 8]);
        assert_eq!(median_filtered(&[3.0]).collect::<Vec<_>>(), [3.0]);
        assert_eq!(median_filtered(&[1.0, 2.0]).count(), 2);
    }

    #[test]
    fn columns_are_normalised() {
        let mut grid = Grid::new(2, 2);
        grid.values = vec![1.0, 5.0, 3.0, 5.0];
        grid.normalise_columns();
        assert!((grid.values[0] + 1.0).abs() < 1e-3);
        assert_eq!(grid.values[1], 0.0);
    }
}
