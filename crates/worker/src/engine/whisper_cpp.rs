//! The engine whisper.cpp, through whisper-rs.

mod alignment;
mod first_token;
mod ggml;
mod hook;
mod log;
mod model;
mod run;
mod tokens;

use steno_weights::Verified;

use super::{Backend, Device, LoadError, Model};

pub(crate) use ggml::{Gpu, VERSION, gpus};
pub use log::log_engine;
pub use model::{ComputeType, Whisper};

/// Loads weights into whisper.cpp.
pub struct WhisperCpp {
    compute_type: ComputeType,
    device: Device,
}

impl WhisperCpp {
    /// `compute_type` is how matrices are kept in memory, and `device` where.
    pub fn new(compute_type: ComputeType, device: Device) -> Self {
        Self {
            compute_type,
            device,
        }
    }
}

impl Backend for WhisperCpp {
    fn load(
        &self,
        weights: &Verified,
        align_as: Option<&str>,
    ) -> Result<Box<dyn Model>, LoadError> {
        let whisper = Whisper::load(weights, self.compute_type, self.device, align_as)?;
        Ok(Box::new(whisper))
    }
}
