#!/usr/bin/env bash
# Starts the whole service, transcribes one recording with it, and keeps serving until Ctrl-C. Called by `make run`.
# Usage: run.sh AUDIO. Settings: STENO_* in the environment.
set -euo pipefail
cd "$(dirname "$0")/.."
audio=$1
bin=target/release
export STENO_BIND=${STENO_BIND:-127.0.0.1:8080}
url="http://$STENO_BIND"
[ -r "$audio" ] || { echo "run: cannot read $audio; name a recording with AUDIO=file" >&2; exit 1; }

# Ready when /readyz says so; given up when the service ends or after two minutes.
ready() { python3 - "$url/readyz" <<'PYTHON'
import sys, urllib.request
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=2)
except OSError:
    sys.exit(1)
PYTHON
}
if ready; then
  echo "run: something serves at $url already; choose another port: make run BIND=127.0.0.1:9090" >&2
  exit 1
fi

# A process group of its own: Ctrl-C reaches this script alone, which then asks the service to stop, once.
set -m
"$bin/steno" up &
up=$!
set +m
stop() { trap '' INT TERM; kill -TERM "$up" 2>/dev/null || true; }
trap stop INT TERM

deadline=$((SECONDS + 120))
until ready; do
  if ! kill -0 "$up" 2>/dev/null; then
    status=0; wait "$up" || status=$?
    echo "run: the service did not start; its log above says why (another port: make run BIND=127.0.0.1:9090)" >&2
    exit "$((status == 0 ? 1 : status))"
  fi
  [ "$SECONDS" -lt "$deadline" ] || { stop; echo "run: the service is not ready after two minutes" >&2; exit 1; }
  sleep 0.2
done

if "$bin/steno" transcribe --url "$url" "$audio"; then
  cat <<TEXT

Steno is serving at $url. In another terminal:

  curl -F file=@$audio $url/transcribe

Ctrl-C stops it.
TEXT
else
  echo "run: the recording could not be transcribed (see above); the service keeps running at $url" >&2
fi

# The first wait ends when a signal comes, the second when the service has ended.
status=0
wait "$up" || status=$?
while kill -0 "$up" 2>/dev/null; do status=0; wait "$up" || status=$?; done
exit "$status"
