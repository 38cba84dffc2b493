//! The whole way from samples to turns. Reads the recording once, in windows, and keeps only
//! embeddings: 0.8 kB for 2 s of speech.

use std::io;

use safetensors::SafeTensors;

use crate::{
    Embedder, Segmentation, SpeakersError, Turn,
    cluster::{Voice, speakers},
    linkage::dot,
    runs::{Piece, Run, runs},
    segmentation::WINDOW_SAMPLES,
    timeline::{classify, sample_of, windows},
    turns::turns,
};

/// Cosine of neighbouring pieces above which one speaker is taken to go on.
const ALIKE: f32 = 0.6;

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
}

impl<'a> Diarizer<'a> {
    /// For one recording.
    pub fn new(networks: &'a Networks, bounds: Bounds) -> Self {
        Self { networks, bounds }
    }

    /// The turns of a recording of `samples` samples at 16 kHz.
    ///
    /// `read` fills a buffer with the samples (-1 to 1) from an index on. `progress` is called at least
    /// once a second with the share that is done, 0 to 1; it returns false to stop.
    pub fn turns(
        &self,
        samples: usize,
        read: &mut dyn FnMut(usize, &mut [f32]) -> io::Result<()>,
        progress: &mut dyn FnMut(f32) -> bool,
    ) -> Result<Vec<Turn>, SpeakersError> {
        let mut all_runs: Vec<Run> = Vec::new();
        let mut pieces: Vec<Piece> = Vec::new();
        let mut voices: Vec<Voice> = Vec::new();

        let windows = windows(samples);
        let mut buffer = vec![0.0; WINDOW_SAMPLES];
        for (index, window) in windows.iter().enumerate() {
            if !progress(index as f32 / windows.len() as f32) {
                return Err(SpeakersError::Cancelled);
            }
            let first = window.start * crate::timeline::FRAME_SAMPLES;
            let filled = WINDOW_SAMPLES.min(samples - first);
            read(first, &mut buffer[..filled]).map_err(SpeakersError::Read)?;
            buffer[filled..].fill(0.0);

            let speaking = classify(&self.networks.segmentation, &buffer);
            let found = runs(index, *window, &speaking);
            for run in &found {
                let looked = self.embed(run, first, &buffer[..filled]);
                let (own, heard): (Vec<Piece>, Vec<Voice>) = looked.into_iter().unzip();
                pieces.extend(own);
                voices.extend(heard);
            }
            all_runs.extend(found);
        }

        let labels = speakers(&voices, self.bounds);
        Ok(turns(&all_runs, &pieces, &labels, samples))
    }

    /// The pieces of a run with their voices. Uses smaller pieces where voices may change: the
    /// segmentation does not find every change of speakers without a pause.
    fn embed(&self, run: &Run, first: usize, buffer: &[f32]) -> Vec<(Piece, Voice)> {
        let coarse = self.look(run.pieces(), first, buffer);
        let alike = |pair: &[(Piece, Voice)]| {
            let [(_, left), (_, right)] = pair else {
                return true;
            };
            dot(&left.vector, &right.vector) > ALIKE
        };
        let is_steady = match coarse.len() {
            0 => true,
            1 => run.is_short(),
            _ => coarse.windows(2).all(alike),
        };
        if is_steady {
            return coarse;
        }
        self.look(run.fine_pieces(), first, buffer)
    }

    /// Embeds pieces; leaves out those that give no finite numbers.
    fn look(&self, pieces: Vec<Piece>, first: usize, buffer: &[f32]) -> Vec<(Piece, Voice)> {
        let voice = |piece: Piece| {
            let from = sample_of(piece.wide_from).max(first) - first;
            let to = (sample_of(piece.wide_to).max(first) - first).min(buffer.len());
            let vector = self.networks.embedder.embed(buffer.get(from..to)?)?;
            let voice = Voice {
                vector,
                embedded_seconds: piece.wide_seconds(),
                seconds: piece.seconds(),
            };
            Some((piece, voice))
        };
        pieces.into_iter().filter_map(voice).collect()
    }
}
