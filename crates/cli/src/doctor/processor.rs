//! What the processor can do, and which engine suits it. Called by `steno doctor`.

use std::thread::available_parallelism;

use steno_engine::{Kernel, Speed};

use super::Finding;

/// Which instructions are missing.
pub(super) fn extensions() -> Finding {
    let cores = available_parallelism().map_or(1, usize::from);
    let lacking: Vec<_> = known()
        .into_iter()
        .filter(|(_, present, _)| !present)
        .collect();
    let (needed, faster): (Vec<_>, Vec<_>) =
        lacking.iter().partition(|(_, _, is_needed)| *is_needed);
    let names = |extensions: &[&(&str, bool, bool)]| {
        extensions
            .iter()
            .map(|(name, ..)| *name)
            .collect::<Vec<_>>()
            .join(", ")
    };

    let found = format!("{cores} cores");
    if !needed.is_empty() {
        let found = format!("{found}; the processor lacks {}", names(&needed));
        return Finding::warn(
            "processor",
            found,
            "transcription takes several times as long; build on this machine",
        );
    }

    if !faster.is_empty() {
        let found = format!("{found}; the processor lacks {}", names(&faster));
        return Finding::ok(
            "processor",
            format!("{found}, with which it would be somewhat faster"),
        );
    }

    Finding::ok("processor", found)
}

/// Which engine workers choose here with `STENO_ENGINE=auto` and no GPU.
pub(super) fn engine() -> Finding {
    let Kernel { name, speed } = Kernel::detect();
    let found = match speed {
        Speed::Fast => format!("native, which is faster on this processor, with {name}"),
        Speed::Unmeasured => {
            let found =
                "whisper-cpp: the native engine was not measured on processors like this one";
            format!("{found} ({name}); STENO_ENGINE=native tries it")
        }
        Speed::Slow => "whisper-cpp: this processor has no fast 8-bit products".to_owned(),
    };
    Finding::ok("engine", found)
}

/// Extensions of the instruction set that ggml uses: its name, whether the processor has it, and
/// whether transcription is slow without it.
#[cfg(target_arch = "x86_64")]
fn known() -> Vec<(&'static str, bool, bool)> {
    vec![
        ("avx2", is_x86_feature_detected!("avx2"), true),
        ("fma", is_x86_feature_detected!("fma"), true),
        ("f16c", is_x86_feature_detected!("f16c"), true),
        ("avx512f", is_x86_feature_detected!("avx512f"), false),
        ("avx512_bf16", is_x86_feature_detected!("avx512bf16"), false),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn known() -> Vec<(&'static str, bool, bool)> {
    Vec::new()
}
