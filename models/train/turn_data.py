"""Training material for the points net of the turn of the head: chips, and how their faces lie in depth.

The detector's landmarks come from chips whose labels were those of an upright, frontal template: they follow place, size, roll
and squeeze of a face, and are blind to its turn (over 1,602 portraits, many of them turned, the nose stays within 0.04 eye
distances of the middle). A turn therefore needs points of its own. The teacher here is MediaPipe's face mesh (Apache-2.0, in
the Python package `mediapipe`; TURN_TEACHER names its `face_landmark.tflite`): 468 points with depth. Never shipped.

`python turn_data.py` writes `work/turn.npz`: per face a wide chip, its five points, a smooth map of its depth.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from common import TEMPLATE, WORK

# Side of a wide chip in pixels, and in sides of the chip in its middle.
SIDE, WIDE = 96, 1.7
MIDDLE = np.array([0.49, 0.49])
# Vertices of the mesh: corners of the eyes as the viewer sees them, nose tip, mouth corners.
EYES, NOSE, MOUTH = ((33, 133), (362, 263)), 1, (61, 291)


class Teacher:
    def __init__(self, path: str):
        from ai_edge_litert.interpreter import Interpreter

        self.net = Interpreter(path, num_threads=1)
        self.net.allocate_tensors()
        self.input, self.outputs = self.net.get_input_details()[0], self.net.get_output_details()

    def mesh(self, picture: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, float]:
        """468 points in pixels of the picture, depth in the same unit (smaller is nearer), and whether a face is there."""
        eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
        down = mouth - eyes
        length, angle = np.linalg.norm(down), np.arctan2(down[0], down[1])
        scale = 192 / (length * 3.1)
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.column_stack([linear, 96 - linear @ (eyes + 0.42 * down)])
        crop = cv2.warpAffine(picture, matrix, (192, 192), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        self.net.set_tensor(self.input["index"], (crop.astype(np.float32) / 255)[None])
        self.net.invoke()
        found = {self.net.get_tensor(o["index"]).size: self.net.get_tensor(o["index"]).ravel() for o in self.outputs}
        points, back = found[1404].reshape(468, 3), cv2.invertAffineTransform(matrix)
        return np.column_stack([points[:, :2] @ back[:, :2].T + back[:, 2], points[:, 2] / scale]), float(1 / (1 + np.exp(-found[1][0])))


def five(mesh: np.ndarray) -> np.ndarray:
    """Eyes, nose tip, mouth corners with their depth: `[5, 3]`."""
    return np.array([mesh[list(EYES[0])].mean(0), mesh[list(EYES[1])].mean(0), mesh[NOSE], mesh[MOUTH[0]], mesh[MOUTH[1]]])


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity of least squares, as `align.rs` has it."""
    a, b = source - source.mean(0), target - target.mean(0)
    spread = (a**2).sum()
    dot, cross = (a * b).sum() / spread, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / spread
    linear = np.array([[dot, -cross], [cross, dot]])
    return np.column_stack([linear, target.mean(0) - linear @ source.mean(0)])


def depth_map(mesh: np.ndarray) -> np.ndarray:
    """The depth of a face over its wide chip, in pixels of it: what the vertices say, smoothed; far behind around it."""
    top, weight = np.zeros((SIDE, SIDE), np.float32), np.full((SIDE, SIDE), 1e-3, np.float32)
    behind = float(np.percentile(mesh[:, 2], 98))
    top += behind * weight
    for x, y, z in mesh:
        column, row = int(x), int(y)
        if 0 <= column < SIDE and 0 <= row < SIDE:
            top[row, column] += z
            weight[row, column] += 1
    blur = lambda m: cv2.GaussianBlur(m, (0, 0), 2.2)
    return blur(top) / blur(weight)


def wide_chip(points: np.ndarray) -> np.ndarray:
    """The map from the picture to the wide chip around five points."""
    return similarity(points, ((TEMPLATE - MIDDLE) / WIDE + 0.5) * SIDE)


def main() -> None:
    teacher = Teacher(os.environ["TURN_TEACHER"])
    binary = Path(__file__).resolve().parent.parent.parent / "target" / "release" / "agegate"
    rng = np.random.default_rng(14)
    chips = sorted((WORK / "data" / "utkface").iterdir())
    # Of infants the mesh knows little.
    chips = [chips[i] for i in rng.permutation(len(chips)) if int(chips[i].name.split("_")[0]) >= 4][: int(os.environ.get("TURN_CHIPS", "4500"))]
    listing = WORK / "turn-faces.json"
    photos = [WORK / "data" / "portraits", WORK / "data" / "scenes" / "faces"]
    run = subprocess.run([binary, "detect", *photos, "--json", listing], capture_output=True, text=True, check=False)
    if not listing.is_file():
        sys.exit(f"agegate detect: {run.stderr}")
    found = json.loads(listing.read_text())
    jobs = [(p, TEMPLATE * 200) for p in chips] + [(Path(p), np.array(f[0]["landmarks"])) for p, f in sorted(found.items()) if f]
    pictures, points, depths, names = [], [], [], []
    for path, landmarks in jobs:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            continue
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        mesh, sure = teacher.mesh(picture, landmarks)
        if sure < 0.9:
            continue
        matrix = wide_chip(landmarks)
        scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        source = cv2.GaussianBlur(picture, (0, 0), 0.4 / scale) if scale < 0.7 else picture
        moved = np.column_stack([mesh[:, :2] @ matrix[:, :2].T + matrix[:, 2], mesh[:, 2] * scale])
        pictures.append(cv2.warpAffine(source, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        points.append(five(moved))
        depths.append(depth_map(moved).astype(np.float16))
        names.append(path.name)
    np.savez(os.environ.get("TURN_OUT", WORK / "turn.npz"), pictures=np.stack(pictures), points=np.stack(points).astype(np.float32), depths=np.stack(depths), names=np.array(names))
    print(len(names), "faces")


if __name__ == "__main__":
    main()
