#!/usr/bin/env bash
# Builds the Debian package, target/deb/steno_*.deb. Called by `make deb`. On x86-64 the engine is built for x86-64-v3 (AVX2, FMA,
# F16C, BMI2), not for the processor of this machine. A worker refuses to start without one of these and names it.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "build-deb: $*" >&2; exit 1; }

for tool in cargo-deb cargo-auditable; do
  command -v "$tool" >/dev/null || cargo install --locked --root target/tools "$tool" ||
    fail "$tool cannot be installed: cargo install --locked $tool"
done
if [ "$(uname -m)" = x86_64 ]; then
  export GGML_NATIVE=OFF GGML_SSE42=ON GGML_AVX=ON GGML_AVX2=ON GGML_FMA=ON GGML_F16C=ON GGML_BMI2=ON
fi
# Separate from the ordinary build, which is for this processor.
export CARGO_TARGET_DIR=$PWD/target/portable
# The programs contain the list of their crates, which scanners and `cargo audit bin` read.
cargo auditable build --release --locked --bins
bin=$CARGO_TARGET_DIR/release
out=target/deb
rm -rf "$out"
mkdir -p "$out/man"
"$bin/steno" completions bash >"$out/steno.bash"
"$bin/steno" man --output "$out/man"
cargo deb --no-build --locked --package steno-cli --output "$out/"
ls -l "$out"/*.deb
"$bin/steno-worker" --version
