//! Stops a build whose whisper.cpp was built with other flags than are set now: its own build script does not look again
//! when one changes.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::Path;

#[expect(
    clippy::disallowed_methods,
    reason = "cargo passes its results to build scripts in variables"
)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let wanted: Vec<_> = env::vars().filter(|(name, _)| is_flag(name)).collect();
    // Also those that are not set now but may be the next time.
    for name in wanted.iter().map(|(name, _)| name.as_str()).chain([
        "GGML_LLAMAFILE",
        "GGML_NATIVE",
        "GGML_OPENMP",
    ]) {
        println!("cargo::rerun-if-env-changed={name}");
    }
    // Set by the build script of whisper-rs-sys, through the cmake crate.
    let Some(root) = env::var_os("DEP_WHISPER_ROOT") else {
        return;
    };
    let cache = Path::new(&root).join("build/CMakeCache.txt");
    println!("cargo::rerun-if-changed={}", cache.display());
    let Ok(text) = fs::read_to_string(&cache) else {
        return;
    };
    let built: HashMap<&str, &str> = text.lines().filter_map(entry).collect();
    for (name, value) in &wanted {
        if let Some(found) = built.get(name.as_str()).filter(|found| *found != value) {
            println!(
                "cargo::error=whisper.cpp was built with {name}={found}, and {name}={value} is set now. \
                 Build it again: cargo clean -p whisper-rs-sys && cargo clean --release -p whisper-rs-sys"
            );
        }
    }
}

/// What whisper.cpp is configured with.
fn is_flag(name: &str) -> bool {
    ["GGML_", "WHISPER_", "CMAKE_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        && name != "WHISPER_DONT_GENERATE_BINDINGS"
}

/// `NAME:TYPE=VALUE`.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    Some((name.split_once(':')?.0, value))
}
