#!/usr/bin/env bash
# Runs the native engine's own tests as on other processors, under qemu:
#   x86-64-v2 (no AVX), AVX2 without AVX-512, and ARM without and with 8-bit dot products.
# Called by `make emulated`. Whole spans (tests/company.rs) run with AVX2 alone: they are too slow under qemu elsewhere. The
# comparison with whisper.cpp is left out, because whisper.cpp is built for this processor. ARM needs
# `rustup target add aarch64-unknown-linux-gnu`; without it, it is skipped with a message.
set -euo pipefail
cd "$(dirname "$0")/.."

arm=aarch64-unknown-linux-gnu
missing=()
command -v qemu-x86_64 >/dev/null || missing+=(qemu-user)
has_arm=$(rustup target list --installed 2>/dev/null | grep -x "$arm" || true)
if [ -n "$has_arm" ]; then
  command -v aarch64-linux-gnu-g++ >/dev/null || missing+=(g++-aarch64-linux-gnu)
fi
if [ "${#missing[@]}" -gt 0 ]; then
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || {
    echo "test-emulated: install ${missing[*]} and run this again" >&2
    exit 1
  }
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
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

# Arguments: the emulator with its options, a processor, and which tests.
test_as_on() {
  local emulator=$1 processor=$2 tests
  shift 2
  tests=$(programs "$@")
  echo "as on $processor"
  for test in $tests; do
    # qemu lists the features of a processor that it leaves out; the engine uses none of them.
    # shellcheck disable=SC2086
    $emulator -cpu "$processor" "$test" --quiet 2> >(grep -v "TCG doesn't support requested feature" >&2)
  done
}

test_as_on qemu-x86_64 Nehalem --lib
test_as_on qemu-x86_64 Haswell --lib --test company

if [ -z "$has_arm" ]; then
  echo "skipped: ARM, because this Rust toolchain has no target $arm"
  [ "${SKIP_TESTS:-}" != never ] || exit 1
  exit 0
fi
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
# NEON alone; with dot products; with those of matrices as well.
for processor in cortex-a72 neoverse-n1 max; do
  test_as_on "qemu-aarch64 -L /usr/aarch64-linux-gnu" "$processor" --lib --target "$arm"
done
