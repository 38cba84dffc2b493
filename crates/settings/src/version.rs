//! Which Steno this is.

use std::sync::LazyLock;

/// Version of the workspace.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// Commit the program was built from; `unknown` outside a repository.
pub const COMMIT: &str = env!("STENO_COMMIT");

/// Both, as `0.1.0 (f0de877a1b, x86_64)`.
pub static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{RELEASE} ({COMMIT}, {})", std::env::consts::ARCH));
