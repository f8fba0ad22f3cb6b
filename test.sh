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
# A generator of clients reads the OpenAPI document.
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
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
echo "== the OpenAPI document, as a generator of clients reads it"
[[ -x target/openapi/bin/openapi-python-client ]] || python3 -m venv target/openapi
target/openapi/bin/pip install --quiet --disable-pip-version-check openapi-python-client==0.29.1
PATH="$PWD/target/openapi/bin:$PATH" openapi-python-client generate --fail-on-warning --overwrite \
    --meta none --path crates/server/assets/openapi.json --output-path target/openapi/kunji_client
(cd target/openapi && bin/python - <<'PYTHON'
import importlib, pkgutil, kunji_client
for module in pkgutil.walk_packages(kunji_client.__path__, "kunji_client."):
    importlib.import_module(module.name)
PYTHON
)
echo "== documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
echo "== release build: marks, faults, and a short run of each bench"
cargo test --locked --release -p kunji-server --test it -- marks::
cargo bench --locked -p kunji-server --bench faults -- --smoke
cargo bench --locked -p kunji-server --bench load -- --smoke
