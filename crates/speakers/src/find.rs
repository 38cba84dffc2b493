//! Finding the voices of a block: who speaks in each window, and an embedding of each piece with one voice. This takes nearly all
//! the time. Each window is processed independently of the others.

use std::io;
use std::ops::Range;

use crate::{
    Networks, SpeakersError,
    block_voices::{BlockVoices, EmbeddedPiece, EmbeddedRun, index_range},
    blocks::windows_of,
    linkage::dot,
    runs::{Piece, Run, runs},
    segmentation::WINDOW_SAMPLES,
    timeline::{FRAME_SAMPLES, classify, sample_of},
};

/// If the cosine of neighbouring pieces is above this, these pieces decide which speakers there are; otherwise smaller pieces do.
const ALIKE: f32 = 0.6;
/// If it is above this, they count as one speaker; otherwise smaller pieces show where the speaker changes.
const SURELY_ALIKE: f32 = 0.7;

impl Networks {
    /// The voices of a block, a range of samples, of a recording of `samples` samples at 16 kHz.
    ///
    /// `read` fills a buffer with the samples (-1 to 1) from an index on; it reads up to 10 s beside the block. `progress` is called
    /// at least once a second with the share that is done, 0 to 1; it returns false to stop.
    pub fn find_voices(
        &self,
        samples: usize,
        block: &Range<usize>,
        read: &mut dyn FnMut(usize, &mut [f32]) -> io::Result<()>,
        progress: &mut dyn FnMut(f32) -> bool,
    ) -> Result<BlockVoices, SpeakersError> {
        let windows = windows_of(samples, block);
        let mut found = Vec::new();
        let mut buffer = vec![0.0; WINDOW_SAMPLES];
        for (done, (index, window)) in windows.iter().enumerate() {
            if !progress(done as f32 / windows.len() as f32) {
                return Err(SpeakersError::Cancelled);
            }
            let first = window.start * FRAME_SAMPLES;
            let filled = WINDOW_SAMPLES.min(samples - first);
            read(first, &mut buffer[..filled]).map_err(SpeakersError::Read)?;
            buffer[filled..].fill(0.0);

            let speaking = classify(&self.segmentation, &buffer);
            let runs = runs(*index, *window, &speaking);
            found.extend(
                runs.into_iter()
                    .map(|run| self.embed_run(run, first, &buffer[..filled])),
            );
        }
        Ok(BlockVoices::encode(index_range(&windows), &found))
    }

    /// A run with its pieces. Uses smaller pieces where voices may change: the segmentation does not find every change of speakers
    /// without a pause.
    fn embed_run(&self, run: Run, first: usize, buffer: &[f32]) -> EmbeddedRun {
        let embed_finely = |founding| EmbeddedRun {
            run,
            labelled: self.embed_pieces(run.fine_pieces(), first, buffer),
            founding,
        };
        let pieces = run.pieces();
        if pieces.len() == 1 && !run.is_short() {
            return embed_finely(None);
        }

        let coarse = self.embed_pieces(pieces, first, buffer);
        // One piece cannot show whether the voice changes within it. Another one may have given no finite numbers.
        let is_alone = coarse.len() == 1 && !run.is_short();
        let likeness = coarse
            .windows(2)
            .map(|pair| dot(&pair[0].vector, &pair[1].vector))
            .fold(1.0, f32::min);
        if coarse.is_empty() || (likeness > SURELY_ALIKE && !is_alone) {
            return EmbeddedRun {
                run,
                labelled: coarse,
                founding: None,
            };
        }
        embed_finely((likeness > ALIKE && !is_alone).then_some(coarse))
    }

    /// Embeds pieces; leaves out those that give no finite numbers.
    fn embed_pieces(&self, pieces: Vec<Piece>, first: usize, buffer: &[f32]) -> Vec<EmbeddedPiece> {
        let embed = |piece: Piece| {
            let from = sample_of(piece.wide_from).max(first) - first;
            let to = (sample_of(piece.wide_to).max(first) - first).min(buffer.len());
            let vector = self.embedder.embed(buffer.get(from..to)?)?;
            Some(EmbeddedPiece { piece, vector })
        };
        pieces.into_iter().filter_map(embed).collect()
    }
}
