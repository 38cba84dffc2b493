//! From the voices of a recording to its turns. What takes time, finding the voices, is done block by block (`find.rs`); this
//! clusters and labels them.

use std::io;

use safetensors::SafeTensors;

use crate::{
    Embedder, Segmentation, SpeakersError, Turn, Voices,
    blocks::blocks,
    cluster::{assign, recognise, speakers},
    edges::moved_edges,
    turns::turns,
};

/// Both networks. Shared by all diarizers.
pub struct Networks {
    /// Who speaks in a window.
    pub segmentation: Segmentation,
    /// What a voice is like.
    pub embedder: Embedder,
}

impl Networks {
    /// Reads the networks from the bytes of `speakers.safetensors`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SpeakersError> {
        let file = SafeTensors::deserialize(bytes)?;
        Ok(Self {
            segmentation: Segmentation::new(&file)?,
            embedder: Embedder::new(&file)?,
        })
    }
}

/// How many speakers there may be. What voices say goes first: a recording with one voice has one
/// speaker, whatever the least number is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// At least so many.
    pub min: Option<usize>,
    /// At most so many.
    pub max: Option<usize>,
}

/// Finds out who speaks when in one recording.
pub struct Diarizer<'a> {
    networks: &'a Networks,
    bounds: Bounds,
    /// Samples of people who may speak, one person in each.
    known: &'a [Vec<f32>],
}

/// Who speaks when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speakers {
    /// When each speaker speaks.
    pub turns: Vec<Turn>,
    /// For each known voice, the speaker that it is; `None` if it does not speak.
    pub known: Vec<Option<usize>>,
}

impl<'a> Diarizer<'a> {
    /// For one recording.
    pub fn new(networks: &'a Networks, bounds: Bounds) -> Self {
        Self {
            networks,
            bounds,
            known: &[],
        }
    }

    /// Recognises these voices: for each some seconds of samples at 16 kHz, -1 to 1.
    #[must_use]
    pub fn with_known(self, known: &'a [Vec<f32>]) -> Self {
        Self { known, ..self }
    }

    /// The speakers of a recording of `samples` samples at 16 kHz, found by this process alone.
    ///
    /// `read` fills a buffer with the samples (-1 to 1) from an index on. `progress` is called at least
    /// once a second with the share that is done, 0 to 1; it returns false to stop.
    pub fn speakers(
        &self,
        samples: usize,
        read: &mut dyn FnMut(usize, &mut [f32]) -> io::Result<()>,
        progress: &mut dyn FnMut(f32) -> bool,
    ) -> Result<Speakers, SpeakersError> {
        let mut voices = Voices::new(samples);
        let blocks = blocks(samples);
        for (index, block) in blocks.iter().enumerate() {
            let mut within = |share| progress((index as f32 + share) / blocks.len() as f32);
            let found = self
                .networks
                .find_voices(samples, block, read, &mut within)?;
            voices.add(block, &found)?;
        }
        self.label(&voices, &mut || progress(1.0))
    }

    /// The speakers of a recording of which all blocks were added. `progress` is called at least once a second; it returns
    /// false to stop.
    pub fn label(
        &self,
        voices: &Voices,
        progress: &mut dyn FnMut() -> bool,
    ) -> Result<Speakers, SpeakersError> {
        voices.check()?;
        label(voices, self.bounds, &self.known_voices(), progress).ok_or(SpeakersError::Cancelled)
    }

    /// The embeddings of the known voices.
    fn known_voices(&self) -> Vec<Option<Vec<f32>>> {
        let embedder = &self.networks.embedder;
        self.known
            .iter()
            .map(|samples| embedder.embed(samples))
            .collect()
    }
}

/// Clusters voices and labels the runs. `known` are the embeddings of known voices. `None` once `progress` returns false.
fn label(
    voices: &Voices,
    bounds: Bounds,
    known: &[Option<Vec<f32>>],
    progress: &mut dyn FnMut() -> bool,
) -> Option<Speakers> {
    let centroids = speakers(&voices.founding, bounds, progress)?;
    let labels = assign(&voices.labelled, &centroids);
    let pieces = moved_edges(&voices.pieces, &voices.labelled, &labels, &centroids);
    let (turns, labels) = turns(&voices.runs, &pieces, &labels, voices.samples);

    let number_of = |label: usize| labels.iter().position(|own| *own == label);
    let known = recognise(known, &centroids).into_iter();
    Some(Speakers {
        turns,
        known: known.map(|label| label.and_then(number_of)).collect(),
    })
}

#[cfg(test)]
mod tests;
