#!/usr/bin/env bash
# Installs the foreign clients that the end-to-end tests call the api with, below target/clients. Called by scripts/test.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=target/clients
mkdir -p "$folder"

# A registry may not answer once.
try() { "$@" || "$@" || "$@"; }

if ! cmp -s tests/clients/requirements.txt "$folder/requirements.txt"; then
  rm -rf "$folder/python"
  python3 -m venv "$folder/python"
  try "$folder/python/bin/pip" install --quiet --disable-pip-version-check --requirement tests/clients/requirements.txt
  cp tests/clients/requirements.txt "$folder/requirements.txt"
fi
if ! cmp -s tests/clients/package.json "$folder/installed.json"; then
  rm -rf "$folder/node_modules"
  cp tests/clients/package.json "$folder/package.json"
  (cd "$folder" && try npm install --silent --no-audit --no-fund --no-package-lock)
  cp tests/clients/package.json "$folder/installed.json"
fi
