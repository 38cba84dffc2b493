//! Why there is no text, whatever the engine.

use std::error::Error;

use steno_weights::WeightsError;

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The control asked to stop.
    #[error("transcription was stopped")]
    Stopped,
    /// The build uses instructions without asking whether the processor has them.
    #[error("this build needs {} of the processor, which it lacks: build on this machine", .0.join(", "))]
    Processor(Vec<&'static str>),
    /// The device that `STENO_DEVICE` asks for cannot be used.
    #[error("{0}")]
    Device(String),
    /// The device has less memory than the weights need.
    #[error("{0}")]
    TooLargeForDevice(String),
    /// Other programs use the memory of the device that the weights need.
    #[error("{0}")]
    DeviceMemory(String),
    /// There is no memory to run in.
    #[error("cannot make a state to run in: not enough memory")]
    NoState,
    /// Weights that are installed could not be loaded; the log says why.
    #[error("cannot load the weights {model}")]
    NotLoaded {
        /// Their name.
        model: String,
    },
    /// The weights a job asks for are not installed here, or damaged.
    #[error("the weights {model} cannot be used: {reason}")]
    ModelUnavailable {
        /// Their name.
        model: String,
        /// Why, for the client.
        reason: String,
    },
    /// The head of the weights' file could not be read.
    #[error("cannot read the head of the weights")]
    Header(#[source] std::io::Error),
    /// The engine failed on these samples; its log says more.
    #[error("the engine failed to {action}")]
    Failed {
        /// What it was doing, as a verb.
        action: &'static str,
        /// What the engine reported.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl EngineError {
    /// An engine that failed while it did `action`.
    pub fn failed<E: Into<Box<dyn Error + Send + Sync>>>(
        action: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Failed {
            action,
            source: source.into(),
        }
    }

    /// Whether the machine or its set-up is at fault, and not what was to be transcribed.
    pub(crate) fn is_of_machine(&self) -> bool {
        match self {
            Self::NoState
            | Self::NotLoaded { .. }
            | Self::Header(_)
            | Self::Processor(_)
            | Self::Device(_)
            | Self::TooLargeForDevice(_)
            | Self::DeviceMemory(_) => true,
            Self::Stopped | Self::ModelUnavailable { .. } | Self::Failed { .. } => false,
        }
    }

    /// Whether only a person can put it right: another build, another setting.
    pub(crate) fn needs_operator(&self) -> bool {
        matches!(
            self,
            Self::Processor(_) | Self::Device(_) | Self::TooLargeForDevice(_)
        )
    }
}

/// Why weights are not in memory.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read the weights")]
    Weights(#[from] WeightsError),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
