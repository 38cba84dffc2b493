#!/usr/bin/env bash
# Measures words. `tests/words/run.sh --help` lists the options; a first run installs the peer (network).
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/bench/peer-env.sh
cargo build --quiet --locked -p steno-api -p steno-worker -p steno-cli -p steno-e2e --bins --example words
target/debug/steno weights pull base >&2
exec env HF_HUB_OFFLINE=1 nice -n "${WORDS_NICE:-0}" target/bench/venv/bin/python tests/words/words.py "$@"
