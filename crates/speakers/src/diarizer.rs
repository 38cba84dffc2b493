//! The whole way from samples to turns. Reads the recording once, in windows, and keeps only
//! embeddings: 0.8 kB for 2 s of speech.

use std::io;

use safetensors::SafeTensors;

use crate::{
    Embedder, Segmentation, SpeakersError, Turn,
    cluster::{Voice, assign, recognise, speakers},
    linkage::dot,
    runs::{Piece, Run, runs},
    segmentation::WINDOW_SAMPLES,
    timeline::{classify, sample_of, windows},
    turns::turns,
};

/// If the cosine of neighbouring pieces is above this, these pieces decide which speakers there are; otherwise smaller pieces do.
const ALIKE: f32 = 0.6;
/// If it is above this, they count as one speaker; otherwise smaller pieces show where the speaker changes.
const SURELY_ALIKE: f32 = 0.7;

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

/// The embedded pieces of a run.
struct Embedded {
    /// Those that say which speakers there are.
    founding: Vec<Voice>,
    /// Those that get a speaker, with their places.
    labelled: Vec<(Piece, Voice)>,
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

    /// The speakers of a recording of `samples` samples at 16 kHz.
    ///
    /// `read` fills a buffer with the samples (-1 to 1) from an index on. `progress` is called at least
    /// once a second with the share that is done, 0 to 1; it returns false to stop.
    pub fn speakers(
        &self,
        samples: usize,
        read: &mut dyn FnMut(usize, &mut [f32]) -> io::Result<()>,
        progress: &mut dyn FnMut(f32) -> bool,
    ) -> Result<Speakers, SpeakersError> {
        let mut all_runs: Vec<Run> = Vec::new();
        let mut pieces: Vec<Piece> = Vec::new();
        let mut founding: Vec<Voice> = Vec::new();
        let mut heard: Vec<Voice> = Vec::new();

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
                let embedded = self.embed(run, first, &buffer[..filled]);
                founding.extend(embedded.founding);
                for (piece, voice) in embedded.labelled {
                    pieces.push(piece);
                    heard.push(voice);
                }
            }
            all_runs.extend(found);
        }

        let has_pieces = all_runs.iter().any(|run| !run.pieces().is_empty());
        if has_pieces && heard.is_empty() {
            return Err(SpeakersError::NoNumbers);
        }

        let centroids = speakers(&founding, self.bounds);
        let labels = assign(&heard, &centroids);
        let (turns, labels) = turns(&all_runs, &pieces, &labels, samples);
        let number_of = |label: usize| labels.iter().position(|own| *own == label);
        let known = recognise(&self.known_voices(), &centroids);
        Ok(Speakers {
            turns,
            known: known
                .into_iter()
                .map(|label| label.and_then(number_of))
                .collect(),
        })
    }

    /// The embeddings of the known voices.
    fn known_voices(&self) -> Vec<Option<Vec<f32>>> {
        let embedder = &self.networks.embedder;
        self.known
            .iter()
            .map(|samples| embedder.embed(samples))
            .collect()
    }

    /// The pieces of a run with their voices. Uses smaller pieces where voices may change: the
    /// segmentation does not find every change of speakers without a pause.
    fn embed(&self, run: &Run, first: usize, buffer: &[f32]) -> Embedded {
        let coarse = self.look(run.pieces(), first, buffer);
        let is_long_piece = coarse.len() == 1 && !run.is_short();
        let likeness = coarse
            .windows(2)
            .map(|pair| dot(&pair[0].1.vector, &pair[1].1.vector))
            .fold(1.0, f32::min);

        if coarse.is_empty() || (likeness > SURELY_ALIKE && !is_long_piece) {
            return Embedded {
                founding: voices(&coarse),
                labelled: coarse,
            };
        }
        let fine = self.look(run.fine_pieces(), first, buffer);
        let may_change = likeness <= ALIKE || is_long_piece;
        Embedded {
            founding: voices(if may_change { &fine } else { &coarse }),
            labelled: fine,
        }
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

fn voices(looked: &[(Piece, Voice)]) -> Vec<Voice> {
    looked.iter().map(|(_, voice)| voice.clone()).collect()
}
