//! Where an engine computes: `STENO_DEVICE`.

use super::EngineError;
use super::whisper_cpp::{Gpu, gpus};

/// Memory of a run beside the weights: this many bytes, and a share of the weights' size. Fitted to the table of memory in
/// whisper.cpp's README, tiny to large.
const RUN_BYTES: u64 = 200_000_000;
const RUN_PERCENT: u64 = 30;

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

impl Device {
    /// Its name for the log and `/readyz`.
    pub fn describe(self) -> String {
        match self {
            Self::Cpu => "the processor".to_owned(),
            Self::Gpu(number) => match gpus().get(number as usize) {
                Some(gpu) => format!("gpu:{number} ({})", gpu.name),
                None => format!("gpu:{number}"),
            },
        }
    }

    /// Fails if weights of so many bytes and a run do not fit into the memory of the GPU together. whisper.cpp 1.8.3 does not
    /// check this, and aborts the process.
    pub(super) fn check_memory(self, bytes: u64) -> Result<(), EngineError> {
        match self {
            Self::Cpu => Ok(()),
            Self::Gpu(number) => match gpus().get(number as usize) {
                Some(gpu) => check_memory(number, gpu, bytes),
                None => Ok(()),
            },
        }
    }
}

/// What to check where a build with GPU support finds no GPU.
pub(crate) fn advice_without_gpu() -> &'static str {
    if cfg!(feature = "cuda") {
        "run nvidia-smi as the user of steno-worker: it must list the GPU, and its CUDA version must be at least the version of the build"
    } else if cfg!(feature = "hipblas") {
        "check that rocminfo lists it for the user of steno-worker, who must be in the groups render and video"
    } else if cfg!(feature = "vulkan") {
        "check that vulkaninfo --summary lists it for the user of steno-worker; a software device only counts if \
         GGML_VK_VISIBLE_DEVICES names it"
    } else {
        "check that the system lists it"
    }
}

fn check_memory(number: u32, gpu: &Gpu, bytes: u64) -> Result<(), EngineError> {
    if gpu.total_bytes == 0 {
        // The driver does not say how much there is.
        return Ok(());
    }
    let needed = bytes + bytes / 100 * RUN_PERCENT + RUN_BYTES;
    let megabytes = |bytes: u64| bytes / 1_000_000;
    let reason = |available: u64, advice: &str| {
        format!(
            "the weights need about {} MB on gpu:{number} ({}), which has {} MB{advice}choose smaller weights (STENO_MODEL), \
             STENO_COMPUTE_TYPE=q8_0, another GPU or the processor (STENO_DEVICE)",
            megabytes(needed),
            gpu.name,
            megabytes(available)
        )
    };
    if needed > gpu.total_bytes {
        return Err(EngineError::TooLargeForDevice(reason(
            gpu.total_bytes,
            ": ",
        )));
    }
    if needed > gpu.free_bytes {
        let reason = reason(gpu.free_bytes, " free: end what else uses it, or ");
        return Err(EngineError::DeviceMemory(reason));
    }
    Ok(())
}

fn chosen(number: u32, found: &[Gpu]) -> Result<Device, EngineError> {
    if (number as usize) < found.len() {
        return Ok(Device::Gpu(number));
    }
    let reason = if !cfg!(feature = "gpu") {
        "this steno-worker is built without GPU support: build it with --features cuda, hipblas, vulkan \
         or metal, or set STENO_DEVICE=cpu"
            .to_owned()
    } else if found.is_empty() {
        format!(
            "STENO_DEVICE asks for a GPU and none is found: {}; or set STENO_DEVICE=cpu",
            advice_without_gpu()
        )
    } else {
        format!(
            "STENO_DEVICE=gpu:{number} is not one of the {} GPUs found: {}",
            found.len(),
            listed(found)
        )
    };
    Err(EngineError::Device(reason))
}

fn listed(found: &[Gpu]) -> String {
    let named = found
        .iter()
        .enumerate()
        .map(|(number, gpu)| format!("gpu:{number} {}", gpu.name));
    named.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(name: &str, megabytes: u64) -> Gpu {
        Gpu {
            name: name.to_owned(),
            free_bytes: megabytes * 1_000_000,
            total_bytes: megabytes * 1_000_000,
        }
    }

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
        let two = [gpu("A", 1), gpu("B", 1)];
        assert_eq!(chosen(1, &two).unwrap(), Device::Gpu(1));
        let refused = |number, found: &[Gpu]| chosen(number, found).unwrap_err();
        assert!(refused(0, &[]).needs_operator());
        let reason = refused(0, &[]).to_string();
        if cfg!(feature = "gpu") {
            assert!(reason.contains(advice_without_gpu()), "{reason}");
            let reason = refused(2, &two).to_string();
            assert!(reason.contains("gpu:0 A, gpu:1 B"), "{reason}");
        } else {
            assert!(reason.contains("--features cuda"), "{reason}");
        }
    }

    #[test]
    fn weights_that_do_not_fit_are_refused_with_what_to_do() {
        let base = 148_000_000;
        let large = 3_095_000_000;
        assert!(check_memory(0, &gpu("A", 400), base).is_ok());
        assert!(check_memory(0, &gpu("A", 4_300), large).is_ok());

        let error = check_memory(1, &gpu("A", 4_000), large).unwrap_err();
        assert!(
            error.needs_operator(),
            "no other start of the same settings can succeed"
        );
        let reason = error.to_string();
        for part in ["gpu:1 (A)", "4223 MB", "4000 MB", "STENO_MODEL"] {
            assert!(reason.contains(part), "{reason}");
        }

        assert!(
            check_memory(0, &gpu("A", 0), large).is_ok(),
            "its driver does not report its memory"
        );

        let busy = Gpu {
            free_bytes: 300_000_000,
            ..gpu("A", 8_000)
        };
        let error = check_memory(0, &busy, base).unwrap_err();
        assert!(
            !error.needs_operator() && error.is_of_machine(),
            "it succeeds when the memory is free again"
        );
        assert!(error.to_string().contains("300 MB free"), "{error}");
    }

    #[test]
    fn without_a_gpu_auto_means_the_processor() {
        if gpus().is_empty() {
            assert_eq!(DeviceChoice::Auto.resolve().unwrap(), Device::Cpu);
        }
    }
}
