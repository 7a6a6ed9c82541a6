"""Portraits with known birth dates, cut to chips by the shipped detector and aligner: what teaches the net teenagers.

`../shared/data/README.md` says what they are: studio light, make-up, retouching, nearly all East and South-East Asian, and
right to half a year. They are split by person, never by photo.
"""

import csv
import hashlib
import sys
import tarfile

import cv2
import numpy as np
import onnx
import onnxruntime
import torch

from common import CACHE_SIDE, ROOT, WORK, data_dir
from detector_net import HEIGHT, WIDTH, decode
from realign import similarity

PATH = WORK / "portraits.npz"


def held_back(person: str) -> bool:
    """One person in four is for validation; fixed by a hash of the person's name, so that more photos change nothing."""
    return hashlib.sha256(b"agegate" + person.encode()).digest()[0] < 64


def fold(person: str, folds: int = 5) -> int:
    return hashlib.sha256(b"fold" + person.encode()).digest()[0] % folds


class Detector:
    """The shipped detector in ONNX Runtime: the five landmarks of the best face of an RGB picture, or None."""

    def __init__(self):
        path = ROOT / "models" / "face-detector.onnx"
        metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
        self.mean, self.std = float(metadata["mean"]), float(metadata["std"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options)

    def landmarks(self, image: np.ndarray) -> np.ndarray | None:
        height, width = image.shape[:2]
        scale = min(WIDTH / width, HEIGHT / height)
        small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        canvas = np.full((HEIGHT, WIDTH, 3), 114, np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        tensor = ((canvas.astype(np.float32) - self.mean) / self.std).transpose(2, 0, 1)[None]
        faces = decode([torch.from_numpy(m[0]) for m in self.session.run(None, {"image": np.ascontiguousarray(tensor)})], 0.5)
        return np.array(faces[0][2], np.float32) / scale if faces else None


def cut(image: np.ndarray, landmarks: np.ndarray, side: int = CACHE_SIDE) -> np.ndarray:
    """The aligned chip, with the arithmetic of `src/vision/align.rs`."""
    matrix = similarity(landmarks) / [[side, side, 1]]
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)


def load() -> dict[str, np.ndarray]:
    """`pixels [N, 128, 128, 3]`, `age [N]`, `female [N]`, `person [N]`, `path [N]` of every portrait in which a face is found."""
    if not PATH.is_file():
        folder = WORK / "data"
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(data_dir() / "portraits-dev.tar.gz") as tar:
            tar.extractall(folder, filter="data")
        detector, kept = Detector(), []
        rows = list(csv.DictReader((folder / "portraits" / "labels.csv").open()))
        for row in rows:
            image = cv2.cvtColor(cv2.imread(str(folder / "portraits" / row["path"])), cv2.COLOR_BGR2RGB)
            points = detector.landmarks(image)
            if points is not None:
                kept.append((cut(image, points), float(row["age"]), row["gender"] == "female", row["person"], row["path"]))
        print(f"portraits: {len(kept)} of {len(rows)} with a face", file=sys.stderr)
        pixels, age, female, person, path = (np.array(column) for column in zip(*kept))
        np.savez(PATH, pixels=pixels, age=age, female=female, person=person, path=path)
    return dict(np.load(PATH))


if __name__ == "__main__":
    portraits = load()
    held = np.array([held_back(p) for p in portraits["person"]])
    print(f"{len(held)} portraits of {len(set(portraits['person']))} people; {held.sum()} of them held back")
