//! Finds out which voice speaks when in a recording. Called by the worker; knows nothing
//! of jobs, files or Whisper, and keeps nothing between recordings.
//!
//! The steps, each a module: [`Segmentation`] finds up to three local speakers in windows of 10 s,
//! [`Embedder`] turns 2 s of one voice into 192 numbers, and [`Diarizer`] clusters those numbers and
//! returns [`Turn`]s. The first two steps can be done block by block, by several processes ([`blocks`],
//! [`Networks::find_voices`]). Voice embeddings are biometric data: they leave this crate only as [`BlockVoices`].

mod block_voices;
mod blocks;
mod cluster;
mod diarizer;
mod edges;
mod embedding;
mod error;
mod fbank;
mod find;
mod layers;
mod linkage;
mod product;
mod runs;
mod score;
mod segmentation;
mod tensors;
mod timeline;
mod turns;
mod voices;

pub use block_voices::BlockVoices;
pub use blocks::blocks;
pub use diarizer::{Bounds, Diarizer, Networks, Speakers};
pub use embedding::Embedder;
pub use error::SpeakersError;
pub use fbank::{BANDS, Fbank};
pub use score::{DiarizationErrors, score};
pub use segmentation::{CLASSES, Segmentation, WINDOW_SAMPLES};
pub use turns::Turn;
pub use voices::Voices;
