"""What size pays: age nets of several sizes and chip sides by their error, and by the instructions that a face costs on a Cortex-A76.

`python sizes.py CHECKPOINT...` measures checkpoints under `work/` on the validation chips (in torch) and counts the A64 instructions of the
exported net for one aligned chip, decoding and resizing included, with the programs of `scripts/arm_cost.py` (`sh scripts/cross.sh arm64`
first). Writes `models/sizes.json` for the model card. Checkpoints of one run of `train_age_gpu.py --sizes` saw the same batches.
"""

import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch

import activations
import age_net
from common import ROOT, WORK, load_chips, near_duplicate_groups, split
from export import age_model, steps
from train_age import evaluation_chips, figures, normalise, predict

sys.path.insert(0, str(ROOT / "scripts"))
import arm_cost  # noqa: E402

RESULT = ROOT / "models" / "sizes.json"
CPU = "cortex-a76"
# Chips shown first and then: the difference is what a chip costs.
FEW, MANY = 2, 8


def instructions(model: Path) -> float:
    """Millions of A64 instructions for one chip."""
    chip = cv2.resize(cv2.imread(str(ROOT / "tests" / "golden" / "chip.png")), (128, 128))
    counts = []
    for count in (FEW, MANY):
        with tempfile.TemporaryDirectory() as folder:
            for i in range(count):
                cv2.imwrite(f"{folder}/30_0_0_{i}.jpg", chip)
            counts.append(arm_cost.run(CPU, [arm_cost.BINARY, "evaluate", "--aligned-dataset", folder, "--age-model", model])[0])
    return (counts[1] - counts[0]) / (MANY - FEW) / 1e6


def measure(name: str, pixels: np.ndarray, labels: np.ndarray, train: np.ndarray, held: np.ndarray) -> dict:
    net, side = age_net.load(WORK / f"{name}.pt")
    found = figures(*predict(net, np.asarray(pixels[held]), side), labels[held])
    covers = {"weight": torch.zeros(2, *net.pool.weight.shape[:1], *net.pool.weight.shape[2:]), "bias": torch.zeros(2)}
    learned = normalise(evaluation_chips(np.asarray(pixels[np.sort(train[:128])]), side)).contiguous()
    metadata = {"name": "agegate-age-estimator", "version": "0", "training_data": "trial", "seed": 0, "layout": "NCHW", "colour": "RGB", "licence": "trial", "input_width": side, "input_height": side,
                "mean": age_net.MEAN, "std": age_net.STD, "activation_scales": steps(net, activations.rectified(net.trunk), learned), "classes": "trial"}
    target = WORK / "trial.onnx"
    onnx.save(age_model(net, covers, True, side, metadata), target)
    return {"side": side, "parameters": sum(p.numel() for p in net.parameters()), "multiply_adds": round(age_net.multiplications(net, side) / 1e6, 1), "bytes": target.stat().st_size,
            "instructions": round(instructions(target), 1), "mae": round(found["mae"], 3), "groups": round(found["group"], 4), "gender": round(found["gender"], 4), "chips": len(held)}


def ratio(key: str, one: str, other: str) -> float:
    """How many times as much one trial has of something as another."""
    found = json.loads(RESULT.read_text())
    return found[one][key] / found[other][key]


def more(key: str, one: str, other: str) -> float:
    """How much more."""
    found = json.loads(RESULT.read_text())
    return found[one][key] - found[other][key]


def table() -> str:
    """The rows of the model card."""
    found = json.loads(RESULT.read_text())
    rows = [f"| {name} | {v['parameters'] / 1e6:.1f} | {v['side']} | {v['multiply_adds']:.0f} | {v['instructions']:.1f} | {v['mae']:.2f} | {100 * v['groups']:.1f} % | {100 * v['gender']:.1f} % |" for name, v in found.items()]
    head = f"| trial, on {next(iter(found.values()))['chips']} validation chips | parameters, millions | side, pixels | multiply-adds, millions | A64 instructions, millions | MAE, years | groups | gender |"
    return "\n".join([head, "|---" * 8 + "|", *rows])


def main() -> None:
    names = sys.argv[1:] or sys.exit(__doc__)
    torch.set_num_threads(1)
    _, labels, pixels = load_chips()
    train, held = split(labels, near_duplicate_groups(pixels))
    found = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    for name in names:
        found[Path(name).name] = measure(name, pixels, labels, train, held)
        RESULT.write_text(json.dumps(found, indent=1) + "\n")
        print(name, json.dumps(found[Path(name).name]), flush=True)


if __name__ == "__main__":
    main()
