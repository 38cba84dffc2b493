//! Where an engine computes: `STENO_DEVICE`.

use super::EngineError;
use super::whisper_cpp::gpus;

/// What the setting asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU that the build and the machine support, otherwise the processor.
    Auto,
    /// The processor.
    Cpu,
    /// The GPU of this number, counted from 0.
    Gpu(u32),
}

/// Where the engine of this process computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor: one engine thread for each slot.
    Cpu,
    /// The GPU of this number, counted from 0.
    Gpu(u32),
}

impl DeviceChoice {
    /// Parses `auto`, `cpu`, `gpu` or `gpu:N`.
    pub fn parse(value: &str) -> Result<Self, String> {
        let number = match value {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Cpu),
            "gpu" => Some(0),
            other => other
                .strip_prefix("gpu:")
                .and_then(|number| number.parse().ok()),
        };
        number
            .map(Self::Gpu)
            .ok_or_else(|| "expected auto, cpu, gpu or gpu:N, where N counts from 0".to_owned())
    }

    /// The device to compute on. Fails where a GPU is asked for and there is none to use.
    pub fn resolve(self) -> Result<Device, EngineError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto if gpus().is_empty() => Ok(Device::Cpu),
            Self::Auto => Ok(Device::Gpu(0)),
            Self::Gpu(number) => chosen(number, &gpus()),
        }
    }
}

fn chosen(number: u32, found: &[String]) -> Result<Device, EngineError> {
    if (number as usize) < found.len() {
        return Ok(Device::Gpu(number));
    }
    let reason = if !cfg!(feature = "gpu") {
        "this steno-worker is built without GPU support: build it with --features cuda, hipblas, vulkan \
         or metal, or set STENO_DEVICE=cpu"
            .to_owned()
    } else if found.is_empty() {
        "STENO_DEVICE asks for a GPU and none is found: check that the vendor's driver is loaded and that \
         the user of steno-worker may open its devices, or set STENO_DEVICE=cpu"
            .to_owned()
    } else {
        format!(
            "STENO_DEVICE=gpu:{number} is not one of the {} GPUs found: {}",
            found.len(),
            listed(found)
        )
    };
    Err(EngineError::Device(reason))
}

fn listed(found: &[String]) -> String {
    let named = found
        .iter()
        .enumerate()
        .map(|(number, name)| format!("gpu:{number} {name}"));
    named.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_names_a_device() {
        let parsed = |value| DeviceChoice::parse(value).ok();
        assert_eq!(parsed("auto"), Some(DeviceChoice::Auto));
        assert_eq!(parsed("cpu"), Some(DeviceChoice::Cpu));
        assert_eq!(parsed("gpu"), Some(DeviceChoice::Gpu(0)));
        assert_eq!(parsed("gpu:3"), Some(DeviceChoice::Gpu(3)));
        for wrong in ["", "GPU", "gpu:", "gpu:-1", "cuda"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_gpu_that_is_not_there_is_refused_with_what_to_do() {
        let two = ["A".to_owned(), "B".to_owned()];
        assert_eq!(chosen(1, &two).unwrap(), Device::Gpu(1));
        let refused = |number, found: &[String]| chosen(number, found).unwrap_err();
        assert!(refused(0, &[]).needs_operator());
        let reason = refused(0, &[]).to_string();
        if cfg!(feature = "gpu") {
            assert!(reason.contains("driver"), "{reason}");
            let reason = refused(2, &two).to_string();
            assert!(reason.contains("gpu:0 A, gpu:1 B"), "{reason}");
        } else {
            assert!(reason.contains("--features cuda"), "{reason}");
        }
    }

    #[test]
    fn without_a_gpu_auto_means_the_processor() {
        if gpus().is_empty() {
            assert_eq!(DeviceChoice::Auto.resolve().unwrap(), Device::Cpu);
        }
    }
}
