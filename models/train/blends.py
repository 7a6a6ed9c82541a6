"""Faces of nobody: two training faces blended into a third, and what the teacher sees in it.

The student learns its 18,017 faces by heart: 3.5 years of error on them against 4.6 on faces it never saw. The teacher can be
asked about any picture, so it is asked about faces that no label exists for. Chips are aligned, so that a blend of two is a
face again: a plain mean of two, the coarse shape of one under the fine texture of another, or parts of both with a soft seam.
(Mixed pictures of which the teacher is asked: Beyer et al., 'Knowledge distillation: a good teacher is patient and
consistent', 2022.)

Both faces of a blend come from one fold, so that the head which is asked knows the label of neither. Most pairs are of
like age; the others keep the net honest about faces that are young in one part and old in another.

`render_views.py` makes them, each of as many faces as there are to train on, and counts them as views from `views.VIEWS` on.
"""

import cv2
import numpy as np
import torch

import augment
import views
from common import SEED

LIKE_AGE = 0.75
LIKE_YEARS = 8


def chance(view: int) -> np.random.Generator:
    """What chooses the partners of a view."""
    return np.random.default_rng([SEED, view])


def partners(faces, rng: np.random.Generator) -> np.ndarray:
    """For each face another of its own fold, in three of four cases within a few years of age."""
    chosen = np.zeros(len(faces), np.int64)
    for fold in range(5):
        rows = np.flatnonzero(faces.fold == fold)
        by_age = rows[np.argsort(faces.age[rows], kind="stable")]
        ages = faces.age[by_age]
        low, high = np.searchsorted(ages, ages - LIKE_YEARS), np.searchsorted(ages, ages + LIKE_YEARS, side="right")
        like = (low + rng.random(len(rows)) * (high - low)).astype(np.int64)
        anyone = rng.integers(len(rows), size=len(rows))
        chosen[by_age] = by_age[np.where(rng.random(len(rows)) < LIKE_AGE, like, anyone)]
    return chosen


def blend(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two aligned chips `[S, S, 3]` to one, float in 0..255."""
    a, b = a.astype(np.float32), b.astype(np.float32)
    if rng.random() < 0.5:
        b = b[:, ::-1]
    # In the light of the first face: else a blend is told by its seams of light and dark.
    spread = np.clip((a.std((0, 1)) + 4) / (b.std((0, 1)) + 4), 0.6, 1.6)
    b = (b - b.mean((0, 1))) * spread + a.mean((0, 1))
    kind = rng.random()
    if kind < 0.4:
        share = rng.uniform(0.3, 0.7)
        mixed = share * a + (1 - share) * b
        # A mean of two is smoother than either face.
        fine = mixed - cv2.GaussianBlur(mixed, (0, 0), 1.5)
        return mixed + rng.uniform(0, 0.5) * fine
    if kind < 0.8:
        sigma = len(a) / 96 * rng.uniform(1.5, 6)
        fine, other = a - cv2.GaussianBlur(a, (0, 0), sigma), b - cv2.GaussianBlur(b, (0, 0), sigma)
        share = rng.uniform(0.6, 1)
        return a - fine + share * other + (1 - share) * fine
    noise = cv2.resize(rng.standard_normal((4, 4)).astype(np.float32), (a.shape[1], a.shape[0]), interpolation=cv2.INTER_CUBIC)
    mask = (1 / (1 + np.exp(-4 * noise)))[..., None]
    return mask * a + (1 - mask) * b


def drawer(view: int, faces):
    """Draws a view of blends for `views.write`."""
    other = partners(faces, chance(view))

    def draw(index: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        mixed = np.stack([blend(faces.pixels[i], faces.pixels[j], rng) for i, j in zip(index, other[index])]).clip(0, 255)
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        seen = augment.chips(torch.from_numpy(mixed).permute(0, 3, 1, 2).float(), views.SIDE, 0.4, generator).round().clamp(0, 255).byte()
        seen = seen.permute(0, 2, 3, 1).numpy()
        return seen, seen

    return draw
