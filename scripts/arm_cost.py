"""Counts the ARM instructions of one frame on several processors, in integers as shipped and in tract's float.

Instructions, not time: under emulation time says nothing about a board. Debian 12's user-mode emulator counts them
through a small plugin (`scripts/arm/count.c`); the numbers repeat. A frame's share is the difference between a run with
some frames and one with more. A frame comes as a camera sends it, in YU12. `-cpu` decides which instructions the program finds: a Cortex-A76 (Raspberry Pi 5) has the
dot product, an A53 and an A72 (Pi 3, Pi 4) have not.

`sh scripts/cross.sh arm64`, then `python3 scripts/arm_cost.py [--cpu NAME] [--json FILE]` (needs onnx, numpy and
Pillow: models/train/requirements.txt). Without `--cpu` all are counted, and the tables of docs/measurements.md written, that of
`energy.py` too; the file has the last processor's counts in millions.
"""

import argparse
import functools
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx

import demo_clip
import energy
from camera_frames import clip
from readme import replace_block

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target/arm-cost"
BINARY = ROOT / "target/cross/aarch64-unknown-linux-gnu/release/agegate"


@functools.cache
def emulator() -> pathlib.Path:
    """Debian 12's own qemu-user: newer packages of the backports are built without plugins. Unpacked, not installed."""
    program = WORK / "qemu/usr/bin/qemu-aarch64"
    if not program.is_file():
        versions = subprocess.run(["apt-cache", "madison", "qemu-user"], capture_output=True, text=True, check=True).stdout
        version = next(line.split("|")[1].strip() for line in versions.splitlines() if "1:7.2" in line)
        WORK.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", f"qemu-user={version}"], cwd=WORK, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["dpkg", "-x", next(WORK.glob("qemu-user_*.deb")), WORK / "qemu"], check=True)
    return program


@functools.cache
def plugin() -> pathlib.Path:
    library = WORK / "count.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, ROOT / "scripts/arm/count.c"], check=True)
    return library


def multiply_adds(stem: str) -> int:
    """Multiplications of a model for one picture, from the shapes of its convolutions."""
    model = onnx.shape_inference.infer_shapes(onnx.load(ROOT / f"models/{stem}.onnx"))
    graph = model.graph
    sizes = {t.name: list(t.dims) for t in graph.initializer}
    weights = {n.output[0]: sizes[n.input[0]] for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in sizes}
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in [*graph.value_info, *graph.output]}
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            kernel = weights.get(node.input[1]) or sizes[node.input[1]]
            total += int(np.prod(shapes[node.output[0]])) * int(np.prod(kernel[1:]))
    return total


def run(cpu: str, command: list) -> tuple[int, str]:
    """Instructions of an arm64 program and its arguments under emulation of a processor, and what it printed."""
    result = subprocess.run([emulator(), "-cpu", cpu, "-L", "/", "-plugin", f"file={plugin()}", *command], capture_output=True, text=True, timeout=600)
    found = re.search(r"instructions (\d+) vector", result.stderr)
    if result.returncode or not found:
        sys.exit(f"{' '.join(map(str, command))} failed under emulation: {result.stdout[-2000:]}{result.stderr[-2000:]}")
    return int(found[1]), result.stdout


# What is counted: name in the file, words, whether less is searched where nothing changes, whether a living face is asked for, which
# picture, and how many frames are shown first and then. Of three frames of a followed face one is searched as a whole.
ROWS = [
    ("empty_skipped", "nobody there, nothing changes", True, False, "nobody", (2, 4)),
    ("empty_judged", "nobody there, searched: detector", False, False, "nobody", (2, 4)),
    ("face", "a face: detector, alignment, quality, age", False, False, "adult", (2, 4)),
    ("face_followed", "the same, followed: mostly only its surroundings searched", True, False, "adult", (4, 10)),
    ("face_and_liveness", "a face, with the liveness model", False, True, "adult", (2, 4)),
]
CPUS = {"cortex-a53": "Cortex-A53 (Pi 3)", "cortex-a72": "Cortex-A72 (Pi 4)", "cortex-a76": "Cortex-A76 (Pi 5)"}


def counted(cpu: str, runtime: str) -> dict[str, float]:
    result = {}
    for name, _, skip, living, shown, (first, then) in ROWS:
        config = WORK / f"{name}-{runtime}.toml"
        config.write_text(
            f'[visit]\ngood_frames = 40\nmost_frames = 50\ndecide_seconds = 100.0\n[relay]\ndriver = "simulated"\n[models]\nruntime = "{runtime}"\n'
            f'[camera]\nskip_unchanged = {str(skip).lower()}\n[liveness]\nmode = "{"passive" if living else "off"}"\n'
        )
        few, many = (run(cpu, [BINARY, "replay", "--config", config, "--repeat", str(n), WORK / f"{shown}.y4m"])[0] for n in (first, then))
        result[name] = round((many - few) / (then - first) / 1e6, 2)
        if name == "face":
            result["start"] = round((few - first * (many - few) / (then - first)) / 1e6, 1)
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cpu", choices=list(CPUS))
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    if not BINARY.is_file():
        sys.exit(f"{BINARY} is missing: sh scripts/cross.sh arm64")
    WORK.mkdir(parents=True, exist_ok=True)
    frames = demo_clip.frames()
    (WORK / "adult.y4m").write_bytes(clip([frames[demo_clip.visit_of("adult").middle]]))
    (WORK / "nobody.y4m").write_bytes(clip([frames[0]]))
    products = (multiply_adds("face-detector") + multiply_adds("age-estimator")) / 1e6
    table = {}
    for cpu in [args.cpu] if args.cpu else CPUS:
        for runtime in ("auto", "float"):
            table[cpu, runtime] = counted(cpu, runtime)
            print(f"{cpu}, {runtime}: {json.dumps(table[cpu, runtime])}", flush=True)
        found = table[cpu, "auto"]
        report = {"cpu": cpu, **found, "multiply_adds": round(products, 1), "face_per_multiply_add": round(found["face"] / products, 3), "float": table[cpu, "float"]}
        print(json.dumps(report))
        if args.json:
            args.json.write_text(json.dumps(report, indent=1) + "\n")
    if args.cpu:
        return
    head = " | ".join(f"{name} | in float" for name in CPUS.values())
    lines = [f"| millions of A64 instructions for one 640x480 frame | {head} |", "|---" * (1 + 2 * len(CPUS)) + "|"]
    for name, words, *_ in ROWS:
        lines.append(f"| {words} | " + " | ".join(f"{table[c, r][name]:.1f}" for c in CPUS for r in ("auto", "float")) + " |")
    lines.append("| start of the program | " + " | ".join(f"{table[c, r]['start']:.0f}" for c in CPUS for r in ("auto", "float")) + " |")
    each = " | ".join(f"{table[c, r]['face'] / products:.2f}" for c in CPUS for r in ("auto", "float"))
    lines.append(f"| a face: instructions for each of the {products:.0f} million multiplications of both nets | {each} |")
    replace_block("arm cost", "scripts/arm_cost.py", "\n".join(lines))
    energy.write({cpu: table[cpu, "auto"] for cpu in CPUS})


if __name__ == "__main__":
    main()
