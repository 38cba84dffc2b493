//! The one error of this crate.

/// Why speakers cannot be distinguished.
#[derive(Debug, thiserror::Error)]
pub enum SpeakersError {
    /// The weights are not a file of tensors.
    #[error("cannot read the speaker networks")]
    Format(#[from] safetensors::SafeTensorError),

    /// A tensor is missing, or has another type or shape than the network needs.
    #[error("cannot use the speaker networks: the tensor {name} is missing or has another shape")]
    Tensor {
        /// Name of the tensor.
        name: String,
    },

    /// The networks give no finite numbers for any voice.
    #[error("the speaker networks give no usable numbers")]
    NoNumbers,

    /// What was stored of the voices of a block is damaged, of another block, or of another release.
    #[error("cannot use the voices of a block: {0}")]
    Voices(&'static str),

    /// The caller asked to stop.
    #[error("stopped before the speakers were known")]
    Cancelled,

    /// The recording could not be read.
    #[error("cannot read the recording")]
    Read(#[source] std::io::Error),
}
