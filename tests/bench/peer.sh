#!/usr/bin/env bash
# Starts peer.py in its own Python environment. Called by the benchmark.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/bench/peer-env.sh
exec env HF_HUB_OFFLINE=1 target/bench/venv/bin/python tests/bench/peer.py target/bench
