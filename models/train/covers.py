"""What hides a face, drawn by code on the landmarks of an aligned chip: a mask or scarf over the mouth, sunglasses or a hand over the eyes.

A covered face is no good view, whatever age it seems to have. `disguise.py` draws what leaves the face to be seen; clear
glasses belong there. Chips are RGB `[S, S, 3]`, uint8, with their landmarks at `TEMPLATE`.
"""

import cv2
import numpy as np

from disguise import LEFT_EYE, LEFT_MOUTH, NOSE, RIGHT_EYE, RIGHT_MOUTH, _blend, _grid, _polygon, _soft


def _cloth(side: int, rng: np.random.Generator) -> np.ndarray:
    """A colour, or a print, with folds."""
    colours = [[150, 190, 215], [235, 238, 240], [22, 22, 26], [190, 205, 190], [40, 50, 90]]
    colour = np.array(colours[rng.integers(len(colours))], np.float32) if rng.random() < 0.7 else rng.uniform(10, 240, 3).astype(np.float32)
    x, y = _grid(side)
    folds = 1 + rng.uniform(0, 0.12) * np.sin(y * rng.uniform(20, 60) + 2 * np.sin(x * rng.uniform(2, 6)))
    cloth = colour * folds[..., None]
    if rng.random() < 0.25:
        pattern = np.sin(x * rng.uniform(15, 60) + rng.uniform(0, 6)) * np.sin(y * rng.uniform(15, 60)) > rng.uniform(0, 0.6)
        cloth = np.where(pattern[..., None], rng.uniform(10, 240, 3), cloth)
    light = 1 + rng.uniform(-0.35, 0.35) * (x - 0.5)
    return cloth * light[..., None] * rng.uniform(0.7, 1.1) + rng.normal(0, rng.uniform(1, 6), (side, side, 1))


