#!/usr/bin/env bash
# Everything CI runs, cheapest checks first. Called by `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
step() { echo; echo "== $*"; }

step scripts
for script in scripts/*.sh tests/fixtures/*.sh deploy/debian/* .ci/run; do bash -n "$script"; done
step formatting
cargo fmt --all --check
cargo fmt --manifest-path fuzz/Cargo.toml --check
step lints
cargo clippy --workspace --all-targets --locked -- -D warnings
step build
cargo build --workspace --locked
step "programs without PostgreSQL"
cargo check --locked --no-default-features --bins -p steno-api -p steno-worker -p steno-courier -p steno-cli
cargo test --locked --quiet --no-default-features -p steno-store --lib postgres::address
step weights
target/debug/steno weights pull base
target/debug/steno weights pull tiny.en
target/debug/steno weights pull speakers
step "clients to test with"
scripts/ensure-clients.sh
step "servers to test with"
scripts/ensure-servers.sh
step tests
SKIPPED_TESTS_LOG=$(mktemp)
export SKIPPED_TESTS_LOG
cargo test --workspace --locked --no-fail-fast
step "tests on PostgreSQL and S3"
# Only the tests that exercise the queue. `make test-shared` runs all of them.
on_shared_queue=(
  by_url:: deletion:: lifecycle:: operators:: submissions:: webhooks:: kills::kills_of_both poison:: privacy::
)
run_on_shared_queue() {
  TEST_QUEUE=shared cargo test --workspace --locked --no-fail-fast --test e2e --test faults -- "$@"
}
listed=$(run_on_shared_queue --list)
for name in "${on_shared_queue[@]}"; do
  grep -q "^$name" <<<"$listed" || { echo "no test is named $name" >&2; exit 1; }
done
run_on_shared_queue "${on_shared_queue[@]}" --skip with_the_real_engine
step words
if [ -d ../shared/audio ]; then
  # Fails if errors, missed speech or hallucinated words over the open recordings exceed tests/words/bounds.tsv.
  tests/words/run.sh --steno-only --check
else
  echo "skipped: there are no recordings beside the checkout; the tests above hold bounds on the bundled ones"
fi
step speakers
if [ -d ../shared/speakers ]; then
  cargo run --quiet --locked -p steno-speakers --example speakers-bench -- \
    --check crates/speakers/examples/speakers-bench/bounds.tsv ../shared/speakers
else
  echo "skipped: there are no conversations beside the checkout; the tests above check one of the fixtures"
fi
step dashboard
python3 -m json.tool deploy/grafana.json >/dev/null
step documentation
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
step licences
# A debug build takes only a minute.
cargo deny --version >/dev/null 2>&1 ||
  cargo install --quiet --debug --locked --version 0.20.2 --root target/tools cargo-deny || true
if cargo deny --version >/dev/null 2>&1; then
  cargo fetch --locked --quiet
  cargo deny --offline check bans licenses sources
else
  echo "skipped: cargo-deny is not installed and cannot be"
fi
step deploy
scripts/check-deploy.sh
step units
if command -v systemd-analyze >/dev/null; then
  # The programs are not installed here: that one complaint is expected.
  complaints=$(systemd-analyze verify deploy/*.service deploy/*.socket deploy/*.target 2>&1 |
    grep -E "^/?.*deploy/|steno" | grep -v "is not executable" || true)
  [ -z "$complaints" ] || { echo "$complaints" >&2; exit 1; }
else
  echo "skipped: there is no systemd-analyze"
fi
if [ -s "$SKIPPED_TESTS_LOG" ]; then
  step "left out here"
  sort -u "$SKIPPED_TESTS_LOG"
fi
rm -f "$SKIPPED_TESTS_LOG"
echo; echo "all passed"
