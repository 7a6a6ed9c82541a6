"""Renders the training and validation crops of the liveness net: scenes of living people and of attacks, through one camera.

`python liveness_set.py render train|held FROM TO` makes the blocks FROM to TO - 1, each once: several processes may share the work,
and what was stopped goes on. A block holds `BLOCK` crops at every one of `SCALES`, their kind, and what the peer says of them.
`python liveness_set.py frames FOLDER COUNT` writes COUNT frames of each kind, of pictures held back, as `FOLDER/KIND/*.png`: for `agegate evaluate --attacks`.
`python liveness_set.py show FILE [KIND]` writes a sheet of examples to look at.
"""

import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

import attacks
import door_camera
from common import SEED, data_dir
from living import FOLDER, Finder, Material
from liveness_net import SIDE, crop

SCALES = (2.7, 1.5, 0.9)
BLOCK = 500
KINDS = ("live",) + attacks.KINDS
# Half of the scenes are of living people; screens and prints before drawings.
WEIGHTS = np.array([0.5] + [0.034, 0.034, 0.034, 0.034, 0.034] + [0.13, 0.06, 0.06] + [0.0375] * 4)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def jitter(box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The box as a detector might have drawn it."""
    size = np.array([box[2] - box[0], box[3] - box[1]])
    centre = (box[:2] + box[2:]) / 2 + rng.normal(0, 0.04, 2) * size
    half = size / 2 * np.exp(rng.normal(0, 0.06) + rng.normal(0, 0.03, 2))
    return np.concatenate([centre - half, centre + half])


def shot(kind: str, material: Material, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One frame (or the part of it around the face), uint8, and the face box."""
    scene, box = attacks.living_scene(material, rng) if kind == "live" else attacks.attack_scene(kind, material, rng)
    return door_camera.photograph(np.ascontiguousarray(scene, np.float32), rng), box


def crops(frame: np.ndarray, box: np.ndarray, scales=SCALES, side: int = SIDE) -> np.ndarray:
    return np.concatenate([crop(frame, box, s, side) for s in scales], 2)


class Peer:
    """The public net that has seen real replays: its logit of a living face, for an RGB frame and a box."""

    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(data_dir() / "peer-liveness-27.onnx"), options)
        self.input = self.session.get_inputs()[0].name

    def __call__(self, frames: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        batch = np.stack([crop(f, b, 2.7, 80)[..., ::-1].transpose(2, 0, 1) for f, b in frames]).astype(np.float32)
        out = self.session.run(None, {self.input: batch})[0]
        others = np.delete(out, 1, 1)
        return out[:, 1] - np.log(np.exp(others - others.max(1, keepdims=True)).sum(1)) - others.max(1)


def render(side_of_split: str, block: int, material: Material, peer: Peer) -> None:
    target = FOLDER / f"{side_of_split}-{block:03}.npz"
    if target.is_file():
        return
    started = time.time()
    pixels, kinds, opinions = np.zeros((BLOCK, SIDE, SIDE, 3 * len(SCALES)), np.uint8), np.zeros(BLOCK, np.int64), []
    pending = []
    for i in range(BLOCK):
        rng = np.random.default_rng([SEED, block, i, side_of_split == "held"])
        kinds[i] = rng.choice(len(KINDS), p=WEIGHTS)
        frame, box = shot(KINDS[kinds[i]], material, rng)
        box = jitter(box, rng)
        pixels[i] = crops(frame, box)
        pending.append((frame, box))
        if len(pending) == 50:
            opinions.append(peer(pending))
            pending = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".tmp.npz")
    np.savez(temporary, pixels=pixels, kinds=kinds, peer=np.concatenate(opinions).astype(np.float32))
    temporary.rename(target)
    print(f"{target.name}: {time.time() - started:.0f} s", flush=True)


def show(path: str, kind: str | None, held: bool = False, columns: int = 7, rows: int = 5, seed: int = 5) -> None:
    material = Material(held)
    tiles = []
    for i in range(columns * rows):
        rng = np.random.default_rng([seed, i])
        frame, box = shot(kind or KINDS[i % len(KINDS)], material, rng)
        tiles.append(crop(frame, box, 2.7, 200))
    sheet = np.vstack([np.hstack(tiles[r * columns : (r + 1) * columns]) for r in range(rows)])
    cv2.imwrite(path, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def write_frames(folder: Path, count: int) -> None:
    """Whole frames in which the shipped detector finds the face, living ones five times as many."""
    material, finder = Material(True), Finder()
    for k, kind in enumerate(KINDS):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        wanted, made, i = count * (5 if kind == "live" else 1), 0, 0
        while made < wanted:
            frame, _ = shot(kind, material, np.random.default_rng([SEED, 99, k, i]))
            i += 1
            if finder.face(frame, 0.7) is not None:
                cv2.imwrite(str(folder / kind / f"{made:04}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
                made += 1
        print(f"{kind}: {made} frames with a face of {i}", flush=True)


def main() -> None:
    cv2.setNumThreads(1)
    if sys.argv[1:2] == ["render"]:
        material, peer = Material(sys.argv[2] == "held"), Peer()
        for block in range(int(sys.argv[3]), int(sys.argv[4])):
            render(sys.argv[2], block, material, peer)
    elif sys.argv[1:2] == ["frames"]:
        write_frames(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["show"]:
        show(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
