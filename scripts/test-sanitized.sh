#!/usr/bin/env bash
# Runs the native engine's own tests under AddressSanitizer, which ends them at the first access outside of a slice or after its
# memory was freed. All unsafe kernels of this processor run for real. Called by `make sanitized`. Miri cannot run AVX-512
# instructions, and valgrind does not know them.
set -euo pipefail
cd "$(dirname "$0")/.."

# Sanitizers need a nightly compiler; RUSTC_BOOTSTRAP enables them in this one. With --target, build scripts are built without them.
target=$(rustc -vV | sed -n 's/^host: //p')
RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/sanitized \
  cargo test --quiet --locked -p steno-engine --lib --target "$target"
