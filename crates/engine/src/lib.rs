//! Runs Whisper models on the CPU: 8-bit matrices that are packed once, and many spans decoded in one batch.
//!
//! [`Engine`] loads weights in ggml form and starts threads. Callers wait in [`Engine::transcribe`] on threads of their own,
//! and get tokens with probabilities; making sentences of them is left to the caller. This crate knows nothing of jobs,
//! queues or servers, and reads one file. Its unsafe code is in `kernels/avx512` and `kernels/avx2`.
//!
//! Layers, from the bottom: `weights_file` and `element` read a file, `matrix` and `kernels` multiply, `encoder` and
//! `decoder` are the network, `rules` and `search` choose tokens, `align` times them, `batch` schedules, `engine` is the
//! front. README.md has an example, and how it is tested and measured.

mod align;
mod batch;
mod cache;
mod decoder;
mod element;
mod encoder;
mod engine;
mod error;
mod heads;
mod kernels;
mod layers;
mod matrix;
mod model;
mod rules;
mod search;
mod spectrogram;
mod stages;
mod vocabulary;
mod weights_file;

pub use align::Head;
pub use engine::{Engine, FirstToken, Kernel, Request, Speed};
pub use error::{LoadError, RunError};
pub use heads::alignment_heads;
pub use matrix::Precision;
pub use model::Model;
pub use search::{Strategy, TextToken, Transcript};
pub use spectrogram::SAMPLE_RATE;
pub use stages::Stage;
pub use vocabulary::{Special, Token, Vocabulary};
pub use weights_file::Dimensions;

/// The example in the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
