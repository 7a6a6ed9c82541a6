"""What the frames of a visit add to one another: how the errors of two views of a face go together, and the error of their mean.

Writes `models/fusion.json` for the model card. Each validation chip is seen again mirrored, turned in the picture's plane, nearer, farther,
aside, small and brighter; the distributions are pooled with equal weights, and the median is the estimate. Then visits of frames of
unlike quality, pooled once with equal weights and once with the gate's (`quality::pixels`, read off `agegate evaluate --predictions`).
"""

import json
from collections.abc import Callable

import cv2
import numpy as np

from common import CACHE_SIDE, ROOT, SEED, WORK, load_chips, near_duplicate_groups, split
from mean_or_median import distributions
from onnx_files import median
from teenagers import predictions, write

RESULT = ROOT / "models" / "fusion.json"
HALF = CACHE_SIDE / 2


def moved(turn: float = 0.0, scale: float = 1.0, aside: float = 0.0) -> Callable[[np.ndarray], np.ndarray]:
    """Degrees, factor and share of the side."""
    matrix = cv2.getRotationMatrix2D((HALF, HALF), turn, scale)
    matrix[:, 2] += aside * CACHE_SIDE
    return lambda chip: cv2.warpAffine(chip, matrix, (CACHE_SIDE, CACHE_SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def mirrored(chip: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(chip[:, ::-1])


def small(chip: np.ndarray) -> np.ndarray:
    return cv2.resize(cv2.resize(chip, (56, 56), interpolation=cv2.INTER_AREA), (CACHE_SIDE, CACHE_SIDE))


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mirrored": mirrored, "turned by 5 degrees": moved(5), "turned by -5 degrees": moved(-5), "6 % nearer": moved(scale=1.06), "6 % farther": moved(scale=0.94),
    "3 % aside": moved(aside=0.03), "at 56 pixels": small, "20 % brighter": lambda chip: np.clip(chip.astype(np.float32) * 1.2, 0, 255).astype(np.uint8),
}
TOGETHER = {
    "plain and mirrored, as the gate takes them in turn": ["mirrored"],
    "the same and both turns": ["mirrored", "turned by 5 degrees", "turned by -5 degrees"],
    "all": list(VIEWS),
}

# Frames of a visit whose quality differs, and resamplings of the people for its interval.
FRAMES, DRAWS = 6, 2000


def worse(chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A frame of a moving head in changing light: by chance sharp or blurred, bright or dark, with noise."""
    out = chip.astype(np.float32)
    if rng.random() < 0.6:
        out = cv2.GaussianBlur(out, (0, 0), float(np.exp(rng.uniform(np.log(0.5), np.log(4.0)))))
    out = out * rng.uniform(0.2, 1.1) + rng.normal(0, rng.uniform(1, 8), out.shape)
    return out.clip(0, 255).round().astype(np.uint8)


def weights(frames: list[np.ndarray]) -> np.ndarray:
    """The weight that the gate gives each chip, 0 for one that it does not judge."""
    folder = WORK / "frames"
    write(folder, np.stack(frames), np.full(len(frames), 30), np.array(["frame"] * len(frames)))
    found = predictions(folder / "labels.csv", "--aligned")
    return np.array([float(found[f"frame-{i}.png"]["weight"]) for i in range(len(frames))])


def by_weight(chips: list[np.ndarray], age: np.ndarray) -> dict:
    """Error of visits of unlike frames, pooled with equal weights, with the gate's, and of their best frame alone."""
    rng = np.random.default_rng(SEED + 41)
    frames = [worse(chip[:, ::-1] if k % 2 else chip, rng) for chip in chips for k in range(FRAMES)]
    weight = weights(frames).reshape(-1, FRAMES)
    found = distributions(frames, range(len(frames))).reshape(len(chips), FRAMES, -1)
    judged = (weight > 0).any(1)
    good = weight[judged] > 0
    best = weight[judged] == weight[judged].max(1, keepdims=True)
    pooled = lambda w: np.array([median(d) for d in (found[judged] * w[..., None]).sum(1) / w.sum(1)[:, None]])
    error = {name: np.abs(pooled(w.astype(np.float64)) - age[judged]) for name, w in {"equal weights": good, "the gate's weights": weight[judged], "the best frame alone": best}.items()}
    difference = error["the gate's weights"] - error["equal weights"]
    drawn = difference[rng.integers(len(difference), size=(DRAWS, len(difference)))].mean(1)
    return {"visits": int(judged.sum()), "frames": FRAMES, "not_judged": round(float((weight == 0).mean()), 4), "mae": {name: round(float(e.mean()), 4) for name, e in error.items()},
            "interval": [round(float(v), 4) for v in np.quantile(drawn, (0.025, 0.975))]}


def main() -> None:
    _, labels, pixels = load_chips()
    _, rows = split(labels, near_duplicate_groups(pixels))
    rows = rows[::2]
    age = labels[rows, 0]
    chips = [np.asarray(pixels[row]) for row in rows]
    look = lambda change: distributions([change(chip) for chip in chips], range(len(chips)))
    error = lambda found: np.array([median(d) for d in found]) - age
    plain = look(lambda chip: chip)
    views = {name: look(change) for name, change in VIEWS.items()}
    first = error(plain)
    result = {
        "chips": len(rows), "mae": round(float(np.abs(first).mean()), 4),
        "views": {name: {"mae": round(float(np.abs(error(found)).mean()), 4), "correlation": round(float(np.corrcoef(first, error(found))[0, 1]), 3),
                         "mae_of_both": round(float(np.abs(error((plain + found) / 2)).mean()), 4)} for name, found in views.items()},
        "together": {name: round(float(np.abs(error(sum((views[v] for v in members), plain) / (len(members) + 1))).mean()), 4) for name, members in TOGETHER.items()},
        "weighted": by_weight(chips, age),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
