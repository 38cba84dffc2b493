#!/usr/bin/env bash
# Installs, upgrades, removes and purges the package of `make deb` in a fresh Debian, and transcribes with it. Called by
# `make deb-test`. Needs root and debootstrap.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "test-deb: $*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || fail "run it as root: a Debian of its own is made and entered"
command -v debootstrap >/dev/null || fail "install debootstrap first"
deb=$(ls target/deb/steno_*.deb)
weights=${STENO_WEIGHTS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/steno/weights}
[ -r "$weights/ggml-base.bin" ] || fail "no weights in $weights: steno weights pull base"

root=$(mktemp -d)
chmod 755 "$root"
inside() { chroot "$root" "$@"; }
cleanup() {
  [ ! -e "$root/pids" ] || xargs -r kill <"$root/pids" 2>/dev/null || true
  umount "$root/proc" 2>/dev/null || true
  rm -rf "$root"
}
trap cleanup EXIT
debootstrap --variant=minbase --include=libstdc++6,libgomp1,systemd,passwd,procps,ca-certificates bookworm "$root" ${DEBIAN_MIRROR:-} >/dev/null
mount -t proc proc "$root/proc"
cp "$deb" "$root/steno.deb"

echo "test-deb: installing"
inside dpkg -i /steno.deb
inside getent passwd steno >/dev/null || fail "there is no user steno"
[ "$(inside stat -c '%U %a' /var/lib/steno)" = "steno 700" ] || fail "the data folder is not private"
[ "$(inside stat -c '%G %a' /etc/steno/steno.env)" = "steno 640" ] || fail "the settings are not private"
inside sh -c 'systemd-analyze verify /usr/lib/systemd/system/steno*' || fail "units are wrong"
inside steno --version
inside man -w steno >/dev/null 2>&1 || [ -e "$root/usr/share/man/man1/steno.1.gz" ] || fail "there is no manual"

echo "test-deb: running"
cp "$weights"/ggml-base.* "$root/var/lib/steno/weights/"
inside chown -R steno:steno /var/lib/steno/weights
cp tests/fixtures/clip.opus "$root/tmp/"
start() {
  local program=$1; shift
  # Not through `inside`: the process that is noted has to be the program itself.
  chroot "$root" env STENO_DATA=/var/lib/steno STENO_WEIGHTS_DIR=/var/lib/steno/weights STENO_BIND=127.0.0.1:18080 "$@" \
    setpriv --reuid steno --regid steno --clear-groups "/usr/bin/$program" >>"$root/log" 2>&1 &
  echo $! >>"$root/pids"
}
start steno-api
start steno-worker
export no_proxy='*'
for _ in $(seq 100); do curl -sf http://127.0.0.1:18080/readyz >/dev/null && break; sleep 0.2; done
inside env no_proxy='*' steno transcribe --url http://127.0.0.1:18080 /tmp/clip.opus --output - | grep -i weather || { cat "$root/log"; fail "no text"; }
curl -sf http://127.0.0.1:18080/readyz; echo
job=$(curl -sf -F "file=@tests/fixtures/clip.wav" http://127.0.0.1:18080/transcribe | grep -oE '[0-9a-f]{8}-[0-9a-f-]{27}' | head -1)
xargs kill <"$root/pids"; rm "$root/pids"

echo "test-deb: upgrading"
echo "STENO_LOG=debug" >>"$root/etc/steno/steno.env"
dpkg-deb -R "$deb" "$root/newer" && sed -i 's/^Version: .*/&+upgrade/' "$root/newer/DEBIAN/control" && dpkg-deb -b "$root/newer" "$root/newer.deb" >/dev/null
inside dpkg --force-confold -i /newer.deb
grep -q STENO_LOG=debug "$root/etc/steno/steno.env" || fail "the upgrade has changed the settings"
inside env STENO_DATA=/var/lib/steno steno admin jobs | grep -q "$job" || fail "the upgrade has lost a job"

echo "test-deb: removing and purging"
inside dpkg -r steno
[ -e "$root/var/lib/steno/steno.db" ] || fail "removing must keep the queue"
inside dpkg -P steno
for path in /var/lib/steno /etc/steno /usr/bin/steno; do [ ! -e "$root$path" ] || fail "$path is left"; done
echo "test-deb: installed, ran, upgraded, removed and purged"
