#!/usr/bin/env bash
# The fast loop: format, lints and unit tests, under a minute when warm. Called by `make check`. CI runs scripts/test.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/ensure-servers.sh
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
cargo test --workspace --lib --bins --locked --quiet
cargo test --package steno-store --tests --locked --quiet