def _skin(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A hand: the colour of this face's cheeks, a little other, with fingers."""
    side = len(chip)
    cheeks = np.median(chip[int(0.48 * side) : int(0.6 * side), int(0.2 * side) : int(0.8 * side)].reshape(-1, 3), 0)
    x, y = _grid(side)
    angle = rng.uniform(-0.8, 0.8)
    across = np.cos(angle) * y + np.sin(angle) * x
    fingers = 1 - rng.uniform(0.1, 0.45) * np.clip(np.cos(across * rng.uniform(28, 48)) - 0.75, 0, 1) * 4
    return (cheeks * rng.uniform(0.75, 1.15) * fingers[..., None] * (1 + rng.uniform(-0.3, 0.3) * (x - 0.5))[..., None]).astype(np.float32)


def mouth_mask(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mask from the nose, or from just above the lip, down beyond the chin."""
    side = len(chip)
    top = NOSE[1] + rng.uniform(-0.12, 0.07)
    middle, edge = NOSE[0] + rng.uniform(-0.02, 0.02), rng.uniform(0.0, 0.1)
    left, right = rng.uniform(-0.02, 0.14), rng.uniform(0.84, 1.0)
    bottom = rng.uniform(0.9, 1.1)
    mask = _polygon(side, [(left, top + edge), (middle - 0.12, top + 0.01), (middle, top - 0.01), (middle + 0.12, top + 0.01), (right, top + edge),
                           (right - 0.04, 0.82), (middle + 0.2, bottom), (middle - 0.2, bottom), (left + 0.04, 0.82)])
    out = _blend(chip, _cloth(side, rng), _soft(mask, rng.uniform(0.004, 0.012)))
    if rng.random() < 0.5:  # the straps
        straps = np.zeros((side, side), np.float32)
        for x0, x1 in ((left, -0.1), (right, 1.1)):
            ends = np.round(np.array([[x0, top + edge + 0.02], [x1, top - 0.05]]) * side * 8).astype(np.int32)
            cv2.line(straps, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 1.0, max(1, side // 60), cv2.LINE_AA, 3)
        out = _blend(out, np.array([220, 225, 228], np.float32), straps * 0.8)
    return out


def hand_on_mouth(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A hand before mouth and chin."""
    side = len(chip)
    centre = (LEFT_MOUTH + RIGHT_MOUTH) / 2 + rng.uniform(-0.04, 0.04, 2)
    x, y = _grid(side)
    tilt = rng.uniform(-0.5, 0.5)
    dx, dy = x - centre[0], y - centre[1] - tilt * (x - centre[0])
    mask = ((dx / rng.uniform(0.24, 0.5)) ** 4 + (dy / rng.uniform(0.11, 0.2)) ** 4 < 1).astype(np.float32)
    return _blend(chip, _skin(chip, rng), _soft(mask, 0.008))


def sunglasses(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lenses through which no eye is seen: dark, mirrored or coloured."""
    side = len(chip)
    width, height = rng.uniform(0.13, 0.19), rng.uniform(0.085, 0.15)
    power = rng.choice([2.0, 2.6, 4.0, 6.0])
    x, y = _grid(side)
    lens = np.zeros((side, side), np.float32)
    for eye in (LEFT_EYE, RIGHT_EYE):
        dx, dy = np.abs(x - eye[0]), np.abs(y - eye[1] - rng.uniform(0.0, 0.03))
        lens = np.maximum(lens, ((dx / width) ** power + (dy / height) ** power < 1).astype(np.float32))
    bridge = (np.abs(y - LEFT_EYE[1] + 0.01) < 0.014) & (x > LEFT_EYE[0]) & (x < RIGHT_EYE[0])
    temples = (np.abs(y - LEFT_EYE[1] + 0.02) < 0.012) & ((x < LEFT_EYE[0]) | (x > RIGHT_EYE[0]))
    tint = np.array([[10, 10, 12], [45, 28, 16], [20, 35, 25], [25, 30, 60]][rng.integers(4)], np.float32)
    if rng.random() < 0.3:  # mirrored
        tint = tint + np.clip(1.2 - (y - 0.18) * rng.uniform(3, 8), 0, 1)[..., None] * rng.uniform(60, 200, 3)
    else:
        gradient = np.clip((0.42 - y) * rng.uniform(0, 4), 0, 1)[..., None]
        tint = tint * (1 + 0.0 * gradient) + 25 * (1 - gradient) * rng.uniform(0, 1)
    out = _blend(chip, tint, _soft(lens, 0.005) * rng.uniform(0.86, 1.0))
    if rng.random() < 0.5:  # a reflection
        glare = np.clip(np.sin((x * rng.uniform(0.5, 1.5) + y) * rng.uniform(6, 18) + rng.uniform(0, 6)) - 0.5, 0, 1) * lens
        out = _blend(out, np.array([235, 240, 245], np.float32), _soft(glare, 0.006) * rng.uniform(0.05, 0.5))
    wires = bridge.astype(np.float32) * (rng.random() < 0.7) + temples.astype(np.float32) * (rng.random() < 0.4)
    return _blend(out, tint.reshape(-1, 3).mean(0).astype(np.float32) * 0.7, _soft(np.minimum(wires, 1), 0.004) * 0.8)


def over_the_eyes(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A hand, a scarf, or a cap's peak so low that the eyes lie under it."""
    side = len(chip)
    x, y = _grid(side)
    level = (LEFT_EYE[1] + RIGHT_EYE[1]) / 2
    if rng.random() < 0.4:
        rim = level + rng.uniform(0.05, 0.09) + rng.uniform(-0.05, 0.05) * ((x - 0.49) / 0.5) ** 2
        mask, what = (y < rim).astype(np.float32), _cloth(side, rng)
    else:
        tilt = rng.uniform(-0.25, 0.25)
        band = np.abs(y - level - tilt * (x - 0.49)) < rng.uniform(0.09, 0.15)
        mask, what = band.astype(np.float32), (_skin if rng.random() < 0.6 else lambda c, r: _cloth(len(c), r))(chip, rng)
    return _blend(chip, what, _soft(mask, 0.006))


MOUTH = (mouth_mask, mouth_mask, hand_on_mouth)
EYES = (sunglasses, sunglasses, over_the_eyes)


def eyes(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return EYES[rng.integers(len(EYES))](chip, rng)


def mouth(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return MOUTH[rng.integers(len(MOUTH))](chip, rng)
