//! Why weights cannot be used, and why a run ended without a result.

use std::io;

/// Why a file of weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read the weights")]
    Read(#[from] io::Error),
    /// The file is no Whisper model in ggml form, or is cut short.
    #[error("the weights are malformed: {0}")]
    Malformed(String),
    /// A model of another shape than the published ones.
    #[error("this engine does not support the weights: {0}")]
    Unsupported(String),
    /// The threads that compute could not be started.
    #[error("cannot start the threads of the engine")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Why a run ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The caller asked to stop.
    #[error("the run was stopped")]
    Stopped,
    /// A thread of the engine panicked; the run cannot be finished.
    #[error("a thread of the engine failed")]
    Failed,
}
