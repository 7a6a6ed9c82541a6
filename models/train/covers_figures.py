"""How often covered mouths and eyes are found, by the shipped file in the release binary: `models/covers.json`, for the model card.

Each validation chip is shown plain, disguised, with its mouth and with its eyes covered (`train_covers.drawn`). The point from which a face is
called covered was set on these very plain chips, a third of them blurred (one in a hundred was to be called so), so that row is no finding; the
others are. Writes shares of `agegate evaluate --aligned --predictions`.
"""

import json

import numpy as np

from common import ROOT, SEED, WORK, load_chips, near_duplicate_groups, split
from teenagers import predictions, write
from train_covers import KINDS, drawn

RESULT = ROOT / "models" / "covers.json"


def called(kind: str, chips: np.ndarray, ages: np.ndarray) -> tuple[float, float, float]:
    """Shares of these chips, drawn over, whose mouth, whose eyes, and whose mouth or eyes are called covered."""
    rng, folder = np.random.default_rng(SEED + 31 + KINDS.index(kind)), WORK / "covered" / kind
    write(folder, np.stack([drawn(kind, chip, rng) for chip in chips]), ages, np.array([kind] * len(chips)))
    rows = predictions(folder / "labels.csv", "--aligned").values()
    mouth, eyes = (np.array([float(r[part]) > 0.5 for r in rows]) for part in ("mouth_covered", "eyes_covered"))
    return float(mouth.mean()), float(eyes.mean()), float((mouth | eyes).mean())


def main() -> None:
    _, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    found = {kind: called(kind, np.asarray(pixels[held]), labels[held, 0]) for kind in KINDS}
    result = {"faces": len(held), "covered mouths found": found["mouth"][0], "covered eyes found": found["eyes"][1], "covered mouths never judged": found["mouth"][2],
              "covered eyes never judged": found["eyes"][2], "plain called covered": found["plain"][2], "disguised called covered": found["disguised"][2]}
    RESULT.write_text(json.dumps({key: round(value, 4) for key, value in result.items()}, indent=1) + "\n")
    print(json.dumps(result))


def table() -> str:
    """The rows of the model card."""
    f = json.loads(RESULT.read_text())
    rows = [("covered mouths found", "covered mouths found"), ("covered mouths, mouth or eyes called covered: not judged", "covered mouths never judged"), ("covered eyes found", "covered eyes found"),
            ("covered eyes, mouth or eyes called covered: not judged", "covered eyes never judged"), ("plain faces called covered (the limit was set on these chips, some of them blurred, at 1 %)", "plain called covered"),
            ("disguised faces called covered", "disguised called covered")]
    return "\n".join([f"| {f['faces']} validation chips of each kind | share |", "|---|---|", *(f"| {words} | {100 * f[key]:.1f} % |" for words, key in rows)])


if __name__ == "__main__":
    main()
