#!/usr/bin/env bash
# Runs each fuzzer for some seconds, with the test recordings as its first corpus. Called by `make fuzz SECONDS=900`.
# Failing inputs are kept in fuzz/artifacts, and the run fails.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
shift
fail() { echo "fuzz: $*" >&2; exit 1; }
command -v cargo-fuzz >/dev/null || cargo install --locked --root target/tools cargo-fuzz ||
  fail "cargo-fuzz cannot be installed: cargo install --locked cargo-fuzz"
# Sanitizers need a nightly compiler; RUSTC_BOOTSTRAP enables them in this one.
export RUSTC_BOOTSTRAP=1

corpus=fuzz/corpus
mkdir -p "$corpus"/{audio,options,rendering,weights}
# Small files, so that some hundred inputs are tried per second.
find tests/fixtures -type f -size -16k ! -name '*.sh' ! -name '*.md' -exec cp -t "$corpus/audio" {} +
for file in tests/fixtures/clip.{flac,mp3,m4a,webm,mka,aac,caf,aiff,wav}; do head -c 16000 "$file" >"$corpus/audio/head-$(basename "$file")"; done
printf -- '--b\r\nContent-Disposition: form-data; name="language"\r\n\r\nen\r\n--b--\r\n' >"$corpus/options/form"
printf 'language=en\ntask=translate\ntemperature=0.5\nbeam_size=3\nmetadata={"a":1}\nprompt=x\npriority=1' >"$corpus/options/pairs"
python3 - "$corpus/weights" <<'PYTHON'
import struct, sys
# The head of a ggml file, and that of a CTranslate2 model.
head = struct.pack("<12i", 0x67676d6c, 51865, 1500, 512, 8, 6, 448, 512, 8, 6, 80, 1)
open(f"{sys.argv[1]}/ggml", "wb").write(head + struct.pack("<2i", 80, 201) + bytes(80 * 201 * 4) + struct.pack("<i", 2) + b"\1\0\0\0a\1\0\0\0b")
name = b"WhisperSpec\0"
model = struct.pack("<IH", 6, len(name)) + name + struct.pack("<II", 3, 1)
model += struct.pack("<H", 2) + b"a\0" + struct.pack("<BI", 1, 4) + struct.pack("<BI", 0, 16) + bytes(16) + struct.pack("<I", 0)
open(f"{sys.argv[1]}/ctranslate2", "wb").write(model + b'<|a|>\n' * 20)
PYTHON

targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(audio options rendering weights)
for target in "${targets[@]}"; do
  echo "fuzz: $target for $seconds s"
  # 2 GiB is far more than any input needs: an allocation by what a header says falls out.
  cargo fuzz run --fuzz-dir fuzz "$target" -- -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=20 \
    -max_len=16384 -print_final_stats=1 2>&1 | tee "fuzz/$target.log" | grep -E "ERROR|panicked|SUMMARY|stat::number_of_executed|stat::peak|cov:.*pulse|artifact_prefix" || true
  [ -z "$(find "fuzz/artifacts/$target" -type f 2>/dev/null)" ] || fail "see fuzz/artifacts/$target and fuzz/$target.log"
  grep -q "stat::number_of_executed_units" "fuzz/$target.log" || fail "it did not run: see fuzz/$target.log"
done
