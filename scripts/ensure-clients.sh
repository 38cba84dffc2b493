#!/usr/bin/env bash
# Installs the foreign clients that the end-to-end tests call the api with, below target/clients, and the proxies
# of the distribution that they go through. Called by scripts/test.sh.
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

# The same that scripts/ensure-browser.sh names to the tests.
scripts/ensure-browser.sh >/dev/null

missing=()
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || missing+=(haproxy)
command -v caddy >/dev/null || missing+=(caddy)
if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    try apt-get update -qq
    DEBIAN_FRONTEND=noninteractive try apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "ensure-clients: the tests need these packages, and only root can install them: ${missing[*]}" >&2
    exit 1
  fi
fi

# promtool alone: the package would start a Prometheus on this machine.
if ! command -v promtool >/dev/null && command -v apt-get >/dev/null; then
  rm -rf "$folder/prometheus"
  mkdir -p "$folder/prometheus" target/tools/bin
  (
    cd "$folder/prometheus"
    download() { apt-get download -qq -o APT::Sandbox::User=root prometheus; }
    { download || { apt-get update -qq && download; }; } && dpkg-deb --extract prometheus_*.deb .
  ) &&
    cp "$folder/prometheus/usr/bin/promtool" target/tools/bin/ ||
    echo "ensure-clients: no promtool, and it cannot be fetched: its checks of the alert rules are skipped" >&2
  rm -rf "$folder/prometheus"
fi
