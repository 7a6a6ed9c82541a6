"""The same model files in tract (our code, by criterion) and in ONNX Runtime, one thread each, in one run.

Prints the median time of each and the ratio. `pip install onnx onnxruntime numpy` first (models/train/requirements.txt).
ONNX Runtime is timed before and after tract, so that a change of the machine's load shows. Figures: also the float files
beside the checkpoints, where they exist, against the quantized ones.
"""

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
MODELS = {"detector": ("face-detector", (1, 3, 240, 320)), "age": ("age-estimator", None), "liveness": ("liveness", None)}


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
    work = pathlib.Path(os.environ.get("AGEGATE_TRAIN_WORK", ROOT / "models" / "train" / "work"))
    before = {k: onnx_runtime_ms(ROOT / "models" / f"{stem}.onnx") for k, (stem, _) in MODELS.items()}
    environment = dict(os.environ)
    for key, (stem, _) in MODELS.items():
        if (work / f"{stem}-float.onnx").is_file():
            environment[f"AGEGATE_FLOAT_{key.upper()}"] = str(work / f"{stem}-float.onnx")
    command = ["cargo", "bench", "--locked", "--bench", "stages", "--", "--warm-up-time", "1", "--measurement-time", "4"]
    result = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if result.returncode:
        sys.exit("the benchmark failed; run it by hand: " + " ".join(command))
    after = {k: onnx_runtime_ms(ROOT / "models" / f"{stem}.onnx") for k, (stem, _) in MODELS.items()}
    lines = []
    print(f"{'model':<10} {'tract, ms':>10} {'ONNX Runtime, ms':>17} {'ratio':>6} {'float in tract, ms':>19} {'int8/float':>11}")
    for key in MODELS:
        tract, peer = criterion_ms(f"model {key}"), statistics.mean((before[key], after[key]))
        float_path = ROOT / "target" / "criterion" / f"model {key} float" / "new" / "estimates.json"
        plain = criterion_ms(f"model {key} float") if f"AGEGATE_FLOAT_{key.upper()}" in environment and float_path.is_file() else None
        tail = f"{plain:>19.2f} {tract / plain:>11.2f}" if plain else f"{'-':>19} {'-':>11}"
        print(f"{key:<10} {tract:>10.2f} {peer:>17.2f} {tract / peer:>6.2f} {tail}")
        ratio = f"{tract / plain:.2f}" if plain else "-"
        lines.append(f"| {key} model | {tract:.2f} ms | {peer:.2f} ms | {tract / peer:.2f} | {ratio} |")
    for stage in ("colour 640x480 YUYV to RGB", "detect 640x480", "align", "age", "liveness"):
        lines.append(f"| stage: {stage} | {criterion_ms(stage):.2f} ms | | | |")
        print(f"stage {stage}: {criterion_ms(stage):.2f} ms")
    head = ["| one thread, medians | tract, our code | ONNX Runtime | ratio | int8 over float, in tract |", "|---|---|---|---|---|"]
    replace_block("bench", "scripts/compare_runtimes.py", "\n".join(head + lines))


if __name__ == "__main__":
    main()
