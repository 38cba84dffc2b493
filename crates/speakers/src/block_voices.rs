//! What the networks find in a block of a recording, in bytes that can be kept and sent: 0.4 kB for each embedding.
//!
//! Labels are only ever made of what was read back from these bytes. So they do not depend on how a recording is cut into blocks,
//! nor on which process found their voices, if all processors are of the same kind (another kind may round differently). What is
//! read is checked: it may be damaged, or of another release.

use std::fmt;
use std::ops::Range;

use crate::{
    SpeakersError,
    blocks::windows_of,
    embedding::DIMENSIONS,
    runs::{Piece, Run},
    timeline::Window,
};

/// The form of the bytes. Another form, or other networks, windows or pieces, need another number.
const VERSION: u8 = 1;
/// Stored instead of a count if the founding pieces are the labelled ones.
const SAME: u8 = u8::MAX;
/// What the numbers of an embedding, -1 to 1, are multiplied with: an error of 1.5e-5 changes a similarity by about as much.
const SCALE: f32 = 32_767.0;
/// How far the length of an embedding may be from 1.
const TOLERANCE: f32 = 0.01;

/// The voices of a block: biometric data. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct BlockVoices(Vec<u8>);

/// A piece with its embedding, which has length 1 and is never shown by `Debug`.
#[derive(Clone, PartialEq)]
pub(crate) struct EmbeddedPiece {
    pub(crate) piece: Piece,
    pub(crate) vector: Vec<f32>,
}

impl fmt::Debug for EmbeddedPiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedPiece")
            .field("piece", &self.piece)
            .finish_non_exhaustive()
    }
}

/// A run with its embedded pieces.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EmbeddedRun {
    pub(crate) run: Run,
    /// Those that get a speaker, in order.
    pub(crate) labelled: Vec<EmbeddedPiece>,
    /// Those that say which speakers there are; `None` if they are the same.
    pub(crate) founding: Option<Vec<EmbeddedPiece>>,
}

impl BlockVoices {
    /// What was kept; checked when it is used.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// What is to be kept.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The runs of the windows with these indices.
    pub(crate) fn encode(windows: Range<usize>, runs: &[EmbeddedRun]) -> Self {
        let mut bytes = vec![VERSION];
        put(&mut bytes, windows.start);
        put(&mut bytes, windows.end);
        put(&mut bytes, runs.len());
        for EmbeddedRun {
            run,
            labelled,
            founding,
        } in runs
        {
            put(&mut bytes, run.window);
            put(&mut bytes, run.from);
            put(&mut bytes, run.to);
            bytes.push(run.speakers);
            bytes.push(labelled.len() as u8);
            bytes.push(founding.as_ref().map_or(SAME, |pieces| pieces.len() as u8));
            for piece in labelled.iter().chain(founding.iter().flatten()) {
                put_piece(&mut bytes, piece);
            }
        }
        Self(bytes)
    }

    /// The runs of a block of a recording of `samples` samples.
    pub(crate) fn decode(
        &self,
        samples: usize,
        block: &Range<usize>,
    ) -> Result<Vec<EmbeddedRun>, SpeakersError> {
        let windows = windows_of(samples, block);
        let mut reader = Reader(&self.0);
        if reader.byte()? != VERSION {
            return Err(SpeakersError::Voices(
                "they have the form of another release",
            ));
        }
        let range = index_range(&windows);
        if (reader.number()?, reader.number()?) != (range.start, range.end) {
            return Err(SpeakersError::Voices("they are those of another block"));
        }

        let count = reader.number()?;
        let mut runs = Vec::new();
        let mut next = 0;
        for _ in 0..count {
            let run = reader.run(&windows, next)?;
            next = run.run.to;
            runs.push(run);
        }
        if !reader.0.is_empty() {
            return Err(SpeakersError::Voices("they are followed by other data"));
        }
        Ok(runs)
    }
}

