#!/usr/bin/env bash
# Prints the path of a Chromium for the browser tests. Installs one if the machine has none: Debian's package when
# root, else the one that the npm package @sparticuz/chromium carries, below target/browser.
# CHROMIUM names another one. Exits 1 with a message if there is no Chromium and none can be installed.
#
# The tests start it without a display:
#   playwright: chromium.launch({ executablePath, args: ["--no-sandbox"] })
#   alone:      "$(scripts/ensure-browser.sh)" --headless --no-sandbox --screenshot=page.png URL
set -euo pipefail
cd "$(dirname "$0")/.."
folder=target/browser
version=153.0.0

find_browser() {
  local name
  if [ -n "${CHROMIUM:-}" ]; then
    echo "$CHROMIUM"
    return
  fi
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" && return
  done
  [ -x "$folder/chromium" ] && echo "$PWD/$folder/chromium"
}

install_package() {
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return
  apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
}

install_from_npm() {
  mkdir -p "$folder" || return
  (
    cd "$folder"
    npm install --silent --no-audit --no-fund --no-package-lock --prefix . "@sparticuz/chromium@$version" &&
      # It unpacks into the temporary folder, and returns the path.
      unpacked=$(node --input-type=module --eval \
        'import chromium from "@sparticuz/chromium"; console.log(await chromium.executablePath());') &&
      mv "$unpacked" chromium && chmod 755 chromium && rm -rf node_modules && ./chromium --version
  )
}

find_browser && exit 0
echo "ensure-browser: installing Chromium" >&2
{ install_package || install_from_npm; } >&2 || true
find_browser && exit 0
echo "ensure-browser: there is no Chromium, and none can be installed; name one with CHROMIUM" >&2
exit 1
