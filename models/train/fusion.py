"""What the frames of a visit add to one another: how the errors of two views of a face go together, and the error of their mean.

Writes `models/fusion.json` for the model card. Each validation chip is seen again mirrored, turned, nearer, farther, aside, small and
brighter; the distributions are pooled as the gate pools them (`AgeEstimate::pool`, equal weights), and the median is the estimate.
"""

import json
from collections.abc import Callable

import cv2
import numpy as np

from common import CACHE_SIDE, ROOT, load_chips, near_duplicate_groups, split
from mean_or_median import distributions
from onnx_files import median

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
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
