#!/usr/bin/env bash
# Builds steno-worker for Vulkan in target/vulkan and tests it on lavapipe, Mesa's Vulkan device on the processor: a machine without a
# GPU is enough. Called by `make test-vulkan`. Delete target/vulkan afterwards to save its disk space.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/ensure-vulkan.sh
if [ -d target/vulkan/sdk ]; then
  export VULKAN_SDK=$PWD/target/vulkan/sdk
fi
# Other drivers may be installed too: the tests are about this device.
VK_ICD_FILENAMES=$(compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json')
export VK_ICD_FILENAMES

CARGO_TARGET_DIR=target/vulkan cargo build --locked -p steno-worker --features vulkan
CARGO_TARGET_DIR=target/vulkan cargo test --locked -p steno-worker --features vulkan --lib engine::device
cargo build --workspace --bins --locked
target/debug/steno weights pull base
cargo clippy --locked -p steno-e2e --test vulkan -- -D warnings
cargo test --locked -p steno-e2e --test vulkan -- --test-threads=1
