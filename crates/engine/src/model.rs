//! A Whisper model in memory: spectrogram, encoder, decoder and vocabulary.

use std::path::Path;
use std::sync::Arc;

use crate::cache::{Heard, Sequence};
use crate::decoder::{Decoder, Feed};
use crate::encoder::{Check, Encoder};
use crate::kernels::HEAD;
use crate::layers::Loader;
use crate::matrix::Gemm;
use crate::spectrogram::Spectrogram;
use crate::weights_file::WeightsFile;
use crate::{Dimensions, LoadError, Precision, RunError, Token, Vocabulary};

/// Spectrogram frames for each frame of the encoder.
const SPECTROGRAM_FRAMES: usize = 2;

/// A Whisper model in memory.
pub struct Model {
    dimensions: Dimensions,
    precision: Precision,
    vocabulary: Vocabulary,
    spectrogram: Spectrogram,
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
}

impl Model {
    /// Loads a ggml file. A file from an untrusted source is rejected where its sizes do not fit; its origin is not checked.
    pub fn open(path: &Path, precision: Precision) -> Result<Self, LoadError> {
        let mut file = WeightsFile::open(path)?;
        let dimensions = file.dimensions;
        if dimensions.state != dimensions.heads * HEAD {
            let problem = format!("its heads are not {HEAD} wide");
            return Err(LoadError::Unsupported(problem));
        }

        let gemm = Gemm::new();
        let mut loader = Loader::new(&mut file, precision, &gemm);
        let encoder = Encoder::load(&mut loader)?;
        let decoder = Decoder::load(&mut loader)?;
        let tokens = std::mem::take(&mut file.tokens);
        Ok(Self {
            dimensions,
            precision,
            vocabulary: Vocabulary::new(tokens, dimensions.vocabulary),
            spectrogram: Spectrogram::new(&file.mel_filters),
            encoder,
            decoder,
        })
    }

    /// The sizes of the model.
    pub fn dimensions(&self) -> &Dimensions {
        &self.dimensions
    }

    /// The tokens of the model.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// How its matrices are kept.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The log-mel spectrogram of `samples`, 16 kHz mono, from -1 to 1: `frames` frames of 10 ms, all bands of a frame, then
    /// those of the next.
    pub fn spectrogram(&self, samples: &[f32], frames: usize) -> Vec<f32> {
        self.spectrogram.compute(samples, frames)
    }

    /// What the decoder needs of `samples` followed by silence, `frames` encoder frames of 20 ms in all.
    pub(crate) fn encode(
        &self,
        samples: &[f32],
        frames: usize,
        gemm: &mut Gemm,
        check: Check<'_>,
    ) -> Result<Arc<Heard>, RunError> {
        let frames = frames.min(self.dimensions.audio_context);
        let spectrogram = self.spectrogram(samples, frames * SPECTROGRAM_FRAMES);
        check()?;
        let encoded = self.encoder.run(&spectrogram, gemm, check)?;
        self.decoder.hear(&encoded, gemm, check)
    }
}

impl Model {
    /// The logits of the token after `tokens`, for comparison with other implementations. `frames` as for `encode`.
    pub fn logits(&self, samples: &[f32], frames: usize, tokens: &[Token]) -> Vec<f32> {
        let mut gemm = Gemm::new();
        let mut go_on = || Ok(());
        let heard = self.encode(samples, frames, &mut gemm, &mut go_on);
        let heard = heard.expect("nothing stops it");
        let mut sequence = Sequence::new(&heard);
        let feed = Feed {
            sequence: &mut sequence,
            tokens,
        };
        let rows = self.decoder.step(&mut [feed], &mut gemm, &mut go_on);
        let rows = rows.expect("nothing stops it");
        let mut logits = Vec::new();
        self.decoder.logits(&rows, &mut logits, &mut gemm);
        logits
    }
}
