"""Paths, seeds, data splits and the training-data hash: what every training step must agree on.

The chip coordinate system is the one of UTKFace: x and y run from 0 to 1 over the chip, and the five landmarks of an
upright face lie at `TEMPLATE`. `src/vision/align.rs` uses the same numbers.
"""

import hashlib
import os
import random
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = Path(os.environ.get("AGEGATE_TRAIN_WORK", HERE / "work"))
SEED = 20261124

# Eyes, nose tip, mouth corners; left and right as the viewer sees them.
TEMPLATE = np.array([[0.30, 0.28], [0.68, 0.28], [0.49, 0.52], [0.35, 0.70], [0.63, 0.70]], np.float32)
AGES = 101
GROUPS = [(0, 12), (13, 17), (18, 24), (25, 34), (35, 49), (50, 64), (65, 200)]
CACHE_SIDE = 128


def data_dir() -> Path:
    """The folder with `utkface-dev.tar` and the scenes; unpacked beside the checkpoints."""
    return Path(os.environ.get("AGEGATE_DATA", ROOT.parent / "shared" / "data"))


def unpacked() -> Path:
    """Unpacks the archives once and returns the folder that holds `utkface/` and `scenes/`."""
    target = Path(os.environ.get("AGEGATE_UNPACKED", WORK / "data"))
    if not (target / "utkface").is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for name in ("utkface-dev.tar", "scenes-dev.tar", "objects-unchecked.tar"):
            archive = data_dir() / name
            if not archive.is_file():
                sys.exit(f"{archive}: not found; set AGEGATE_DATA to the folder that holds the training archives")
            with tarfile.open(archive) as tar:
                tar.extractall(target, filter="data")
    return target


def seed_everything(offset: int = 0) -> None:
    random.seed(SEED + offset)
    np.random.seed(SEED + offset)
    torch.manual_seed(SEED + offset)


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def parse_name(name: str) -> tuple[int, int, int]:
    """Age, gender (1 = female) and ethnicity from a UTKFace file name."""
    age, gender, ethnicity = name.split("_")[:3]
    return int(age), int(gender), int(ethnicity)


def dataset_hash(names: list[str], pixels: np.ndarray) -> str:
    """Identity of the training data: SHA-256 over the sorted names and the cached pixels."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\n")
    digest.update(np.ascontiguousarray(pixels[:: max(1, len(pixels) // 997)]).tobytes())
    return digest.hexdigest()[:16]


def load_chips() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, labels `[N, 3]` and pixels `[N, 128, 128, 3]` (memory-mapped) of every chip, in sorted order."""
    names = sorted(p.name for p in (unpacked() / "utkface").iterdir())
    labels = np.array([parse_name(n) for n in names], np.int64)
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / f"chips-{CACHE_SIDE}.npy"
    if not path.is_file():
        pixels = np.zeros((len(names), CACHE_SIDE, CACHE_SIDE, 3), np.uint8)
        for i, name in enumerate(names):
            with Image.open(unpacked() / "utkface" / name) as image:
                pixels[i] = np.asarray(image.convert("RGB").resize((CACHE_SIDE, CACHE_SIDE), Image.Resampling.BOX if image.width == 2 * CACHE_SIDE else Image.Resampling.BILINEAR))
            if i % 2000 == 0:
                print(f"\rdecoding chips {i}/{len(names)}", end="", file=sys.stderr)
        print(file=sys.stderr)
        np.save(path, pixels)
    return names, labels, np.load(path, mmap_mode="r")


def near_duplicate_groups(pixels: np.ndarray, correlation: float = 0.97) -> np.ndarray:
    """Group number per image: images whose grey 24x24 thumbnails correlate above `correlation` share one.

    UTKFace holds the same photo more than once, sometimes under different ages. A split that tears such a pair apart
    would measure memory, not skill.
    """
    path = WORK / "groups.npy"
    if path.is_file():
        return np.load(path)
    count = len(pixels)
    thumbs = np.zeros((count, 24 * 24), np.float32)
    for i in range(count):
        thumbs[i] = np.asarray(Image.fromarray(pixels[i]).convert("L").resize((24, 24), Image.Resampling.BOX), np.float32).ravel()
    thumbs -= thumbs.mean(1, keepdims=True)
    thumbs /= np.linalg.norm(thumbs, axis=1, keepdims=True) + 1e-6
    vectors = torch.from_numpy(thumbs)
    parent = np.arange(count)

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for start in range(0, count, 1024):
        for i, j in (vectors[start : start + 1024] @ vectors.T > correlation).nonzero().tolist():
            a, b = find(i + start), find(j)
            if a != b:
                parent[max(a, b)] = min(a, b)
    groups = np.array([find(i) for i in range(count)])
    np.save(path, groups)
    return groups


def split(labels: np.ndarray, groups: np.ndarray, share: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """Indices for training and validation. Whole near-duplicate groups, stratified by age, fixed by the seed.

    Validation images are never trained on, never used to pick a checkpoint; they calibrate the policy and give the
    figures of the model card.
    """
    rng = np.random.default_rng(SEED)
    held = np.zeros(len(labels), bool)
    order = rng.permutation(np.unique(groups))
    first_age = {g: labels[i, 0] for i, g in reversed(list(enumerate(groups)))}
    quota: dict[int, float] = {}
    members: dict[int, list[int]] = {}
    for i, g in enumerate(groups):
        members.setdefault(int(g), []).append(i)
    for g in order:
        age = int(min(first_age[g], 90)) // 2 if first_age[g] < 13 or first_age[g] > 17 else 100 + int(first_age[g])
        quota[age] = quota.get(age, 0.0) + share * len(members[int(g)])
        if quota[age] >= 1 and len(members[int(g)]) <= 8:
            held[members[int(g)]] = True
            quota[age] -= len(members[int(g)])
    return np.flatnonzero(~held), np.flatnonzero(held)
