"""How the age model judges teenagers, disguised ones too, and the adults who look like them: tables for the model card.

Everything goes through the release binary (`agegate evaluate --aligned --predictions`), on people whom training never saw:
validation chips of UTKFace, and the held-back people of the portraits.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import onnx

import disguise
import portraits
from common import CACHE_SIDE, ROOT, SEED, WORK, load_chips, near_duplicate_groups, split
from onnx_files import median, run, session

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


def predictions(labels: Path, *more: str) -> dict[str, dict[str, str]]:
    """What the release binary says of the pictures of a label file, by file name (`agegate evaluate --predictions`)."""
    target = WORK / "predictions-of.csv"
    said = subprocess.run([str(AGEGATE), "evaluate", "--dataset", str(labels), "--predictions", str(target), *more], capture_output=True, text=True)
    if said.returncode not in (0, 1):
        sys.exit(f"agegate evaluate: {said.stderr}")
    return {os.path.basename(row["path"]): row for row in csv.DictReader(target.open())}


def deciding(policy: Path) -> Path:
    """The values of a policy that decide, alone: how figures are kept beside them differs between versions."""
    values = tomllib.loads(policy.read_text())
    kept = {key: values[key] for key in ("threshold_age", "challenge_age", "sure_age", "confidence", "temperature", "model") if key in values}
    target = WORK / "policy-deciding.toml"
    target.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in kept.items()))
    return target


def judged_in_float(folder: Path, model: Path, policy: Path | None) -> dict[str, tuple[float, bool | None]]:
    """The same in ONNX Runtime, for files of the first two versions, which do not say what is covered and which the gate loads no more."""
    net, metadata = session(str(model))
    side, asked = int(metadata["input_width"]), tomllib.loads(policy.read_text()) if policy else None
    found = {}
    for path in folder.glob("*.png"):
        chip = cv2.resize(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), (side, side), interpolation=cv2.INTER_AREA)
        distribution = run(net, metadata, chip)[0][0].astype(np.float64)
        years, enough = median(distribution), None
        if asked:
            tempered = distribution ** (1 / asked.get("temperature", 1.0))
            sure = tempered[asked.get("sure_age", asked["threshold_age"]) :].sum() / tempered.sum()
            enough = bool(sure >= asked["confidence"] and years >= asked["challenge_age"])
        found[path.name] = (years, enough)
    return found


def judged(folder: Path, model: Path | None, policy: Path | None = None) -> dict[str, tuple[float, bool | None]]:
    """Estimated age of every chip of a folder, by file name, and whether the policy takes it for old enough, where the policy was made for
    this model (without one: the shipped policy)."""
    if model and len(onnx.load(model).graph.output) < 3:
        return judged_in_float(folder, model, policy)
    more = ["--age-model", str(model)] if model else []
    more += ["--policy", str(deciding(policy))] if policy else []
    enough = {"true": True, "false": False, "": None}
    rows = predictions(folder / "labels.csv", "--aligned", *more)
    return {name: (float(row["estimate"]), enough[row["old_enough"]]) for name, row in rows.items()}


def minors() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chips, ages and source of everybody of 13 to 17 whom training never saw."""
    names, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    young = [i for i in held if 13 <= labels[i, 0] <= 17]
    people = portraits.load()
    mine = np.array([portraits.held_back(p) for p in people["person"]]) & (people["age"] >= 13) & (people["age"] < 18)
    chips = np.concatenate([np.asarray(pixels[young]), people["pixels"][mine]])
    return chips, np.concatenate([labels[young, 0], people["age"][mine]]), np.array(["utkface"] * len(young) + ["portrait"] * int(mine.sum()))


def disguised(model: Path | None = None, policy: Path | None = None) -> list[dict]:
    """A row for each disguise: minors, how many the policy takes for old enough by one view, shift of the mean in years."""
    chips, ages, sources = minors()
    rows, plain = [], None
    for name, draw in {"none": None, **disguise.KINDS}.items():
        rng = np.random.default_rng(SEED + 21)
        folder = WORK / "disguised" / name.replace(" ", "-")
        write(folder, chips if draw is None else np.stack([draw(c, rng) for c in chips]), ages, sources)
        by_name = judged(folder, model, policy)
        found = [by_name[f"{s}-{i}.png"] for i, s in enumerate(sources)]
        if any(enough is None for _, enough in found):
            sys.exit("the policy was made for another age model: what it asks for means nothing for this one")
        estimates = np.array([estimate for estimate, _ in found])
        plain = estimates if plain is None else plain
        rows.append({"disguise": name, "minors": len(chips), "allowed": sum(enough for _, enough in found), "judged 25": int((estimates >= 25).sum()),
                     "shift": float((estimates - plain).mean())})
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
