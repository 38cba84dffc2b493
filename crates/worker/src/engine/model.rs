//! What an engine has to provide: weights in memory, and runs over audio.

use steno_weights::Verified;

use super::{DetectedLanguage, EngineError, EngineRequest, LoadError, SpanText};
use crate::Control;

/// Loads weights for one engine. The pool decides when.
pub trait Backend: Send + Sync {
    /// Loads weights whose hash was checked. With `align_as`, the name of the weights, the model also
    /// yields the times of words.
    fn load(&self, weights: &Verified, align_as: Option<&str>)
    -> Result<Box<dyn Model>, LoadError>;
}

/// Weights in memory, shared by all slots. Samples are 16 kHz mono, -1 to 1, at most 30 s.
pub trait Model: Send + Sync {
    /// Every language the weights know with the probability that it is spoken, most probable first.
    fn detect_languages(
        &self,
        samples: &[f32],
        control: &dyn Control,
    ) -> Result<Vec<DetectedLanguage>, EngineError>;

    /// The probability, 0 to 1, that there is no speech.
    fn no_speech_probability(
        &self,
        samples: &[f32],
        control: &dyn Control,
    ) -> Result<f32, EngineError>;

    /// The text of the samples, and what was left out of it.
    fn transcribe(
        &self,
        samples: &[f32],
        request: &EngineRequest,
        control: &dyn Control,
    ) -> Result<SpanText, EngineError>;

    /// Frees memory that no run uses. Called when other weights are in use.
    fn free_idle(&self) {}

    /// What the matrices are kept in, in the words of `STENO_COMPUTE_TYPE`.
    fn precision(&self) -> &'static str;
}
