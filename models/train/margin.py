"""What asking for surely 21 instead of surely 18 brings: adults asked for ID where as few minors pass, by several nets.

A gate that lets people of 18 in may ask how sure it is of 18, or of an age above it. Near the limit P(age >= 18) says little of the doubt
that counts: a net that takes a boy of sixteen for twenty-two is as sure of 18 as of anybody. `python margin.py CHECKPOINT...` gives each
validation picture (of chip and mirror image the mean) to checkpoints under `work/` and writes `models/margin.json`: for every age asked for, the
share of UTKFace adults that is asked for ID where so many pictures of teenagers pass, at the temperature of 1 and with the estimated age of
25 asked for as well.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

import age_net
import portraits
from common import ROOT, WORK, load_chips, near_duplicate_groups, split
from onnx_files import median
from train_age import predict

RESULT = ROOT / "models" / "margin.json"
SURE_OF = (18, 19, 20, 21, 22, 23)
PASSING = (2, 3, 4)
CHALLENGE = 25


def distributions(name: str, parts: list[np.ndarray]) -> np.ndarray:
    net, side = age_net.load(WORK / f"{name}.pt")
    looks = [[predict(net, view, side)[0].numpy() for view in (pixels, pixels[:, :, ::-1])] for pixels in parts]
    return np.concatenate([(plain + mirrored) / 2 for plain, mirrored in looks])


def table() -> str:
    """The rows of the model card."""
    found = json.loads(RESULT.read_text())
    head = " | ".join(f"surely {years}" for years in found["sure_of"])
    rows = [f"| {name}, {passing} of {found['minors']} pass | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |"
            for name, by_passing in found["nets"].items() for passing, shares in by_passing.items()]
    return "\n".join([f"| net, pictures of 13 to 17 that pass | {head} |", "|---" * (len(found["sure_of"]) + 1) + "|", *rows])


def main() -> None:
    names = sys.argv[1:] or sys.exit(__doc__)
    torch.set_num_threads(1)
    _, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    people = portraits.load()
    aside = np.array([portraits.held_back(p) for p in people["person"]])
    age = np.concatenate([labels[held, 0], np.floor(people["age"][aside])])
    teenagers = (age >= 13) & (age <= 17)
    adults = (age >= 18) & (np.arange(len(age)) < len(held))
    result: dict = {"minors": int(teenagers.sum()), "adults": int(adults.sum()), "sure_of": list(SURE_OF), "nets": {}}
    for name in names:
        found = distributions(name, [np.asarray(pixels[held]), people["pixels"][aside]])
        judged = np.array([median(d) for d in found]) >= CHALLENGE
        by_passing: dict = {str(k): [] for k in PASSING}
        for years in SURE_OF:
            sure = np.where(judged, found[:, years:].sum(1), -1.0)
            highest = np.sort(sure[teenagers])[::-1]
            for k in PASSING:
                by_passing[str(k)].append(round(float((sure[adults] <= highest[k]).mean()), 4))
        result["nets"][Path(name).name] = by_passing
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table())


if __name__ == "__main__":
    main()
