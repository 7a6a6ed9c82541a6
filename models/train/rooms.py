"""What the age net says of people in rooms, found by the detector: `models/rooms.json`, for the model card.

The only pictures at hand that are of no studio, no press and no single part of the world, and the gate's nearest: people met in rooms, with
their surroundings. Their labels are decades of age, so an error in years cannot be told; what can is how often the estimate lies in the decade, or
how far outside it, and what would be decided. None of them was trained on by the age net (the liveness net's figures name them too).
"""

import csv
import json
import tarfile

import numpy as np

from common import ROOT, WORK, data_dir
from teenagers import predictions

RESULT = ROOT / "models" / "rooms.json"
CHALLENGE = 25


def main() -> None:
    folder = WORK / "data" / "rooms"
    if not folder.is_dir():
        with tarfile.open(data_dir() / "rooms-dev.tar.gz") as tar:
            tar.extractall(WORK / "data", filter="data")
    rows = list(csv.DictReader((folder / "labels.csv").open()))
    ends = lambda text: tuple(map(int, text.replace("70+", "70-100").split("-")))
    decades = {row["path"]: ends(row["age_group"]) for row in rows}
    with (folder / "ranges.csv").open("w") as labels:
        labels.write("path,age\n" + "".join(f"{path},{low}-{high}\n" for path, (low, high) in decades.items()))
    found = predictions(folder / "ranges.csv")
    result = {"pictures": len(rows), "found": len(found), "decades": {}}
    for low, high in sorted(set(decades.values())):
        mine = [found[path] for path, decade in decades.items() if decade == (low, high) and path in found]
        years = np.array([float(row["estimate"]) for row in mine])
        outside = np.maximum(0, np.maximum(low - 0.5 - years, years - high - 0.5))
        result["decades"][f"{low}-{high}" if high < 100 else f"{low}+"] = {
            "people": len(mine), "in_it": int((outside == 0).sum()), "outside_mean": round(float(outside.mean()), 2),
            "over_challenge": int((years >= CHALLENGE).sum()), "old_enough": sum(row["old_enough"] == "true" for row in mine),
        }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table())


def table() -> str:
    """The rows of the model card."""
    f = json.loads(RESULT.read_text())
    rows = [f"| {name} | {v['people']} | {v['in_it']} | {v['outside_mean']:.1f} | {v['over_challenge']} | {v['old_enough']} |" for name, v in f["decades"].items()]
    head = f"| age by the label, {f['found']} of {f['pictures']} pictures with a face found | people | estimate in that range | years outside it, mean | estimated {CHALLENGE} or over | old enough by one view, balanced policy |"
    return "\n".join([head, "|---" * 6 + "|", *rows])


if __name__ == "__main__":
    main()
