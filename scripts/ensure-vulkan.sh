#!/usr/bin/env bash
# Installs what scripts/test-vulkan.sh needs: a compiler of shaders, the loader, lavapipe, and headers that are new enough for
# whisper.cpp, in target/vulkan/sdk where the distribution's are not. Only on Debian and its relatives; elsewhere it says what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "ensure-vulkan: $*" >&2; exit 1; }

missing=()
command -v glslc >/dev/null || missing+=(glslc)
[ -e /usr/include/vulkan/vulkan.h ] || missing+=(libvulkan-dev)
compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' >/dev/null || missing+=(mesa-vulkan-drivers)
if [ "${#missing[@]}" -gt 0 ]; then
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || fail "install ${missing[*]} and run this again"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# Whether the headers in a folder are of version 1.3.272 or later. Debian 12 has 1.3.239.
has_layer_settings() { grep -q VK_EXT_layer_settings "$1/vulkan/vulkan_core.h" 2>/dev/null; }
sdk=target/vulkan/sdk
has_layer_settings /usr/include || has_layer_settings "$sdk/include" && exit 0

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || fail "the Vulkan headers are older than 1.3.272: install newer ones, or the Vulkan SDK with VULKAN_SDK set"
echo "ensure-vulkan: taking the headers of Debian 13" >&2
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt"/{lists,cache}/partial "$apt/cache/archives/partial"
echo "deb [signed-by=$keyring] http://deb.debian.org/debian trixie main" >"$apt/sources.list"
options=(-qq -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$apt/lists"
  -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
apt-get "${options[@]}" update
(cd "$apt" && apt-get "${options[@]}" download libvulkan-dev/trixie)
dpkg -x "$apt"/libvulkan-dev_*.deb "$apt/unpacked"
mkdir -p "$sdk"
cp -r "$apt/unpacked/usr/include" "$sdk/"
has_layer_settings "$sdk/include" || fail "Debian 13 has no Vulkan headers of 1.3.272 or later"
