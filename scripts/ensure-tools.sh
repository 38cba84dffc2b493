#!/usr/bin/env bash
# Checks that the tools of a build are installed: cargo, a C++ compiler and cmake (for whisper.cpp).
# Also installs ffmpeg for the tests, because some recordings need it.
# Removes the old build of whisper.cpp when one of its build flags has changed.
# A missing cmake is installed: as a system package when root, else for this checkout alone, below target/tools.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/target/tools/bin:$PATH"

fail() { echo "ensure-tools: $*" >&2; exit 1; }
as_root() { [ "$(id -u)" -eq 0 ]; }

command -v cargo >/dev/null || fail "no cargo: install Rust from https://rustup.rs and run this again"
command -v c++ >/dev/null || command -v g++ >/dev/null || fail "no C++ compiler: install g++ or clang and run this again"

# The build script of whisper-rs-sys does not run again when a flag changes.
flags=$(env | grep -E '^(GGML|WHISPER|CMAKE)_' | sort; grep -E '^(GGML|WHISPER|CMAKE)_' .cargo/config.toml)
stamp=target/whisper-flags
if [ -f "$stamp" ] && [ "$flags" != "$(cat "$stamp")" ]; then
  echo "ensure-tools: build flags of whisper.cpp have changed; building it again" >&2
  cargo clean --quiet -p whisper-rs-sys
  cargo clean --quiet --release -p whisper-rs-sys
fi
mkdir -p target
echo "$flags" >"$stamp"

# Only the tests need it, and they report it when it is missing.
install_ffmpeg() {
  if as_root && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ffmpeg >/dev/null && return
  fi
  # A program without libraries, as a Python package brings it.
  python3 -m pip install --quiet --disable-pip-version-check --upgrade --target target/tools imageio-ffmpeg || return
  mkdir -p target/tools/bin
  local found=(target/tools/imageio_ffmpeg/binaries/ffmpeg-*)
  chmod +x "${found[0]}" && ln -sf "../imageio_ffmpeg/binaries/$(basename "${found[0]}")" target/tools/bin/ffmpeg
}
if ! command -v ffmpeg >/dev/null; then
  echo "ensure-tools: installing ffmpeg" >&2
  install_ffmpeg || echo "ensure-tools: no ffmpeg, and none can be installed: tests of its formats will fail" >&2
fi

command -v cmake >/dev/null && exit 0

echo "ensure-tools: installing cmake" >&2
if as_root && command -v apt-get >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq cmake >/dev/null && exit 0
elif as_root && command -v dnf >/dev/null; then
  dnf install -y -q cmake && exit 0
elif as_root && command -v apk >/dev/null; then
  apk add --quiet cmake && exit 0
fi
command -v python3 >/dev/null || fail "no cmake and no Python to fetch it with: install cmake and run this again"
python3 -m pip install --quiet --disable-pip-version-check --upgrade --target target/tools cmake ||
  fail "cmake cannot be fetched with pip: install cmake and run this again"
mkdir -p target/tools/bin
ln -sf ../cmake/data/bin/cmake target/tools/bin/cmake
cmake --version >/dev/null || fail "the cmake from pip does not run here: install cmake and run this again"
