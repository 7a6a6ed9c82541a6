"""How far the points of the turn lie from where they are: faces that training never saw, as heads that turn and as flat pictures.

Each face stands in a 640x480 frame at a height of 100 to 230 pixels, with a camera's noise and JPEG. The frames go through the
shipped detector and points net (`examples/turn_points.rs`), and the points found are compared with where the render put them.
`python turn_noise.py OUT.json` writes, in eye distances of the frame: for each face and pose the mean error of the five points
(`null` where no face was found), and the deviation from frame to frame of the same pose.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

import turn_views
from common import ROOT, WORK
from train_turn import held_back
from turn_data import SIDE

FACES, FRAMES, FINE = int(os.environ.get("TURN_FACES", "48")), 3, 3
HEAD, FLAT = (-40, -30, -20, -10, 0, 10, 20, 30, 40), (-60, -45, -30, -15, 15, 30, 45, 60)


def frame(picture: np.ndarray, field: np.ndarray, five: np.ndarray, height: float, rng: np.random.Generator) -> tuple[bytes, np.ndarray]:
    """A JPEG frame and where the five points are in it."""
    fine = cv2.resize(picture, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_CUBIC)
    moves = cv2.resize(field, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_LINEAR) * FINE
    scale = height / (SIDE / 1.7) / FINE
    place = np.array([320 + rng.uniform(-40, 40), 240 + rng.uniform(-20, 20)])
    matrix = np.column_stack([np.eye(2) * scale, place - scale * FINE * SIDE / 2])
    canvas = turn_views.rendered(fine, moves, matrix, 640)[:480].astype(np.float32)
    canvas = np.clip(canvas + rng.normal(0, 3, canvas.shape), 0, 255).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return packed.tobytes(), five * FINE @ matrix[:, :2].T + matrix[:, 2]


def main() -> None:
    data = dict(np.load(os.environ.get("TURN_OUT", str(WORK / "turn.npz"))))
    rng = np.random.default_rng(15)
    held = np.flatnonzero(held_back(data["names"]))
    turned = lambda i: abs((data["points"][i][2, 0] - data["points"][i][:2, 0].mean()) / np.ptp(data["points"][i][:2, 0]))
    # Photos with surroundings, seen from the front: chips alone are too tight for the detector.
    photos = [i for i in held if "chip" not in str(data["names"][i]) and turned(i) < 0.12]
    chosen = rng.permutation(photos)[:FACES]
    folder = WORK / "turn-noise"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    truth = {}
    for number, i in enumerate(chosen):
        picture, points, depth = data["pictures"][i], data["points"][i], data["depths"][i]
        height = rng.uniform(100, 230)
        poses = [("head", a) for a in HEAD] + [("flat", a) for a in FLAT]
        for kind, angle in poses:
            way = np.radians(angle)
            field, five = turn_views.head_field(depth, points, way, 0.0) if kind == "head" else turn_views.flat_field(points, way, 0.0, 3.0)
            for k in range(FRAMES):
                name = f"{number}_{kind}_{angle}_{k}.jpg"
                packed, truth[name] = frame(picture, field, five, height, rng)
                (folder / name).write_bytes(packed)
    run = subprocess.run([ROOT / "target" / "release" / "examples" / "turn_points", folder], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    result, spread = [], []
    for number in range(len(chosen)):
        record: dict = {"head": [], "flat": []}
        for kind, angles in (("head", HEAD), ("flat", FLAT)):
            for angle in angles:
                errors = []
                for k in range(FRAMES):
                    name = f"{number}_{kind}_{angle}_{k}.jpg"
                    if found.get(name) is not None:
                        front = truth[f"{number}_head_0_{k}.jpg"]
                        errors.append((np.array(found[name]) - truth[name]) / np.linalg.norm(front[1] - front[0]))
                if len(errors) == FRAMES:
                    spread.append(np.var(errors, axis=0, ddof=1))
                record[kind].append(np.mean(errors, 0).round(4).ravel().tolist() if len(errors) * 2 > FRAMES else None)
        result.append(record)
    out = {"head_degrees": HEAD, "flat_degrees": FLAT, "jitter": np.sqrt(np.mean(spread, 0)).round(5).tolist(), "faces": result}
    Path(sys.argv[1]).write_text(json.dumps(out, separators=(",", ":")))
    for kind, angles in (("head", HEAD), ("flat", FLAT)):
        for k, angle in enumerate(angles):
            some = np.array([r[kind][k] for r in result if r[kind][k] is not None]).reshape(-1, 5, 2)
            print(kind, angle, f"{len(some)}/{len(result)} found; nose along", some[:, 2, 0].mean().round(3), "+-", some[:, 2, 0].std().round(3), flush=True)
    print("jitter", np.array(out["jitter"]).round(4).tolist())


if __name__ == "__main__":
    main()