impl fmt::Debug for BlockVoices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockVoices({} bytes)", self.0.len())
    }
}

/// The indices of windows that follow each other.
pub(crate) fn index_range(windows: &[(usize, Window)]) -> Range<usize> {
    let first = windows.first().map_or(0, |(index, _)| *index);
    first..first + windows.len()
}

fn put(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend((number as u32).to_le_bytes());
}

fn put_piece(bytes: &mut Vec<u8>, EmbeddedPiece { piece, vector }: &EmbeddedPiece) {
    for frame in [piece.from, piece.to, piece.wide_from, piece.wide_to] {
        put(bytes, frame);
    }
    for value in vector {
        bytes.extend(((value * SCALE).round() as i16).to_le_bytes());
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], SpeakersError> {
        let (array, rest) = self
            .0
            .split_first_chunk()
            .ok_or(SpeakersError::Voices("they end too early"))?;
        self.0 = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, SpeakersError> {
        self.array().map(u8::from_le_bytes)
    }

    fn number(&mut self) -> Result<usize, SpeakersError> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    /// A run that begins at the frame `next` or later, in one of the windows.
    fn run(
        &mut self,
        windows: &[(usize, Window)],
        next: usize,
    ) -> Result<EmbeddedRun, SpeakersError> {
        let window = self.number()?;
        let from = self.number()?;
        let to = self.number()?;
        let speakers = self.byte()?;
        let run = Run {
            window,
            speakers,
            from,
            to,
        };
        let own = windows.iter().find(|(index, _)| *index == window);
        let is_in_window = own.is_some_and(|(_, own)| own.from <= from && to <= own.to);
        if !is_in_window || from < next || from >= to || !(1..=0b111).contains(&speakers) {
            return Err(SpeakersError::Voices("a run is not in its window"));
        }

        let labelled = self.byte()?;
        let founding = self.byte()?;
        Ok(EmbeddedRun {
            run,
            labelled: self.pieces(&run, labelled)?,
            founding: match founding {
                SAME => None,
                count => Some(self.pieces(&run, count)?),
            },
        })
    }

    fn pieces(&mut self, run: &Run, count: u8) -> Result<Vec<EmbeddedPiece>, SpeakersError> {
        if count > 0 && !run.is_single() {
            return Err(SpeakersError::Voices("a piece has several voices"));
        }
        let mut pieces = Vec::new();
        let mut next = run.from;
        for _ in 0..count {
            let piece = self.piece(run)?;
            if piece.piece.from < next {
                return Err(SpeakersError::Voices("pieces are not in order"));
            }
            next = piece.piece.to;
            pieces.push(piece);
        }
        Ok(pieces)
    }

    fn piece(&mut self, run: &Run) -> Result<EmbeddedPiece, SpeakersError> {
        let piece = Piece {
            window: run.window,
            speaker: run.speakers,
            from: self.number()?,
            to: self.number()?,
            wide_from: self.number()?,
            wide_to: self.number()?,
        };
        let is_in_run = |from: usize, to: usize| run.from <= from && from < to && to <= run.to;
        if !is_in_run(piece.from, piece.to) || !is_in_run(piece.wide_from, piece.wide_to) {
            return Err(SpeakersError::Voices("a piece is not in its run"));
        }
        Ok(EmbeddedPiece {
            piece,
            vector: self.vector()?,
        })
    }

    fn vector(&mut self) -> Result<Vec<f32>, SpeakersError> {
        let mut vector = Vec::with_capacity(DIMENSIONS);
        for _ in 0..DIMENSIONS {
            vector.push(f32::from(i16::from_le_bytes(self.array()?)) / SCALE);
        }
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        if (length - 1.0).abs() > TOLERANCE {
            return Err(SpeakersError::Voices("an embedding does not have length 1"));
        }
        for value in &mut vector {
            *value /= length;
        }
        Ok(vector)
    }
}

#[cfg(test)]
mod tests;
