"""The shipped files in ONNX Runtime, and what the gate reads off an age distribution."""

import numpy as np
import onnx
import onnxruntime

from common import ROOT


def session(name: str) -> tuple[onnxruntime.InferenceSession, dict[str, str]]:
    """A file of `models/`, on one thread, and its metadata."""
    path = ROOT / "models" / name
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options), {p.key: p.value for p in onnx.load(path).metadata_props}


def run(model: onnxruntime.InferenceSession, metadata: dict[str, str], picture: np.ndarray) -> list[np.ndarray]:
    """All outputs for an RGB picture of the input's size, or crops of it stacked along the channels."""
    x = (picture.astype(np.float32) - float(metadata["mean"])) / float(metadata["std"])
    return model.run(None, {"image": np.ascontiguousarray(x.transpose(2, 0, 1)[None], np.float32)})


def median(distribution: np.ndarray) -> float:
    """The estimated age: each class is spread over the year around it, as `AgeEstimate::years` has it."""
    return float(np.interp(0.5, np.concatenate([[0.0], np.cumsum(distribution)]), np.arange(-0.5, len(distribution))))
