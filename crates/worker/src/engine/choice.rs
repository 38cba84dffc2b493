//! Which engine computes: `STENO_ENGINE`.

use super::{Device, EngineError, NativeEngine};

/// What the setting asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineChoice {
    /// whisper.cpp: its words have been measured over all test sets, and those of the native engine have not.
    Auto,
    /// Our own engine for CPUs.
    Native,
    /// whisper.cpp.
    WhisperCpp,
}

/// The engine of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenEngine {
    /// Whether it is our own.
    pub is_native: bool,
    /// Why, for the log.
    pub reason: String,
}

impl EngineChoice {
    /// The engine to compute with on `device`. Fails where the native engine is asked for and cannot be used.
    pub fn resolve(self, device: Device) -> Result<ChosenEngine, EngineError> {
        let whisper_cpp = |reason: &str| ChosenEngine {
            is_native: false,
            reason: reason.to_owned(),
        };
        match self {
            Self::Auto => Ok(whisper_cpp(
                "auto chooses it until the native engine is measured",
            )),
            Self::WhisperCpp => Ok(whisper_cpp("STENO_ENGINE asks for it")),
            Self::Native => native(device, NativeEngine::fast_path()),
        }
    }
}

fn native(device: Device, fast_path: Result<String, String>) -> Result<ChosenEngine, EngineError> {
    if device != Device::Cpu {
        let reason = "STENO_ENGINE=native computes on the processor: set STENO_DEVICE=cpu";
        return Err(EngineError::Device(reason.to_owned()));
    }
    match fast_path {
        Ok(kernel) => Ok(ChosenEngine {
            is_native: true,
            reason: format!("STENO_ENGINE asks for it; its products use {kernel}"),
        }),
        Err(reason) => Err(EngineError::Device(format!(
            "STENO_ENGINE=native cannot be used: {reason}; set STENO_ENGINE=whisper-cpp"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_needs_a_processor_with_a_fast_path_and_no_gpu() {
        let fast = || Ok("avx".to_owned());
        assert!(native(Device::Cpu, fast()).unwrap().is_native);

        let error = native(Device::Gpu(0), fast()).unwrap_err().to_string();
        assert!(error.contains("STENO_DEVICE=cpu"), "{error}");

        let error = native(Device::Cpu, Err("it is old".to_owned())).unwrap_err();
        assert!(error.needs_operator());
        assert!(error.to_string().contains("whisper-cpp"), "{error}");
    }

    #[test]
    fn auto_is_whisper_cpp() {
        let chosen = EngineChoice::Auto.resolve(Device::Cpu).unwrap();
        assert!(!chosen.is_native);
    }
}
