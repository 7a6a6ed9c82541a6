"""Counts the ARM instructions of converting one 640x480 frame: our conversion against that of the crate `yuv`, and against
making the detector's input from it in one pass, which is what is done with nearly every frame.

`sh scripts/cross.sh arm64`, which brings tools and compiler, then `python3 scripts/yuv_cost.py`: builds `benches/yuv` for ARM and writes the
table of docs/measurements.md. Instructions, not time: see `arm_cost.py`.
"""

import os
import pathlib
import re
import subprocess
import sys

from arm_cost import CPUS, ROOT, WORK, emulator, plugin
from readme import replace_block

TARGET = "aarch64-unknown-linux-gnu"
PROGRAM = ROOT / "target/cross" / TARGET / "release/agegate-yuv-cost"
FORMATS = {"yuyv": "YUYV, what most webcams send", "nv12": "NV12"}


def count(program: pathlib.Path, library: pathlib.Path, cpu: str, whose: str, kind: str, times: int) -> int:
    command = [program, "-cpu", cpu, "-L", "/", "-plugin", f"file={library}", PROGRAM, whose, kind, str(times)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    found = re.search(r"instructions (\d+) vector", result.stderr)
    if result.returncode or not found:
        sys.exit(f"the run under emulation failed: {result.stderr[-2000:]}")
    return int(found[1])


def main() -> None:
    subprocess.run(["sh", "scripts/cross.sh", "arm64", "--package", "agegate-yuv-cost"], cwd=ROOT, env=os.environ | {"CROSS_COMMAND": "build"}, check=True)
    WORK.mkdir(parents=True, exist_ok=True)
    program, library = emulator(), plugin()
    lines = ["| millions of A64 instructions for one 640x480 frame | " + " | ".join(f"{name}, ours | `yuv` | ours, halved" for name in CPUS.values()) + " |"]
    lines.append("|---" * (1 + 3 * len(CPUS)) + "|")
    for kind, words in FORMATS.items():
        cells = []
        for cpu in CPUS:
            for whose in ("ours", "crate", "halved"):
                few, many = (count(program, library, cpu, whose, kind, times) for times in (1, 3))
                cells.append(f"{(many - few) / 2e6:.2f}")
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    replace_block("yuv cost", "scripts/yuv_cost.py", "\n".join(lines))


if __name__ == "__main__":
    main()
