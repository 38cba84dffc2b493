//! The voices of a recording: those of its blocks, put together for clustering.

use std::ops::Range;

use crate::{
    SpeakersError,
    block_voices::{BlockVoices, EmbeddedPiece},
    cluster::Voice,
    runs::{Piece, Run},
};

/// The voices of a recording, block after block.
pub struct Voices {
    pub(crate) samples: usize,
    pub(crate) runs: Vec<Run>,
    /// Pieces that get a speaker.
    pub(crate) pieces: Vec<Piece>,
    /// Their voices.
    pub(crate) labelled: Vec<Voice>,
    /// Voices that say which speakers there are.
    pub(crate) founding: Vec<Voice>,
    /// Where the next block begins.
    next: usize,
}

impl Voices {
    /// Of a recording of `samples` samples at 16 kHz, still without any block.
    pub fn new(samples: usize) -> Self {
        Self {
            samples,
            runs: Vec::new(),
            pieces: Vec::new(),
            labelled: Vec::new(),
            founding: Vec::new(),
            next: 0,
        }
    }

    /// Adds the next block, a range of samples. Changes nothing if what is stored of it cannot be used.
    pub fn add(&mut self, block: &Range<usize>, found: &BlockVoices) -> Result<(), SpeakersError> {
        if block.start != self.next {
            return Err(SpeakersError::Voices("a block is missing"));
        }
        let runs = found.decode(self.samples, block)?;
        self.next = block.end;
        for run in runs {
            let founding = run.founding.as_ref().unwrap_or(&run.labelled);
            self.founding.extend(founding.iter().map(voice));
            self.labelled.extend(run.labelled.iter().map(voice));
            self.pieces.extend(run.labelled.iter().map(|own| own.piece));
            self.runs.push(run.run);
        }
        Ok(())
    }

    /// Fails if a block is missing, or if there is speech but no usable embedding.
    pub(crate) fn check(&self) -> Result<(), SpeakersError> {
        if self.next < self.samples {
            return Err(SpeakersError::Voices("a block is missing"));
        }
        let has_pieces = self.runs.iter().any(|run| !run.pieces().is_empty());
        if has_pieces && self.labelled.is_empty() {
            return Err(SpeakersError::NoNumbers);
        }
        Ok(())
    }
}

fn voice(EmbeddedPiece { piece, vector }: &EmbeddedPiece) -> Voice {
    Voice {
        vector: vector.clone(),
        embedded_seconds: piece.wide_seconds(),
        seconds: piece.seconds(),
    }
}
