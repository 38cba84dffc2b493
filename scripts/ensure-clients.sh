#!/usr/bin/env bash
# Installs the clients by other authors that the end-to-end tests call the api with, below target/clients, and the
# proxies of the distribution that they go through. Called by scripts/test.sh.
# If a registry cannot be reached, the tests with its clients are skipped: a file *.unreachable marks it.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=target/clients
mkdir -p "$folder"
rm -f "$folder"/*.unreachable

# A registry may not answer once.
try() { "$@" || "$@" || "$@"; }

# failed NAME COMMAND…: fails if a registry answers COMMAND. Then the pinned versions are at fault.
failed() {
  local name=$1; shift
  if "$@" >/dev/null 2>&1; then
    echo "ensure-clients: the clients from $name cannot be installed" >&2
    exit 1
  fi
  echo "ensure-clients: $name cannot be reached; the tests with its clients are skipped" >&2
  : >"$folder/$name.unreachable"
}

install_python() {
  rm -rf "$folder/python"
  python3 -m venv "$folder/python" || exit 1
  try "$folder/python/bin/pip" install --quiet --disable-pip-version-check --requirement tests/clients/requirements.txt &&
    cp tests/clients/requirements.txt "$folder/requirements.txt"
}
if ! cmp -s tests/clients/requirements.txt "$folder/requirements.txt"; then
  install_python || failed pypi "$folder/python/bin/pip" download --quiet --no-deps --dest "$folder/probe" requests
  rm -rf "$folder/probe"
fi

install_npm() {
  rm -rf "$folder/node_modules"
  cp tests/clients/package.json "$folder/package.json"
  (cd "$folder" && try npm install --silent --no-audit --no-fund --no-package-lock) &&
    cp tests/clients/package.json "$folder/installed.json"
}
if ! cmp -s tests/clients/package.json "$folder/installed.json"; then
  install_npm || failed npm npm view openai version
fi

install_page_tools() {
  rm -rf "$folder/page-tools"
  mkdir -p "$folder/page-tools"
  cp web/package.json "$folder/page-tools/"
  # npm needs the lock file beside it. It gets its own name last, so that a broken installation is made again.
  cp web/package-lock.json "$folder/page-tools/npm-shrinkwrap.json"
  (cd "$folder/page-tools" && try npm ci --silent --no-audit --no-fund) &&
    cp web/package-lock.json "$folder/page-tools/package-lock.json"
}
if ! cmp -s web/package-lock.json "$folder/page-tools/package-lock.json"; then
  install_page_tools || failed npm npm view esbuild version
fi

# The tests call the script again, and skip those in a browser if it fails.
scripts/ensure-browser.sh >/dev/null || true

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
