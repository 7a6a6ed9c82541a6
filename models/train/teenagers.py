"""How the age model judges teenagers, disguised ones too, and the adults who look like them: tables for the model card.

Everything goes through the release binary (`agegate evaluate --aligned --predictions`), on people whom training never saw:
validation chips of UTKFace, and the held-back people of the portraits.
"""

import csv
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np

import disguise
import portraits
from common import CACHE_SIDE, ROOT, SEED, WORK, load_chips, near_duplicate_groups, split

AGEGATE = ROOT / "target" / "release" / "agegate"


def write(folder: Path, pixels: np.ndarray, ages: np.ndarray, groups: np.ndarray) -> None:
    """Chips as PNG files with a label file beside them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "labels.csv").open("w") as labels:
        labels.write("path,age\n")
        for i, (chip, age) in enumerate(zip(pixels, ages)):
            name = f"{groups[i]}-{i}.png"
            cv2.imwrite(str(folder / name), cv2.cvtColor(chip, cv2.COLOR_RGB2BGR))
            labels.write(f"{name},{round(float(age))}\n")


def judged(folder: Path, model: Path | None) -> dict[str, tuple[float, float]]:
    """Estimated age and P(age >= 18) of every chip of a folder, by file name."""
    target = WORK / "teenagers.csv"
    more = ["--age-model", str(model)] if model else []
    run = subprocess.run([str(AGEGATE), "evaluate", "--dataset", str(folder / "labels.csv"), "--aligned", "--predictions", str(target), *more], capture_output=True, text=True)
    if run.returncode not in (0, 1):
        sys.exit(f"agegate evaluate: {run.stderr}")
    rows = list(csv.DictReader(target.open()))
    probability = next(k for k in rows[0] if "18" in k)
    return {os.path.basename(r["path"]): (float(r["estimate"]), float(r[probability])) for r in rows}


def minors() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chips, ages and source of everybody of 13 to 17 whom training never saw."""
    names, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    young = [i for i in held if 13 <= labels[i, 0] <= 17]
    people = portraits.load()
    mine = np.array([portraits.held_back(p) for p in people["person"]]) & (people["age"] >= 13) & (people["age"] < 18)
    chips = np.concatenate([np.asarray(pixels[young]), people["pixels"][mine]])
    return chips, np.concatenate([labels[young, 0], people["age"][mine]]), np.array(["utkface"] * len(young) + ["portrait"] * int(mine.sum()))


def disguised(model: Path | None = None) -> list[dict]:
    """A row for each disguise: minors, how many are let in by one view under the shipped policy, shift of the mean in years."""
    policy = tomllib.loads((ROOT / "models" / "policy.toml").read_text())
    chips, ages, sources = minors()
    rows, plain = [], None
    for name, draw in {"none": None, **disguise.KINDS}.items():
        rng = np.random.default_rng(SEED + 21)
        folder = WORK / "disguised" / name.replace(" ", "-")
        write(folder, chips if draw is None else np.stack([draw(c, rng) for c in chips]), ages, sources)
        found = judged(folder, model)
        estimates = np.array([found[f"{s}-{i}.png"] for i, s in enumerate(sources)])
        plain = estimates if plain is None else plain
        allowed = (estimates[:, 0] >= policy["challenge_age"]) & (estimates[:, 1] >= policy["confidence"])
        rows.append({"disguise": name, "minors": len(chips), "allowed": int(allowed.sum()), "judged 25": int((estimates[:, 0] >= 25).sum()),
                     "shift": float((estimates[:, 0] - plain[:, 0]).mean())})
    return rows


def on_portraits(model: Path | None = None) -> dict[str, float]:
    """Errors on the portraits of people held back, in years."""
    people = portraits.load()
    mine = np.array([portraits.held_back(p) for p in people["person"]])
    folder = WORK / "portraits-held"
    ages = people["age"][mine]
    write(folder, people["pixels"][mine], ages, np.array(["portrait"] * int(mine.sum())))
    found = judged(folder, model)
    error = np.array([found[f"portrait-{i}.png"][0] for i in range(len(ages))]) - ages
    teens, young = (ages >= 13) & (ages < 18), (ages >= 18) & (ages < 25)
    return {"teens": int(teens.sum()), "mae 13-17": float(np.abs(error[teens]).mean()), "bias 13-17": float(error[teens].mean()),
            "judged 25": int((error + ages)[teens].__ge__(25).sum()), "young": int(young.sum()), "mae 18-24": float(np.abs(error[young]).mean())}


def asian_adults(model: Path | None = None) -> tuple[int, int]:
    """Asian adults of 25 and over on UTKFace validation chips: judged under 25, and all."""
    names, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    mine = [i for i in held if labels[i, 2] == 2 and labels[i, 0] >= 25]
    folder = WORK / "asian-adults"
    write(folder, np.asarray(pixels[mine]), labels[mine, 0], np.array(["utkface"] * len(mine)))
    found = judged(folder, model)
    return sum(estimate < 25 for estimate, _ in found.values()), len(mine)


if __name__ == "__main__":
    which = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
    assert CACHE_SIDE == 128
    print(on_portraits(which), asian_adults(which), *disguised(which), sep="\n")
