"""Counts the ARM instructions of one frame (detect, age, liveness), for the quantized and for the float models.

Instructions, not time: under emulation time says nothing about a board. Debian 12's user-mode emulator counts them
through a small plugin (`scripts/arm/count.c`); the numbers repeat. A frame's share is the difference between a run with
some frames and one with more. The float models are the shipped ones with their weights written out as floats.

`sh scripts/cross.sh arm64`, then `python3 scripts/arm_cost.py` (needs onnx and numpy: models/train/requirements.txt).
"""

import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
from onnx import numpy_helper

import demo_clip
from readme import replace_block

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target/arm-cost"
BINARY = ROOT / "target/cross/aarch64-unknown-linux-gnu/release/agegate"
FEW, MANY = 2, 4


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


def plugin() -> pathlib.Path:
    library = WORK / "count.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, ROOT / "scripts/arm/count.c"], check=True)
    return library


def with_float_weights(stem: str) -> pathlib.Path:
    """The shipped model with every DequantizeLinear of a stored weight replaced by the float weight it stands for."""
    model = onnx.load(ROOT / f"models/{stem}.onnx")
    graph = model.graph
    stored = {t.name: t for t in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in stored:
            kept.append(node)
            continue
        weight = numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
        scale = numpy_helper.to_array(stored[node.input[1]]).astype(np.float32)
        zero = numpy_helper.to_array(stored[node.input[2]]).astype(np.float32) if len(node.input) > 2 and node.input[2] else np.float32(0)
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        shape = [-1 if k == axis else 1 for k in range(weight.ndim)]
        if scale.ndim:
            scale = scale.reshape(shape)
            zero = zero.reshape(shape) if zero.ndim else zero
        graph.initializer.append(numpy_helper.from_array((weight - zero) * scale, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    path = WORK / f"{stem}-float.onnx"
    onnx.save(model, path)
    return path


def count(program: pathlib.Path, library: pathlib.Path, config: pathlib.Path, picture: pathlib.Path, frames: int) -> tuple[int, int]:
    command = [program, "-L", "/", "-plugin", f"file={library}", BINARY, "replay", "--config", config, "--repeat", str(frames), picture]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    found = re.search(r"instructions (\d+) vector (\d+)", result.stderr)
    if result.returncode or not found:
        sys.exit(f"the run under emulation failed: {result.stderr[-2000:]}")
    return int(found[1]), int(found[2])


def main() -> None:
    if not BINARY.is_file():
        sys.exit(f"{BINARY} is missing: sh scripts/cross.sh arm64")
    WORK.mkdir(parents=True, exist_ok=True)
    program, library = emulator(), plugin()
    frames = demo_clip.frames()
    picture = WORK / "adult.jpg"
    picture.write_bytes(frames[demo_clip.visit_of("adult").middle])
    nobody = WORK / "nobody.jpg"
    nobody.write_bytes(frames[0])
    visit = "[visit]\ngood_frames = 40\nmost_frames = 50\ndecide_seconds = 100.0\n[relay]\ndriver = \"simulated\"\n"
    quantized, plain = WORK / "quantized.toml", WORK / "float.toml"
    off = '[liveness]\nmode = "off"\n'
    quantized.write_text(visit + off)
    plain.write_text(f'{visit}{off}[models]\ndetector = "{with_float_weights("face-detector")}"\nage = "{with_float_weights("age-estimator")}"\n')
    # The policy is bound to the embedded model; the float file has another hash.
    head, *tables = re.split(r"^\[", (ROOT / "models/policy.toml").read_text(), flags=re.M)
    keys = lambda text, names: "".join(l + "\n" for l in text.splitlines() if re.match(rf"({names}) =", l))
    policy = "[policy]\n" + keys(head, "threshold_age|challenge_age|confidence|temperature")
    plain.write_text(plain.read_text() + policy)
    configs = [("quantized", quantized), ("float", plain)]
    # What the third model adds: the same, asking for a living face.
    liveness = next((t for t in tables if t.startswith("liveness]")), None)
    if liveness:
        asked = "[policy.liveness]\n" + keys(liveness, "confidence|temperature|offset")
        on = lambda text: text.replace(off, off.replace("off", "passive"))
        with_liveness, with_float = WORK / "quantized-liveness.toml", WORK / "float-liveness.toml"
        with_liveness.write_text(on(quantized.read_text()) + policy + asked)
        models = plain.read_text().replace("[models]\n", f'[models]\nliveness = "{with_float_weights("liveness")}"\n')
        with_float.write_text(on(models) + asked)
        configs += [("quantized with liveness", with_liveness), ("float with liveness", with_float)]
    rows = {}
    for name, config in configs:
        for what, shown in (("face", picture), ("empty", nobody)):
            few, many = (count(program, library, config, shown, n) for n in (FEW, MANY))
            rows[name, what] = tuple((m - f) / (MANY - FEW) / 1e6 for f, m in zip(few, many))
            print(f"{name}, {what} frame: {rows[name, what][0]:.1f} million instructions, {rows[name, what][1]:.1f} million of the vector unit", flush=True)
    lines = ["| millions of ARM (A64) instructions for one 640x480 frame | quantized, as shipped | float | ratio |", "|---|---|---|---|"]
    kinds = [("empty", "", "detector alone (nobody there)"), ("face", "", "detector, alignment, quality and age model")]
    if liveness:
        kinds.append(("face", " with liveness", "the same with the liveness model, while a visit lasts"))
    for what, extra, label in kinds:
        q, f = rows["quantized" + extra, what], rows["float" + extra, what]
        lines.append(f"| {label} | {q[0]:.1f} | {f[0]:.1f} | {q[0] / f[0]:.3f} |")
        lines.append(f"| of them on the vector unit | {q[1]:.1f} | {f[1]:.1f} | {q[1] / f[1]:.3f} |")
    replace_block("arm cost", "scripts/arm_cost.py", "\n".join(lines))


if __name__ == "__main__":
    main()
