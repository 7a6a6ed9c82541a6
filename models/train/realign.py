"""Sends every training chip through the shipped detector and aligner, as the gate would see it: the age net then trains on
chips as they are deployed, not only as they lie in the data set.

Each chip is set into a photo without a face, found by `models/face-detector.onnx` in ONNX Runtime, and cut out again by the
similarity transform of its landmarks (the arithmetic of `src/vision/align.rs`). A chip that is not found stays as it is.
"""

import sys

import cv2
import numpy as np
import onnx
import onnxruntime
import torch

import scenes
from common import CACHE_SIDE, ROOT, SEED, TEMPLATE, WORK, load_chips, near_duplicate_groups, split
from detector_net import HEIGHT, WIDTH, decode

PATH = WORK / "chips-realigned.npy"


def similarity(points: np.ndarray) -> np.ndarray:
    """The 2x3 map from unit chip coordinates to the picture with the least squared error (Umeyama 1991)."""
    p, q = TEMPLATE - TEMPLATE.mean(0), points - points.mean(0)
    spread = (p**2).sum()
    a, b = (p * q).sum() / spread, (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum() / spread
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, points.mean(0) - linear @ TEMPLATE.mean(0)])


def main() -> None:
    _, labels, pixels = load_chips()
    train, _ = split(labels, near_duplicate_groups(pixels))
    if PATH.is_file() and len(np.load(PATH, mmap_mode="r")) == len(train):
        return
    model_path = ROOT / "models" / "face-detector.onnx"
    metadata = {p.key: p.value for p in onnx.load(model_path).metadata_props}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model_path), options)
    rooms = [cv2.resize(scenes.read(p), (2 * WIDTH, 2 * HEIGHT)) for p in sorted((scenes.unpacked() / "scenes" / "no-face").iterdir())[1::20]]
    rng = np.random.default_rng(SEED + 9)
    out = np.lib.format.open_memmap(PATH.with_suffix(".part.npy"), "w+", np.uint8, (len(train), CACHE_SIDE, CACHE_SIDE, 3))
    missed = 0
    for k, i in enumerate(train):
        chip = np.asarray(pixels[i])
        out[k] = chip
        canvas = rooms[rng.integers(len(rooms))].copy()
        side = int(np.exp(rng.uniform(np.log(110), np.log(330))))
        x, y = int(rng.integers(0, 2 * WIDTH - side)), int(rng.integers(0, 2 * HEIGHT - side))
        canvas[y : y + side, x : x + side] = cv2.resize(chip, (side, side), interpolation=cv2.INTER_AREA if side < CACHE_SIDE else cv2.INTER_LINEAR)
        small = cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
        tensor = ((small - float(metadata["mean"])) / float(metadata["std"])).transpose(2, 0, 1)[None]
        maps = [torch.from_numpy(m[0]) for m in session.run(None, {"image": np.ascontiguousarray(tensor)})]
        faces = decode(maps, 0.3)
        centre = np.array([x + side / 2, y + side / 2]) / 2
        near = [np.array(points, np.float32) for _, _, points in faces if np.linalg.norm(np.mean(points, 0) - centre) < side / 4]
        if not near:
            missed += 1
            continue
        matrix = similarity(near[0] * 2) / [[CACHE_SIDE, CACHE_SIDE, 1]]
        out[k] = cv2.warpAffine(canvas, matrix, (CACHE_SIDE, CACHE_SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
        if k % 500 == 0:
            print(f"\rrealigning {k}/{len(train)}, {missed} not found", end="", file=sys.stderr, flush=True)
    out.flush()
    PATH.with_suffix(".part.npy").rename(PATH)
    print(f"\rrealigned {len(train)} chips, {missed} not found", file=sys.stderr)


if __name__ == "__main__":
    main()
