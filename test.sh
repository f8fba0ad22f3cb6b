#!/usr/bin/env bash
# Sets up what a fresh Debian machine lacks, then checks and tests everything.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
for tool in gcc make curl; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
    missing+=(libc6-dev)
fi
# The tests of the page on which customers enter digits run in a real browser.
[[ -x /usr/bin/chromium ]] || missing+=(chromium)
[[ -x /usr/bin/chromedriver ]] || missing+=(chromium-driver)
# Those of the store for several processes run a server of their own.
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
# They also go through a pooler, and over TLS with certificates of their own.
[[ -x /usr/sbin/pgbouncer ]] || missing+=(pgbouncer)
command -v openssl >/dev/null || missing+=(openssl)
if ((${#missing[@]})); then
    apt-get update
    apt-get install -y --no-install-recommends "${missing[@]}"
fi

echo "== format"
cargo fmt --all --check
echo "== lints"
cargo clippy --locked --workspace --all-targets -- -D warnings
echo "== tests"
cargo test --locked --workspace
echo "== documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
echo "== release build: marks, faults, and a short run of each bench"
cargo test --locked --release -p kunji-server --test it -- marks::
cargo bench --locked -p kunji-server --bench faults -- --smoke
cargo bench --locked -p kunji-server --bench load -- --smoke
