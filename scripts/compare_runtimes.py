"""The same model files in our code (by criterion) and in ONNX Runtime, one thread each, in one run.

Prints the median time of each and the ratio, and writes them into docs/measurements.md. `pip install onnx onnxruntime numpy` first
(models/train/requirements.txt). ONNX Runtime is timed before and after, so that a change of the machine's load shows. Ours runs in
integers where the processor can; the last column holds that against the same files in float, by tract.

`python3 scripts/compare_runtimes.py [--json FILE]`: the file has the ratios to ONNX Runtime by model.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np
import onnxruntime

from readme import replace_block

ROOT = pathlib.Path(__file__).resolve().parent.parent
# File, and how often the gate asks it of one face: of living faces the mirror image, too. The other runtime has to do as much.
MODELS = {"detector": ("face-detector", 1), "age": ("age-estimator", 1), "liveness": ("liveness", 2)}


def onnx_runtime_ms(path: pathlib.Path, repeats: int = 200) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    tensor = session.get_inputs()[0]
    x = np.random.default_rng(1).normal(size=tensor.shape).astype(np.float32)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        session.run(None, {tensor.name: x})
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def criterion_ms(name: str) -> float:
    path = ROOT / "target" / "criterion" / name / "new" / "estimates.json"
    return json.loads(path.read_text())["median"]["point_estimate"] / 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    before = {k: looks * onnx_runtime_ms(ROOT / "models" / f"{stem}.onnx") for k, (stem, looks) in MODELS.items()}
    command = ["cargo", "bench", "--locked", "--bench", "stages", "--", "--warm-up-time", "1", "--measurement-time", "4"]
    result = subprocess.run(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if result.returncode:
        sys.exit("the benchmark failed; run it by hand: " + " ".join(command))
    after = {k: looks * onnx_runtime_ms(ROOT / "models" / f"{stem}.onnx") for k, (stem, looks) in MODELS.items()}
    lines, ratios = [], {}
    print(f"{'model':<10} {'ours, ms':>10} {'ONNX Runtime, ms':>17} {'ratio':>6} {'float in tract, ms':>19} {'ours/float':>11}")
    for key in MODELS:
        ours, peer, plain = criterion_ms(f"model {key}"), statistics.mean((before[key], after[key])), criterion_ms(f"model {key} float")
        ratios[key] = round(ours / peer, 3)
        print(f"{key:<10} {ours:>10.2f} {peer:>17.2f} {ours / peer:>6.2f} {plain:>19.2f} {ours / plain:>11.2f}")
        lines.append(f"| {key} model | {ours:.2f} ms | {peer:.2f} ms | {ours / peer:.2f} | {ours / plain:.2f} |")
    if args.json:
        args.json.write_text(json.dumps(ratios, indent=1) + "\n")
    for stage in ("colour 640x480 YUYV to RGB", "half of 640x480 YUYV", "detect 640x480", "detect around a face", "align", "age", "liveness"):
        lines.append(f"| stage: {stage} | {criterion_ms(stage):.2f} ms | | | |")
        print(f"stage {stage}: {criterion_ms(stage):.2f} ms")
    head = ["| one thread, medians | ours | ONNX Runtime | ratio | ours over float in tract |", "|---|---|---|---|---|"]
    replace_block("bench", "scripts/compare_runtimes.py", "\n".join(head + lines))


if __name__ == "__main__":
    main()
