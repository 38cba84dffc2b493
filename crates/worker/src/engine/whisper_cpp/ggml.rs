//! What ggml says about itself and what it computes for us: what it was built for, and its quantiser.
#![expect(unsafe_code, reason = "whisper-rs has no safe form of these functions")]

use std::ffi::c_void;
use std::sync::LazyLock;

use steno_weights::Precision;
use whisper_rs_sys as sys;

/// An extension of the instruction set that ggml was built to use.
struct Extension {
    name: &'static str,
    built_in: bool,
    present: bool,
}

/// Extensions that ggml uses without asking and that this processor lacks: with one of them the first inference would end
/// the process by SIGILL.
pub(super) fn missing_extensions() -> Vec<&'static str> {
    extensions()
        .into_iter()
        .filter(|found| found.built_in && !found.present)
        .map(|found| found.name)
        .collect()
}

/// Release and commit of this program, and what its engine was built to use.
pub(crate) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let built_in: Vec<_> = extensions()
        .iter()
        .filter(|found| found.built_in)
        .map(|found| found.name)
        .collect();
    let kernels = if has_tiny_blas() { " tinyblas" } else { "" };
    format!(
        "{}, ggml with {}{kernels}{}",
        *steno_settings::VERSION,
        built_in.join(" "),
        GPU_FEATURES.concat()
    )
});

/// The GPU support of this build, as words of [`VERSION`].
const GPU_FEATURES: [&str; 4] = [
    if cfg!(feature = "cuda") { " cuda" } else { "" },
    if cfg!(feature = "hipblas") {
        " hipblas"
    } else {
        ""
    },
    if cfg!(feature = "metal") {
        " metal"
    } else {
        ""
    },
    if cfg!(feature = "vulkan") {
        " vulkan"
    } else {
        ""
    },
];

/// Whether both the build and the processor multiply bfloat16.
pub(super) fn multiplies_bf16() -> bool {
    extensions()
        .iter()
        .any(|found| found.name == "avx512_bf16" && found.built_in && found.present)
}

/// Whether ggml was built with the tinyBLAS kernels: without them an inference takes more than twice as long.
pub(super) fn has_tiny_blas() -> bool {
    whisper_rs::print_system_info().contains("LLAMAFILE = 1")
}

#[cfg(target_arch = "x86_64")]
fn extensions() -> Vec<Extension> {
    // SAFETY: these functions take nothing and return a constant of the build.
    let built = unsafe {
        [
            sys::ggml_cpu_has_avx(),
            sys::ggml_cpu_has_avx2(),
            sys::ggml_cpu_has_fma(),
            sys::ggml_cpu_has_f16c(),
            sys::ggml_cpu_has_bmi2(),
            sys::ggml_cpu_has_avx512(),
            sys::ggml_cpu_has_avx512_vnni(),
            sys::ggml_cpu_has_avx512_bf16(),
        ]
    };
    let present = [
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("f16c", is_x86_feature_detected!("f16c")),
        ("bmi2", is_x86_feature_detected!("bmi2")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512_vnni", is_x86_feature_detected!("avx512vnni")),
        ("avx512_bf16", is_x86_feature_detected!("avx512bf16")),
    ];
    let join = |(built, (name, present)): (i32, (&'static str, bool))| Extension {
        name,
        built_in: built == 1,
        present,
    };
    built.into_iter().zip(present).map(join).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn extensions() -> Vec<Extension> {
    Vec::new()
}

/// A GPU that this build can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gpu {
    pub(crate) name: String,
    /// Memory in bytes that is free, as its driver reports.
    pub(crate) free_bytes: u64,
    pub(crate) total_bytes: u64,
}

/// The GPUs in the order in which whisper.cpp counts them. Empty in a build without GPU support, and where no driver answers.
pub(crate) fn gpus() -> Vec<Gpu> {
    // SAFETY: the registry of devices is made at the first call, behind a lock of ggml's own.
    let count = unsafe { sys::ggml_backend_dev_count() };
    (0..count).filter_map(gpu).collect()
}

/// A device, if it is a GPU.
fn gpu(index: usize) -> Option<Gpu> {
    // SAFETY: the index is below the count, and devices live as long as the process.
    let device = unsafe { sys::ggml_backend_dev_get(index) };
    // SAFETY: as above.
    let kind = unsafe { sys::ggml_backend_dev_type(device) };
    let is_gpu = matches!(
        kind,
        sys::ggml_backend_dev_type_GGML_BACKEND_DEVICE_TYPE_GPU
            | sys::ggml_backend_dev_type_GGML_BACKEND_DEVICE_TYPE_IGPU
    );
    if !is_gpu {
        return None;
    }
    // SAFETY: as above; the description ends with a zero byte and lives as long as its device.
    let name = unsafe { std::ffi::CStr::from_ptr(sys::ggml_backend_dev_description(device)) };
    let (mut free, mut total) = (0, 0);
    // SAFETY: as above; it writes the two numbers.
    unsafe { sys::ggml_backend_dev_memory(device, &raw mut free, &raw mut total) };
    Some(Gpu {
        name: name.to_string_lossy().into_owned(),
        free_bytes: free as u64,
        total_bytes: total as u64,
    })
}

/// Rows of `row` numbers each, in ggml's form of `precision`.
pub(super) fn quantise(precision: Precision, numbers: &[f32], row: usize) -> Vec<u8> {
    let kind = precision.tensor_type() as sys::ggml_type;
    let rows = numbers.len() / row;
    // SAFETY: takes a number and returns a size.
    let mut bytes = vec![0_u8; unsafe { sys::ggml_row_size(kind, row as i64) } * rows];
    // SAFETY: it reads `rows` × `row` numbers and writes as many rows of the size that ggml_row_size gave; these formats
    // need no importance matrix.
    let written = unsafe {
        sys::ggml_quantize_chunk(
            kind,
            numbers.as_ptr(),
            bytes.as_mut_ptr().cast::<c_void>(),
            0,
            rows as i64,
            row as i64,
            std::ptr::null(),
        )
    };
    debug_assert_eq!(written, bytes.len(), "ggml writes whole rows");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_build_runs_here_and_has_the_fast_kernels() {
        assert_eq!(missing_extensions(), Vec::<&str>::new());
        assert!(
            has_tiny_blas(),
            "built without GGML_LLAMAFILE: {}",
            whisper_rs::print_system_info()
        );
    }

    #[test]
    fn numbers_are_quantised_as_their_format_says() {
        let numbers: Vec<f32> = (0..64).map(|i| i as f32 / 4.0 - 8.0).collect();
        let bf16 = quantise(Precision::Bf16, &numbers, 32);
        assert_eq!(bf16.len(), 128);
        assert_eq!(&bf16[..2], &((-8.0_f32).to_bits() >> 16).to_le_bytes()[..2]);

        let q8 = quantise(Precision::Q8_0, &numbers, 32);
        assert_eq!(q8.len(), 2 * 34);
        assert_eq!(q8[2] as i8, -127, "the largest of a block is 127 steps");
    }
}
