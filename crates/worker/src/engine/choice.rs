//! Which engine computes: `STENO_ENGINE`.

use std::fmt;

use steno_engine::{Kernel, Speed};

use super::{Device, EngineError};

/// What the setting asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineChoice {
    /// The native engine on processors on which it was measured to be faster, else whisper.cpp.
    Auto,
    /// Our own engine for CPUs.
    Native,
    /// whisper.cpp.
    WhisperCpp,
}

/// The engine of this process. Displayed with its reason, for `/readyz`.
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
        self.resolve_for(device, &Kernel::detect())
    }

    fn resolve_for(self, device: Device, kernel: &Kernel) -> Result<ChosenEngine, EngineError> {
        match self {
            Self::Auto => Ok(auto(device, kernel)),
            Self::WhisperCpp => Ok(whisper_cpp("STENO_ENGINE asks for it".to_owned())),
            Self::Native => native(device, kernel),
        }
    }
}

impl ChosenEngine {
    /// Its name, as the setting has it.
    pub fn name(&self) -> &'static str {
        if self.is_native {
            "native"
        } else {
            "whisper-cpp"
        }
    }
}

impl fmt::Display for ChosenEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} engine: {}", self.name(), self.reason)
    }
}

fn whisper_cpp(reason: String) -> ChosenEngine {
    ChosenEngine {
        is_native: false,
        reason,
    }
}

fn auto(device: Device, kernel: &Kernel) -> ChosenEngine {
    if device != Device::Cpu {
        return whisper_cpp("it computes on GPUs".to_owned());
    }
    let name = &kernel.name;
    match kernel.speed {
        Speed::Fast => ChosenEngine {
            is_native: true,
            reason: format!("it is faster on this processor, with {name}"),
        },
        Speed::Unmeasured => whisper_cpp(format!(
            "the native engine was not measured on processors like this one ({name}); \
             STENO_ENGINE=native tries it"
        )),
        Speed::Slow => whisper_cpp("this processor has no fast 8-bit products".to_owned()),
    }
}

fn native(device: Device, kernel: &Kernel) -> Result<ChosenEngine, EngineError> {
    if device != Device::Cpu {
        let reason = "STENO_ENGINE=native computes on the processor: set STENO_DEVICE=cpu";
        return Err(EngineError::Device(reason.to_owned()));
    }
    if kernel.speed == Speed::Slow {
        let reason = "STENO_ENGINE=native cannot be used: this processor has no fast 8-bit products; \
                      set STENO_ENGINE=whisper-cpp";
        return Err(EngineError::Device(reason.to_owned()));
    }
    Ok(ChosenEngine {
        is_native: true,
        reason: format!("STENO_ENGINE asks for it; its products use {}", kernel.name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(speed: Speed) -> Kernel {
        Kernel {
            name: "avx".to_owned(),
            speed,
        }
    }

    #[test]
    fn native_needs_a_processor_with_a_fast_path_and_no_gpu() {
        let resolve = |device, speed| EngineChoice::Native.resolve_for(device, &kernel(speed));
        assert!(resolve(Device::Cpu, Speed::Fast).unwrap().is_native);
        assert!(resolve(Device::Cpu, Speed::Unmeasured).unwrap().is_native);

        let error = resolve(Device::Gpu(0), Speed::Fast)
            .unwrap_err()
            .to_string();
        assert!(error.contains("STENO_DEVICE=cpu"), "{error}");

        let error = resolve(Device::Cpu, Speed::Slow).unwrap_err();
        assert!(error.needs_operator());
        assert!(error.to_string().contains("whisper-cpp"), "{error}");
    }

    #[test]
    fn auto_is_native_where_it_was_measured_to_be_faster() {
        let resolve = |device, speed| {
            let chosen = EngineChoice::Auto.resolve_for(device, &kernel(speed));
            chosen.unwrap().name()
        };
        assert_eq!(resolve(Device::Cpu, Speed::Fast), "native");
        assert_eq!(resolve(Device::Cpu, Speed::Unmeasured), "whisper-cpp");
        assert_eq!(resolve(Device::Cpu, Speed::Slow), "whisper-cpp");
        assert_eq!(resolve(Device::Gpu(0), Speed::Fast), "whisper-cpp");
    }

    #[test]
    fn whisper_cpp_is_always_there() {
        let chosen = EngineChoice::WhisperCpp.resolve_for(Device::Gpu(1), &kernel(Speed::Slow));
        assert_eq!(chosen.unwrap().name(), "whisper-cpp");
    }
}
