#!/usr/bin/env bash
# Installs, upgrades, removes and purges the package of `make deb` in a Debian container with systemd, and checks the units there. Called by `make deb-test`. Needs root, debootstrap and systemd-container; takes some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { echo "test-deb: $*"; }
fail() {
  say "$*" >&2
  inside journalctl --no-pager --lines 40 --unit 'steno*' >&2 2>/dev/null || true
  exit 1
}
[ "$(id -u)" -eq 0 ] || { say "run it as root: a Debian of its own is made and booted" >&2; exit 1; }
for program in debootstrap systemd-nspawn nsenter; do
  command -v "$program" >/dev/null || { say "no $program: apt-get install debootstrap systemd-container" >&2; exit 1; }
done
deb=$(ls target/deb/steno_*.deb)
weights=${STENO_WEIGHTS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/steno/weights}
[ -r "$weights/ggml-base.bin" ] || { say "no weights in $weights: steno weights pull base" >&2; exit 1; }

root=$(mktemp -d)
chmod 755 "$root"
leader=
# Runs a command in the booted container, with its own network and processes.
inside() { nsenter --target "$leader" --all -- env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
cleanup() {
  [ -z "$leader" ] || inside systemctl poweroff --force --force >/dev/null 2>&1 || true
  wait 2>/dev/null || true
  rm -rf "$root" "$root.log"
}
trap cleanup EXIT
# until_so SECONDS WHAT COMMAND…: waits for a condition, at most so many seconds. Choose the limit generously.
until_so() {
  local deadline=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || fail "$what: not so"
    sleep 0.1
  done
}
get() { inside curl --silent --fail "http://127.0.0.1:8080$1"; }
upload() { inside curl --silent --fail -F "file=@/root/$1" "http://127.0.0.1:8080/transcribe?language=en" | grep -oE '[0-9a-f]{8}-[0-9a-f-]{27}' | head -1; }
property() { inside systemctl show --value --property "$1" "$2"; }
pid_of() { property MainPID "$1"; }
is_completed() { get "/transcribe/$1?keep=true" | grep -q '"status":"completed"'; }
has_begun() { get "/transcribe/$1?keep=true" | grep -q '"status":"processing"'; }
# Succeeds if a unit runs with another process than $2.
is_another() { local now; now=$(pid_of "$1"); [ "$now" != 0 ] && [ "$now" != "$2" ] && inside systemctl is-active --quiet "$1"; }

say "making a Debian"
debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,libstdc++6,libgomp1,passwd,procps,sudo,curl,ca-certificates \
  bookworm "$root" ${DEBIAN_MIRROR:-} >"$root.log" || { cat "$root.log" >&2; exit 1; }
cp "$deb" "$root/root/steno.deb"
cp tests/fixtures/{clip,long}.opus "$root/root/"
# nspawn's own filter blocks Landlock.
systemd-nspawn --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
  --quiet --directory "$root" --boot --register=no --keep-unit --private-network --console=pipe \
  </dev/null >"$root.log" 2>&1 &
nspawn=$!
until_so 60 "systemd-nspawn starts a Debian" pgrep --parent "$nspawn"
leader=$(pgrep --parent "$nspawn" | head -1)
until_so 60 "systemd is up" inside systemctl is-active --quiet multi-user.target

say "installing"
inside dpkg -i /root/steno.deb >/dev/null
inside getent passwd steno >/dev/null || fail "there is no user steno"
[ "$(inside stat -c '%U %a' /var/lib/steno)" = "steno 700" ] || fail "the data folder is not private"
[ "$(inside stat -c '%G %a' /etc/steno/steno.env)" = "steno 640" ] || fail "the settings are not private"
inside sh -c 'systemd-analyze verify /usr/lib/systemd/system/steno*' || fail "units are wrong"
[ -e "$root/usr/share/man/man1/steno.1.gz" ] || fail "there is no manual"
for program in steno steno-api steno-worker steno-courier; do
  grep -q '\.dep-v0' "$root/usr/bin/$program" || fail "$program does not say what it was built of"
done
until_so 60 "the api runs" get /readyz
inside systemctl is-active --quiet steno-worker@1 && fail "a worker runs without weights"

say "running"
cp "$weights"/ggml-base.* "$root/var/lib/steno/weights/"
inside chown -R steno:steno /var/lib/steno/weights
inside systemctl start steno-worker@1 || fail "the worker does not start"
inside steno transcribe /root/clip.opus --output - | grep -qi weather || fail "no text"
! inside journalctl --unit steno-worker@1 | grep "less protection" || fail "decoders run without their sandbox"
get /readyz; echo
inside systemctl is-active --quiet steno-courier || fail "the courier does not run"
for unit in steno-worker@1=0.5 steno-api=1.2 steno-courier=1.3; do
  score=$(inside systemd-analyze security --no-pager "${unit%=*}" | grep -oE '[0-9.]+ [A-Z]+ ' | tail -1)
  say "exposure of ${unit%=*}: $score"
  awk -v score="${score%% *}" -v most="${unit#*=}" 'BEGIN { exit !(score <= most) }' || fail "more than ${unit#*=}"
done
worker=$(pid_of steno-worker@1)
[ "$(inside readlink "/proc/$worker/ns/net")" != "$(inside readlink /proc/1/ns/net)" ] || fail "the worker has a network"
[ "$(inside awk '/^Seccomp:/ {print $2}' "/proc/$worker/status")" = 2 ] || fail "the worker's calls are not filtered"

say "killing, freezing and stopping"
for unit in steno-api steno-worker@1 steno-courier; do
  [ "$(property RestartUSec "$unit")" = 100ms ] || fail "$unit is not restarted after 100 ms"
done
# More restarts than systemd allows by default. How long each takes depends on the disk and the load: a worker reads its weights.
before=$(property NRestarts steno-worker@1)
took=
for _ in 1 2 3 4 5 6 7; do
  worker=$(pid_of steno-worker@1)
  began=$(date +%s%N)
  inside kill -9 "$worker"
  until_so 60 "the worker is back after kill -9" is_another steno-worker@1 "$worker"
  took="$took $((($(date +%s%N) - began) / 1000000))"
done
say "the worker was ready again after kill -9, ms:$took"
[ "$(property NRestarts steno-worker@1)" = $((before + 7)) ] || fail "systemd has not started the worker once for each kill"
for unit in steno-api.service steno-worker@.service steno-courier.service; do
  mkdir -p "$root/etc/systemd/system/$unit.d"
  printf '[Service]\nWatchdogSec=4\nTimeoutAbortSec=2\n' >"$root/etc/systemd/system/$unit.d/quick.conf"
done
inside systemctl daemon-reload
inside systemctl restart steno-api steno-worker@1 steno-courier
for unit in steno-api steno-worker@1 steno-courier; do
  frozen=$(pid_of "$unit")
  inside kill -STOP "$frozen"
  until_so 60 "the watchdog ends a frozen $unit" is_another "$unit" "$frozen"
done
rm -r "$root"/etc/systemd/system/steno-*.service.d
inside systemctl daemon-reload
inside systemctl restart steno-api steno-worker@1 steno-courier
until_so 60 "the api is back" get /readyz
job=$(upload long.opus)
until_so 60 "a long job begins" has_begun "$job"
inside systemctl stop steno-worker@1
[ "$(property ExecMainStatus steno-worker@1)" = 0 ] || fail "the worker did not drain"
inside systemctl start steno-worker@1
until_so 120 "a job goes on after a stop" is_completed "$job"
get "/transcribe/$job?keep=true" | grep -q '"attempts":1' || fail "a stop has cost an attempt"

say "a recording by address"
# A server of one file, in Perl, which a minimal Debian has.
cat >"$root/root/origin.pl" <<'PERL'
use IO::Socket::INET;
my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1:8099", ReuseAddr => 1) or die;
open my $file, "<:raw", "/root/clip.opus" or die;
my $body = do { local $/; <$file> };
while (my $client = $server->accept) {
  while (<$client>) { last if /^\r\n$/ }
  print $client "HTTP/1.1 200 OK\r\ncontent-length: " . length($body) . "\r\n\r\n$body";
  close $client;
}
PERL
inside systemd-run --quiet --unit=origin perl /root/origin.pl
by_address() {
  inside curl --silent --fail -H 'content-type: application/json' -d '{"url": "http://127.0.0.1:8099/clip.opus", "language": "en"}' \
    http://127.0.0.1:8080/transcribe | grep -oE '[0-9a-f]{8}-[0-9a-f-]{27}' | head -1
}
has_reason() { get "/transcribe/$1" | grep -q "\"reason\":\"$2\""; }
job=$(by_address)
until_so 60 "a loopback address is refused" has_reason "$job" address_refused
echo "STENO_OUTBOUND_ALLOW=127.0.0.1" >>"$root/etc/steno/steno.env"
inside systemctl restart steno-courier
job=$(by_address)
until_so 60 "a recording is fetched from an address that is allowed" is_completed "$job"

say "what the courier reaches"
inside systemctl stop steno-worker@1
job=$(upload clip.opus)
[ -s "$root/var/lib/steno/audio/$job" ] || fail "the upload is not where it is looked for"
# Nothing but the courier can be executed in its mount namespace, so look into it from outside.
courier=$(pid_of steno-courier)
seen="/proc/$courier/root/var/lib/steno"
inside test -e "/var/lib/steno/audio/$job" || fail "the api has no such file"
inside test -e "$seen/steno.db" || fail "the courier does not see the database"
for folder in audio spool cache weights; do
  [ "$(inside stat -c '%U %a' "$seen/$folder")" = "root 0" ] || fail "the courier can open $folder"
  [ -z "$(inside ls -A "$seen/$folder")" ] || fail "the courier sees what is in $folder"
done
[ "$(inside stat -c '%U %a' "$seen/incoming")" = "steno 700" ] || fail "the courier cannot store a download"
# Between user namespaces, /proc shows the files of no other process.
[ "$(inside readlink "/proc/$courier/ns/user")" != "$(inside readlink "/proc/$(pid_of steno-api)/ns/user")" ] ||
  fail "the courier can reach files through the api"
inside systemctl start steno-worker@1
until_so 60 "the upload is transcribed" is_completed "$job"
inside systemctl stop origin
sed -i /STENO_OUTBOUND_ALLOW=/d "$root/etc/steno/steno.env"
inside systemctl restart steno-courier

say "socket activation"
inside systemctl stop steno-api
inside systemctl start steno-api.socket
get /readyz >/dev/null || fail "the first call is not answered"
inside systemctl is-active --quiet steno-api || fail "the api was not started by the call"
inside systemctl restart --no-block steno-api
for _ in $(seq 50); do get /healthz >/dev/null || fail "a call was refused while the api restarted"; done
inside systemctl stop steno-api.socket steno-api
inside systemctl start steno-api

say "keys as a credential"
install -d -m 700 "$root/etc/credstore"
key=$(inside steno keys add alice --api-keys-file /etc/credstore/steno.api-keys 2>/dev/null)
inside systemctl restart steno-api
until_so 60 "the api is back" get /readyz
get /transcribe >/dev/null && fail "requests without a key are answered"
inside curl --silent --fail -H "Authorization: Bearer $key" http://127.0.0.1:8080/transcribe >/dev/null || fail "the key is refused"
rm "$root/etc/credstore/steno.api-keys"

say "the password of the database as a credential"
echo secret >"$root/etc/credstore/steno.database-password"
inside systemctl restart steno-api steno-worker@1 steno-courier || fail "a unit does not start with the password"
for unit in steno-api steno-worker@1 steno-courier; do
  inside grep -q secret "/run/credentials/$unit.service/steno.database-password" || fail "$unit gets no password"
done
rm "$root/etc/credstore/steno.database-password"

say "keys in a file that is read again"
authorized() { inside curl --silent --fail -H "Authorization: Bearer $1" http://127.0.0.1:8080/transcribe; }
add_key() {
  inside steno keys add "$1" --api-keys-file /etc/steno/api-keys 2>/dev/null
  inside sh -c 'chgrp steno /etc/steno/api-keys && chmod 640 /etc/steno/api-keys'
}
key=$(add_key bob)
echo STENO_API_KEYS_FILE=/etc/steno/api-keys >>"$root/etc/steno/steno.env"
inside systemctl restart steno-api
until_so 60 "the api is back" get /readyz
authorized "$key" >/dev/null || fail "the key is refused"
running=$(pid_of steno-api)
new=$(add_key carol)
inside steno keys remove bob --api-keys-file /etc/steno/api-keys 2>/dev/null
inside sh -c 'chgrp steno /etc/steno/api-keys && chmod 640 /etc/steno/api-keys'
inside systemctl reload steno-api || fail "it cannot be reloaded"
until_so 60 "a new key is taken after a reload" authorized "$new"
authorized "$key" >/dev/null && fail "a key that was removed is still taken"
[ "$(pid_of steno-api)" = "$running" ] || fail "the reload has started it again"
sed -i /STENO_API_KEYS_FILE=/d "$root/etc/steno/steno.env"
inside systemctl restart steno-api
until_so 60 "the api is back" get /readyz

say "upgrading"
job=$(upload clip.opus)
echo "STENO_LOG=debug" >>"$root/etc/steno/steno.env"
dpkg-deb -R "$deb" "$root/newer" && sed -i 's/^Version: .*/&+upgrade/' "$root/newer/DEBIAN/control"
dpkg-deb -b "$root/newer" "$root/root/newer.deb" >/dev/null
before=$(pid_of steno-api)
# As earlier releases left it.
inside systemctl stop steno-courier
inside rmdir /var/lib/steno/incoming /var/lib/steno/cache
inside systemctl start steno-courier --no-block
inside dpkg --force-confold -i /root/newer.deb >/dev/null
grep -q STENO_LOG=debug "$root/etc/steno/steno.env" || fail "the upgrade has changed the settings"
until_so 60 "the upgrade has started the api again" is_another steno-api "$before"
until_so 60 "a job from before the upgrade ends" is_completed "$job"
until_so 60 "the courier runs on the data folder of an earlier release" inside systemctl is-active --quiet steno-courier

say "removing and purging"
inside dpkg -r steno >/dev/null 2>&1
[ "$(inside systemctl list-units --no-legend 'steno*' | wc -l)" = 0 ] || fail "something still runs"
[ -e "$root/var/lib/steno/steno.db" ] || fail "removing must keep the queue"
inside dpkg -P steno >/dev/null 2>&1
for path in /var/lib/steno /etc/steno /usr/bin/steno; do [ ! -e "$root$path" ] || fail "$path is left"; done
[ -z "$(find "$root/etc/systemd" "$root/usr/lib/systemd" -name 'steno*')" ] || fail "a unit or a link to one is left"
say "installed, ran, upgraded, removed and purged"
