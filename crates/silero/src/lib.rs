//! Silero VAD, version 6, in plain Rust: the probability that people speak, for each 32 ms of audio.
//!
//! The worker's decoder calls [`Detector::probabilities`] for a batch of frames at a time while it decodes. This crate
//! knows nothing of files, jobs or Whisper, has no unsafe code, and gives the same numbers on every
//! processor: additions happen in a fixed order.
//!
//! The network and its weights come from <https://github.com/snakers4/silero-vad> (MIT, see
//! `LICENSE-silero`). `weights.safetensors` is `silero_vad/data/silero_vad_16k.safetensors` of the
//! PyPI package `silero-vad` 6.2.3, unchanged. `tests/reference.py` runs the original.

mod detector;
mod layers;
mod spectrum;
mod weights;

pub use detector::{BATCH_FRAMES, Detector, FRAME_SAMPLES};
