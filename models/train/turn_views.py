"""Views of the faces of `turn_data.py` as a camera would see them: heads that turn, and flat pictures that are turned.

A head is turned by its depth map: every point moves by the rotation of its depth. A flat picture is turned by the projection
of its plane. Points and picture move by one and the same map, so the labels are exact.
"""

import cv2
import numpy as np

from common import TEMPLATE
from turn_data import MIDDLE, SIDE, similarity

CHIP = 64
ROWS, COLUMNS = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) + 0.5


def head_field(depth: np.ndarray, points: np.ndarray, yaw: float, pitch: float, flatten: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Per place of the wide chip how far it moves when the head turns by `yaw` to its image's right (radians), and the five points."""
    centre = points[:, :2].mean(0)
    pivot = float(points[[0, 1, 3, 4], 2].mean())

    def moved(x, y, z):
        dx, dy, dz = x - centre[0], y - centre[1], (z - pivot) * flatten
        # Smaller is nearer: a nose goes to the side to which the head turns.
        nx, nz = dx * np.cos(yaw) - dz * np.sin(yaw), dx * np.sin(yaw) + dz * np.cos(yaw)
        return centre[0] + nx, centre[1] + dy * np.cos(pitch) - nz * np.sin(pitch)

    x, y = moved(COLUMNS, ROWS, depth.astype(np.float32))
    column, row = np.clip(points[:, 0].astype(int), 0, SIDE - 1), np.clip(points[:, 1].astype(int), 0, SIDE - 1)
    five = np.column_stack(moved(points[:, 0], points[:, 1], depth[row, column].astype(np.float32)))
    return np.stack([x - COLUMNS, y - ROWS], -1).astype(np.float32), five


def flat_field(points: np.ndarray, yaw: float, pitch: float, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """The same for a flat picture of the face, `distance` widths of the wide chip away from the camera."""
    centre, far = points[:, :2].mean(0), distance * SIDE

    def moved(x, y):
        dx, dy = x - centre[0], y - centre[1]
        nx, z = dx * np.cos(yaw), dx * np.sin(yaw)
        ny, z = dy * np.cos(pitch) - z * np.sin(pitch), dy * np.sin(pitch) + z * np.cos(pitch)
        return centre[0] + nx * far / (far + z), centre[1] + ny * far / (far + z)

    x, y = moved(COLUMNS, ROWS)
    return np.stack([x - COLUMNS, y - ROWS], -1).astype(np.float32), np.column_stack(moved(points[:, 0], points[:, 1]))


def rendered(picture: np.ndarray, field: np.ndarray, matrix: np.ndarray, side: int, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """The picture moved by a field, then by an affine map to `side` pixels. The field is inverted by iteration."""
    back = cv2.invertAffineTransform(matrix)
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32) + 0.5
    tx, ty = back[0, 0] * xs + back[0, 1] * ys + back[0, 2], back[1, 0] * xs + back[1, 1] * ys + back[1, 2]
    sx, sy = tx.astype(np.float32), ty.astype(np.float32)
    for _ in range(5):
        shift = cv2.remap(field, sx - 0.5, sy - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        sx, sy = (0.3 * sx + 0.7 * (tx - shift[..., 0])).astype(np.float32), (0.3 * sy + 0.7 * (ty - shift[..., 1])).astype(np.float32)
    return cv2.remap(picture, sx - 0.5, sy - 0.5, cv2.INTER_LINEAR, borderMode=border)


def as_detected(points: np.ndarray, rng: np.random.Generator, shift=0.035, scale=0.05, turn=3.0) -> np.ndarray:
    """The map from the wide chip to the chip that the detector's landmarks would give: near the best one, never on it."""
    best = similarity(points[[0, 1, 3, 4]], TEMPLATE[[0, 1, 3, 4]])
    angle, size = np.radians(rng.normal(0, turn)), np.exp(rng.normal(0, scale))
    linear = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = np.column_stack([linear @ best[:, :2], linear @ (best[:, 2] - MIDDLE) + MIDDLE + rng.normal(0, shift, 2)])
    return moved * CHIP


def degrade(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x = chip.astype(np.float32)
    if rng.random() < 0.8:
        x = 255 * (np.clip(x, 0, 255) / 255) ** np.exp(rng.normal(0, 0.3))
        x = (x - x.mean()) * np.exp(rng.normal(0, 0.2)) + x.mean() * np.exp(rng.normal(0, 0.2))
        x *= np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
    if rng.random() < 0.3:  # light from a side
        x *= (1 + rng.uniform(-0.6, 0.6) * np.linspace(-1, 1, CHIP, dtype=np.float32))[None, :, None]
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.3, 1.3))
    if rng.random() < 0.5:
        x = x + rng.normal(0, rng.uniform(1, 9), x.shape).astype(np.float32)
    if rng.random() < 0.15:
        x = np.repeat(x.mean(2, keepdims=True), 3, 2)
    return np.clip(x, 0, 255).astype(np.uint8)


def example(picture: np.ndarray, points: np.ndarray, depth: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A chip `[CHIP, CHIP, 3]` and its five points as shares of its side."""
    if rng.random() < 0.62:
        field, five = head_field(depth, points, rng.uniform(-0.75, 0.75), rng.normal(0, 0.12))
    else:
        field, five = flat_field(points, rng.uniform(-0.9, 0.9), rng.normal(0, 0.25), rng.uniform(1.0, 6.0))
    matrix = as_detected(five, rng)
    chip = rendered(picture, field, matrix, CHIP)
    target = (five @ matrix[:, :2].T + matrix[:, 2]) / CHIP
    if rng.random() < 0.5:
        chip, target = chip[:, ::-1], np.column_stack([1 - target[:, 0], target[:, 1]])[[1, 0, 2, 4, 3]]
    return degrade(chip, rng), target.astype(np.float32)
