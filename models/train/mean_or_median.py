"""Mean or median of the age distribution, and the group of it or the likeliest group: measured on the validation chips.

Writes `models/mean-or-median.json` for the model card. The shipped file runs in ONNX Runtime. At the decision what counts is how many
adults of 25 and over are asked for ID where the same share of the teenagers passes the challenge age: each statistic at its own limit.
"""

import json
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from common import ROOT, load_chips, near_duplicate_groups, split
from onnx_files import median, run, session

RESULT = ROOT / "models" / "mean-or-median.json"
EDGES = (0, 13, 18, 25, 35, 50, 65, 101)
# Shares of 13-17 that pass.
PASSING = (0.02, 0.05, 0.10)


def group(years: np.ndarray) -> np.ndarray:
    return np.digitize(np.round(years), EDGES[1:-1])


def distributions(pixels: Sequence[np.ndarray] | np.ndarray, rows: Iterable[int]) -> np.ndarray:
    model, metadata = session("age-estimator.onnx")
    side = int(metadata["input_width"])
    return np.array([run(model, metadata, cv2.resize(np.asarray(pixels[row]), (side, side), interpolation=cv2.INTER_AREA))[0][0] for row in rows])


def main() -> None:
    _, labels, pixels = load_chips()
    _, rows = split(labels, near_duplicate_groups(pixels))
    found, age = distributions(pixels, rows), labels[rows, 0]
    statistics = {"mean": found @ np.arange(101), "median": np.array([median(d) for d in found])}
    mass = np.stack([found[:, a:b].sum(1) for a, b in zip(EDGES, EDGES[1:])], 1)
    true_group = group(age)
    result: dict = {"chips": len(rows), "groups_right": {"likeliest": round(float((mass.argmax(1) == true_group).mean()), 4)}}
    for name, years in statistics.items():
        teenagers, adults = years[(age >= 13) & (age <= 17)], years[age >= 25]
        limits = [float(np.quantile(teenagers, 1 - share)) for share in PASSING]
        result["groups_right"][name] = round(float((group(years) == true_group).mean()), 4)
        result[name] = {
            "mae": round(float(np.abs(years - age).mean()), 4),
            "mae_by_group": [round(float(np.abs(years - age)[true_group == g].mean()), 2) for g in range(len(EDGES) - 1)],
            "adults_under_the_limit": [round(float((adults < limit).mean()), 4) for limit in limits],
        }
    result["passing_13_17"] = list(PASSING)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
