#!/bin/sh
# The link with real parts: mosquitto (TLS, passwords, killed in mid-stream), promtool, Home Assistant's own source, the gate's
# program, headless Chromium. Exit code 0 only if all hold.
set -eu
cd "$(dirname "$0")/.."
: "${CARGO:=cargo}" "${PYTHON:=python3}"
# The version whose source the discovery message is checked against.
HOME_ASSISTANT=2026.11.0

sh scripts/link_packages.sh

# Its tests, one after another: each has a broker of its own, and times that a busy machine does not keep otherwise.
mkdir -p target/link-test
export AGEGATE_DISCOVERY_OUT="$PWD/target/link-test/discovery.json" AGEGATE_FLEET_PAGE="$PWD/target/link-test/fleet.html"
rm -f "$AGEGATE_DISCOVERY_OUT" "$AGEGATE_FLEET_PAGE"
$CARGO build --release --locked
$CARGO test --release --locked --package agegate-link -- --test-threads=1

# Read only: Home Assistant itself needs a newer Python than Debian's.
wheel="target/link-test/homeassistant-$HOME_ASSISTANT-py3-none-any.whl"
test -e "$wheel" || $PYTHON -m pip download -q --no-deps --ignore-requires-python --python-version 3.14 --only-binary=:all: \
	-d target/link-test "homeassistant==$HOME_ASSISTANT"
$PYTHON link/tests/discovery_schema.py "$AGEGATE_DISCOVERY_OUT" "$wheel"

$PYTHON -m venv target/browser-venv
target/browser-venv/bin/pip install -q -r tests/browser/requirements.txt
target/browser-venv/bin/python link/tests/page.py "$AGEGATE_FLEET_PAGE"

sh scripts/exposure.sh
echo "link test: all holds"
