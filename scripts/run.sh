#!/usr/bin/env bash
# Starts the service, transcribes one recording with it, and keeps serving until Ctrl-C. Called by `make run`.
# The service logs to a file, so that only the text is on the screen.
# Usage: run.sh AUDIO [FOLDER_OF_THE_PROGRAMS [LOG]]. Settings: STENO_* in the environment.
set -euo pipefail
cd "$(dirname "$0")/.."
audio=$1
bin=${2:-target/release}
log=${3:-target/run.log}
export STENO_BIND=${STENO_BIND:-127.0.0.1:8080}
url="http://$STENO_BIND"

say() { echo "run: $*" >&2; }
fail() { say "$*"; exit 1; }
[ -r "$audio" ] || fail "cannot read $audio; name a recording with AUDIO=file"

# Ready when /readyz says so.
ready() { python3 - "$url/readyz" <<'PYTHON'
import sys, urllib.request
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=2)
except OSError:
    sys.exit(1)
PYTHON
}
if ready; then
  fail "a program serves at $url already; choose another port: make run BIND=127.0.0.1:9090"
fi

# Transcripts are not in it, but the names of API keys are.
umask 077
mkdir -p "$(dirname "$log")"
echo "Starting the service; its log goes to $log."

# A process group of its own: Ctrl-C reaches only this script, which then asks the service to stop, once.
set -m
"$bin/steno" up >"$log" 2>&1 &
up=$!
set +m
stopped=
stop() {
  stopped=yes
  trap '' INT TERM
  kill -TERM "$up" 2>/dev/null || true
}
trap stop INT TERM

# The last lines of the log, for an error.
show_log() { tail -n 5 "$log" >&2; }

deadline=$((SECONDS + 120))
until ready; do
  if ! kill -0 "$up" 2>/dev/null; then
    status=0; wait "$up" || status=$?
    show_log
    say "the service did not start (another port: make run BIND=127.0.0.1:9090)"
    exit "$((status == 0 ? 1 : status))"
  fi
  [ "$SECONDS" -lt "$deadline" ] || { stop; show_log; fail "the service is not ready after two minutes"; }
  sleep 0.2
done

echo "Transcribing $audio:"
echo
said=0
"$bin/steno" transcribe --url "$url" "$audio" 2>"$log.client" || said=$?
if [ "$said" -eq 0 ]; then
  cat <<TEXT

Steno is serving at $url. Ctrl-C stops it. To try in another terminal:

  $bin/steno transcribe --url $url -f srt $audio  # subtitles
  curl -F file=@$audio $url/transcribe  # submit a job and get its id
  curl $url/transcribe  # list the jobs

$url/docs describes the api in a browser.
TEXT
else
  cat "$log.client" >&2
  say "the recording could not be transcribed; the service keeps running at $url (log: $log)"
fi
rm -f "$log.client"

# A signal ends the first wait. The second one returns how the service ended.
status=0
wait "$up" || status=$?
if [ -n "$stopped" ]; then
  status=0
  wait "$up" || status=$?
fi
exit "$status"
