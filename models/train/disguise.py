"""What people put on their faces to look older, drawn by code on the landmarks of an aligned chip.

Each function takes an RGB chip `[S, S, 3]`, uint8, whose landmarks lie at `TEMPLATE`, and a generator, and returns a new chip.
The same functions make the training views and the table of disguises in the model card.
"""

import cv2
import numpy as np

from common import TEMPLATE

LEFT_EYE, RIGHT_EYE, NOSE, LEFT_MOUTH, RIGHT_MOUTH = TEMPLATE


def _blend(chip: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    alpha = alpha[..., None]
    return np.clip(chip * (1 - alpha) + colour * alpha, 0, 255).astype(np.uint8)


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    return np.meshgrid(axis, axis)


def _soft(mask: np.ndarray, blur: float) -> np.ndarray:
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(0.3, blur * mask.shape[0]))


def _ellipse(side: int, centre, radii) -> np.ndarray:
    x, y = _grid(side)
    return ((((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2) < 1).astype(np.float32)


def _polygon(side: int, points) -> np.ndarray:
    mask = np.zeros((side, side), np.float32)
    cv2.fillPoly(mask, [np.round(np.array(points) * side).astype(np.int32)], 1.0)
    return mask


def _hair(side: int, rng: np.random.Generator, grain: float = 0.9) -> np.ndarray:
    """Strands: noise smeared downwards."""
    noise = cv2.GaussianBlur(rng.random((side, side)).astype(np.float32), (0, 0), sigmaX=0.6, sigmaY=side / 60)
    noise = (noise - noise.min()) / (np.ptp(noise) + 1e-6)
    return 1 - grain * 0.6 * noise


def beard(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moustache, chin beard, or both; from a shadow of stubble to a full dark beard."""
    side = len(chip)
    kind = rng.integers(3)
    mouth = (LEFT_MOUTH + RIGHT_MOUTH) / 2
    mask = np.zeros((side, side), np.float32)
    if kind != 1:  # moustache
        lift = rng.uniform(0.05, 0.08)
        mask = np.maximum(mask, _ellipse(side, (mouth[0], mouth[1] - lift), (rng.uniform(0.13, 0.2), rng.uniform(0.025, 0.045))))
    if kind != 0:  # chin and cheeks
        top = rng.uniform(0.62, 0.82)
        jaw = _ellipse(side, (mouth[0], 0.66), (rng.uniform(0.30, 0.40), rng.uniform(0.30, 0.36)))
        x, y = _grid(side)
        lips = _ellipse(side, (mouth[0], mouth[1] + 0.01), (0.16, 0.065))
        cheeks = (y > top + 0.12 * (1 - np.abs(x - mouth[0]) / 0.4)) if rng.random() < 0.5 else (y > mouth[1] + rng.uniform(0.0, 0.1))
        mask = np.maximum(mask, jaw * cheeks * (1 - lips))
    colour = np.array([[20, 16, 14], [45, 32, 24], [70, 52, 40], [110, 105, 100]][rng.integers(4)], np.float32)
    alpha = _soft(mask, rng.uniform(0.006, 0.03)) * _hair(side, rng) * rng.uniform(0.25, 0.95)
    return _blend(chip, colour, alpha)


def make_up(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Foundation (a smoothed skin), lips, eye shadow and liner, blush, drawn brows."""
    side = len(chip)
    out = chip
    if rng.random() < 0.7:
        smooth = cv2.bilateralFilter(chip, 5, rng.uniform(15, 45), 3)
        out = _blend(out, smooth, _soft(_ellipse(side, (0.49, 0.5), (0.42, 0.5)), 0.05) * rng.uniform(0.4, 1.0))
    mouth = (LEFT_MOUTH + RIGHT_MOUTH) / 2
    if rng.random() < 0.85:
        colour = np.array([[170, 20, 45], [140, 30, 50], [200, 70, 90], [110, 20, 40]][rng.integers(4)], np.float32)
        lips = _ellipse(side, mouth, (0.145, rng.uniform(0.04, 0.06)))
        out = _blend(out, colour, _soft(lips, 0.012) * rng.uniform(0.3, 0.75))
    if rng.random() < 0.8:
        colour = rng.uniform([20, 15, 20], [110, 80, 110]).astype(np.float32)
        shadow = sum(_ellipse(side, (eye[0], eye[1] - 0.03), (0.11, rng.uniform(0.035, 0.06))) for eye in (LEFT_EYE, RIGHT_EYE))
        out = _blend(out, colour, _soft(np.minimum(shadow, 1), 0.018) * rng.uniform(0.2, 0.6))
        liner = sum(_ellipse(side, (eye[0], eye[1] - 0.012), (0.09, 0.016)) for eye in (LEFT_EYE, RIGHT_EYE))
        out = _blend(out, np.array([15, 10, 12], np.float32), _soft(np.minimum(liner, 1), 0.006) * rng.uniform(0.2, 0.7))
    if rng.random() < 0.6:
        blush = sum(_ellipse(side, (x, 0.56), (0.09, 0.06)) for x in (0.24, 0.74))
        out = _blend(out, np.array([210, 90, 90], np.float32), _soft(np.minimum(blush, 1), 0.04) * rng.uniform(0.1, 0.35))
    if rng.random() < 0.5:
        brows = sum(_ellipse(side, (eye[0], eye[1] - 0.105), (0.12, rng.uniform(0.015, 0.028))) for eye in (LEFT_EYE, RIGHT_EYE))
        out = _blend(out, np.array([40, 28, 22], np.float32), _soft(np.minimum(brows, 1), 0.008) * rng.uniform(0.3, 0.8))
    return out


def glasses(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Clear glasses with thick frames; the eyes stay visible."""
    side = len(chip)
    colour = np.array([[12, 12, 14], [60, 35, 20], [90, 90, 95], [25, 30, 70]][rng.integers(4)], np.float32)
    width, height, frame = rng.uniform(0.13, 0.165), rng.uniform(0.085, 0.135), rng.uniform(0.010, 0.028)
    mask = np.zeros((side, side), np.float32)
    power = 2 if rng.random() < 0.5 else 5
    x, y = _grid(side)
    for eye in (LEFT_EYE, RIGHT_EYE):
        dx, dy = np.abs(x - eye[0]), np.abs(y - eye[1] - 0.015)
        outer = (dx / width) ** power + (dy / height) ** power < 1
        inner = (dx / (width - frame)) ** power + (dy / (height - frame)) ** power < 1
        mask = np.maximum(mask, outer & ~inner)
    bridge = (np.abs(y - LEFT_EYE[1]) < frame / 2) & (x > LEFT_EYE[0] + width - frame) & (x < RIGHT_EYE[0] - width + frame)
    temples = (np.abs(y - LEFT_EYE[1] + 0.02) < frame / 2) & ((x < LEFT_EYE[0] - width + frame) | (x > RIGHT_EYE[0] + width - frame))
    mask = np.maximum(mask, bridge | temples)
    out = chip
    if rng.random() < 0.4:
        lens = sum(_ellipse(side, (eye[0], eye[1] + 0.015), (width, height)) for eye in (LEFT_EYE, RIGHT_EYE))
        glare = np.clip(np.sin((x + y) * rng.uniform(4, 12) + rng.uniform(0, 6)), 0, 1) * np.minimum(lens, 1)
        out = _blend(out, np.array([235, 240, 245], np.float32), glare * rng.uniform(0.05, 0.35))
    return _blend(out, colour, _soft(mask, 0.004) * rng.uniform(0.75, 1.0))


def cap(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A cap or a woollen hat, with the shadow of its peak."""
    side = len(chip)
    rim = rng.uniform(0.04, 0.15)
    x, y = _grid(side)
    bow = rim - rng.uniform(0.0, 0.08) * (np.abs(x - 0.49) / 0.5) ** 2
    mask = (y < bow).astype(np.float32)
    colour = rng.uniform(5, 220, 3).astype(np.float32)
    cloth = colour + rng.normal(0, 8, (side, side, 1)).astype(np.float32)
    shade = np.clip(1 - (y - bow) / rng.uniform(0.1, 0.3), 0, 1) * (y >= bow) * rng.uniform(0.0, 0.5)
    return _blend(_blend(chip, np.zeros(3, np.float32), shade), cloth, _soft(mask, 0.004))


def wrinkles(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Painted lines: forehead, nose to mouth, crow's feet."""
    side = len(chip)
    lines = np.zeros((side, side), np.float32)
    scale = lambda points: [np.round(np.array(points) * side * 8).astype(np.int32)]
    draw = lambda points: cv2.polylines(lines, scale(points), False, 1.0, 1, cv2.LINE_AA, shift=3)
    t = np.linspace(0, 1, 12)
    for k in range(rng.integers(0, 4)):
        level = 0.06 + 0.04 * k
        draw(np.column_stack([0.28 + 0.42 * t, level + 0.02 * np.sin(np.pi * t + rng.uniform(0, 1))]))
    if rng.random() < 0.8:
        for sign, corner in ((-1, LEFT_MOUTH), (1, RIGHT_MOUTH)):
            start = np.array([NOSE[0] + sign * 0.10, NOSE[1] + 0.0])
            end = corner + [sign * 0.05, 0.02]
            bow = np.column_stack([sign * 0.03 * np.sin(np.pi * t), np.zeros_like(t)])
            draw(start + (end - start) * t[:, None] + bow)
    if rng.random() < 0.7:
        for sign, eye in ((-1, LEFT_EYE), (1, RIGHT_EYE)):
            for slope in (-0.03, 0.0, 0.03):
                draw([eye + [sign * 0.12, slope * 0.5], eye + [sign * 0.18, slope * 1.6]])
    alpha = _soft(lines, rng.uniform(0.003, 0.008))
    return _blend(chip, np.asarray(chip, np.float32) * rng.uniform(0.35, 0.65), np.clip(alpha * rng.uniform(0.6, 1.2), 0, 1))


def grey_hair(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Powdered hair: what is dark above and beside the face turns grey."""
    side = len(chip)
    x, y = _grid(side)
    outside = 1 - _ellipse(side, (0.49, 0.5), (0.38, 0.47))
    light = chip.astype(np.float32).mean(2)
    dark = np.clip((110 - light) / 60, 0, 1) * outside * (y < 0.6)
    grey = light[..., None] * 0.6 + rng.uniform(70, 130)
    brows = sum(_ellipse(side, (eye[0], eye[1] - 0.1), (0.12, 0.03)) for eye in (LEFT_EYE, RIGHT_EYE)) * np.clip((120 - light) / 60, 0, 1)
    return _blend(chip, np.repeat(grey, 3, 2), _soft(np.clip(dark + 0.7 * brows, 0, 1), 0.006) * rng.uniform(0.5, 0.95))


KINDS = {"beard": beard, "make-up": make_up, "glasses": glasses, "cap": cap, "wrinkles": wrinkles, "grey hair": grey_hair}
# How often each is drawn in training; beards and make-up fool the gate most.
WEIGHTS = (0.28, 0.28, 0.18, 0.10, 0.10, 0.06)


def some(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One disguise, sometimes two."""
    names = rng.choice(list(KINDS), size=2 if rng.random() < 0.25 else 1, replace=False, p=WEIGHTS)
    for name in names:
        chip = KINDS[name](chip, rng)
    return chip
