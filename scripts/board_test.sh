#!/bin/sh
# Builds the arm64 binary and runs tests/board/board_test.py on it; options are passed on.
set -eu
cd "$(dirname "$0")/.."
sh scripts/board_packages.sh
sh scripts/cross.sh arm64
python=python3
# Debian's numpy and Pillow belong to Debian's Python.
$python -c "import numpy, PIL" 2>/dev/null || python=/usr/bin/python3
exec $python tests/board/board_test.py --binary target/cross/aarch64-unknown-linux-gnu/release/agegate "$@"
