#!/usr/bin/env bash
# Runs the native engine's own tests as on other processors, under qemu: x86-64-v2 without AVX, and
# AVX2 without AVX-512. Whole spans (tests/company.rs) run with AVX2 alone: they are too slow under
# qemu without AVX. Called by `make emulated`. The comparison with whisper.cpp is left out, because
# whisper.cpp is built for this processor.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v qemu-x86_64 >/dev/null; then
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || {
    echo "test-emulated: install qemu-user and run this again" >&2
    exit 1
  }
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-user >/dev/null
fi

# Builds the requested tests and prints the paths of their programs, one a line.
programs() {
  cargo test --quiet --locked -p steno-engine "$@" --no-run --message-format=json |
    python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("profile", {}).get("test") and message.get("executable"):
        print(message["executable"])
'
}

# Arguments: a processor, and which tests.
test_as_on() {
  local processor=$1 tests
  shift
  tests=$(programs "$@")
  echo "as on $processor"
  for test in $tests; do
    # qemu lists the features of a processor that it leaves out; the engine uses none of them.
    qemu-x86_64 -cpu "$processor" "$test" --quiet 2> >(grep -v "TCG doesn't support requested feature" >&2)
  done
}

test_as_on Nehalem --lib
test_as_on Haswell --lib --test company
