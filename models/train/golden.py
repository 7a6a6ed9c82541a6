"""Writes what ONNX Runtime says of two shipped pictures: `tests/golden/`. The Rust tests hold tract to it, on every target.

The pictures are a mean face and a frame with it, at exactly the input sizes of the models, so that nothing is resized
on the way. They depict nobody.
"""

import json

import cv2
import numpy as np
import onnxruntime
import torch

from common import ROOT
from detector_net import decode
from liveness_net import crop
from onnx_files import median, run, session

FOLDER = ROOT / "tests" / "golden"


def read(name: str) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(FOLDER / name)), cv2.COLOR_BGR2RGB)


def main() -> None:
    age, age_metadata = session("age-estimator.onnx")
    detector, detector_metadata = session("face-detector.onnx")
    distribution, female, covered = run(age, age_metadata, read("chip.png"))
    maps = [torch.from_numpy(m[0]) for m in run(detector, detector_metadata, read("frame.png"))]
    faces = decode(maps, float(detector_metadata["score"]), tuple(float(v) for v in detector_metadata["small_faces"].split(",")))
    liveness, liveness_metadata = session("liveness.onnx")
    scales = [float(scale) for scale in liveness_metadata["scales"].split()]
    frame = read("frame.png")
    stacked = np.concatenate([crop(frame, faces[0][1], scale, int(liveness_metadata["input_width"])) for scale in scales], 2)
    # The gate looks at a face and at its mirror image.
    living = [run(liveness, liveness_metadata, np.ascontiguousarray(look))[0][0, 0] for look in (stacked, stacked[:, ::-1])]
    golden = {
        "made_with": f"onnxruntime {onnxruntime.__version__}",
        "age_years": median(distribution[0]),
        "age_distribution": [round(float(p), 7) for p in distribution[0]],
        "female": float(female[0, 0]),
        "liveness": float(np.mean(living)),
        "covered": [float(p) for p in covered[0]],
        "faces": [{"score": s, "box": box, "landmarks": points} for s, box, points in faces],
    }
    (FOLDER / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")
    print(f"{golden['age_years']:.2f} years, {len(faces)} faces")


if __name__ == "__main__":
    main()
