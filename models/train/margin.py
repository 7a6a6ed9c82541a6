"""What asking for surely 21 instead of surely 18 brings: adults asked for ID where as few minors pass, by every version of the net.

A gate that lets people of 18 in may ask how sure it is of 18, or of an age above it. Near the limit P(age >= 18) says little of the doubt
that counts: a net that takes a boy of sixteen for twenty-two is as sure of 18 as of anybody. Gives each validation picture (of chip and mirror
image the mean) to every version that shipped (`history.past`), in ONNX Runtime, and writes `models/margin.json`: for every age asked for, the
share of UTKFace adults that is asked for ID where so many pictures of teenagers pass, at the temperature of 1 and with an estimated age of 25
asked for as well, by the median of the distribution and by its mean.
"""

import json
import subprocess
import sys
import tomllib

import cv2
import numpy as np

import history
import portraits
from common import ROOT, WORK, load_chips, near_duplicate_groups, split
from onnx_files import median, run, session
from teenagers import AGEGATE

RESULT = ROOT / "models" / "margin.json"
SURE_OF = (18, 19, 20, 21, 22, 23)
PASSING = (2, 3, 4, 6)
CHALLENGE = 25
STATISTICS = {"median": median, "mean": lambda distribution: float(distribution @ np.arange(101))}


def distributions(path: str, pixels: np.ndarray) -> np.ndarray:
    model, metadata = session(path)
    side = int(metadata["input_width"])
    small = [cv2.resize(chip, (side, side), interpolation=cv2.INTER_AREA) for chip in pixels]
    look = lambda chip: run(model, metadata, np.ascontiguousarray(chip))[0][0]
    return np.array([(look(chip) + look(chip[:, ::-1])) / 2 for chip in small])


def asked(found: np.ndarray, statistic, years: int, teenagers: np.ndarray, adults: np.ndarray) -> list[float]:
    """For each of `PASSING`: the share of the adults asked for ID at the lowest confidence that lets no more teenagers pass."""
    old = np.array([statistic(d) for d in found]) >= CHALLENGE
    sure = np.where(old, found[:, years:].sum(1), -1.0)
    highest = np.sort(sure[teenagers])[::-1]
    return [round(float((sure[adults] <= highest[k]).mean()), 4) for k in PASSING]


def table() -> str:
    """The rows of the model card."""
    found = json.loads(RESULT.read_text())
    shipped = list(found["nets"])[-1]
    lines = [f"| net, pictures of 13 to 17 that pass | {' | '.join(f'surely {years}' for years in found['sure_of'])} |", "|---" * (len(found["sure_of"]) + 1) + "|"]
    for name, by_statistic in found["nets"].items():
        for statistic, shares in by_statistic.items():
            if statistic != "median" and name != shipped:
                continue
            title = f"{name}, as shipped" if name == shipped else name
            for k, passing in enumerate(found["passing"]):
                lines.append(f"| {title}, by the {statistic}, {passing} of {found['minors']} pass | " + " | ".join(f"{100 * by_age[k]:.1f} %" for by_age in shares) + " |")
    return "\n".join(lines)


def visits() -> dict:
    """Of adults how many `agegate calibrate` asks for ID under the balanced policy's bound, by the age that it asks for; without living faces."""
    shipped = tomllib.loads((ROOT / "models" / "policy.toml").read_text())
    found, target = {}, WORK / "policy-trial.toml"
    for years in (shipped["threshold_age"], shipped["sure_age"]):
        bound = shipped["evidence"]["max_false_accept"]
        more = ["--sure-of", str(years), "--max-false-accept", str(bound), "--out", str(target)]
        said = subprocess.run([str(AGEGATE), "calibrate", "--aligned-dataset", str(WORK / "validation"), "--dataset", str(WORK / "portraits-validation"), *more], capture_output=True, text=True)
        if said.returncode:
            sys.exit(f"agegate calibrate: {said.stderr}")
        found[str(years)] = {key: tomllib.loads(target.read_text())["evidence"][key] for key in ("adults", "false_reject", "false_accept", "false_accept_high")}
    return found


def statistics_in_words() -> str:
    """Mean and median at the decision of the net and the age that ship."""
    found = json.loads(RESULT.read_text())
    column = found["sure_of"].index(tomllib.loads((ROOT / "models" / "policy.toml").read_text())["sure_age"])
    shipped = list(found["nets"].values())[-1]
    of = lambda statistic: ", ".join(f"{100 * share:.1f}" for share in shipped[statistic][column])
    return f"where {', '.join(map(str, found['passing']))} of {found['minors']} pictures of 13 to 17 pass, the median asks {of('median')} % of the adults, the mean {of('mean')} %"


def by_visits() -> str:
    """The same in words."""
    found = json.loads(RESULT.read_text())["visits"]
    each = "; ".join(f"surely {years}: {100 * v['false_reject']:.1f} % of {v['adults']} adults asked, {100 * v['false_accept']:.1f} % of 13 to 17 let in, at most {100 * v['false_accept_high']:.1f}" for years, v in found.items())
    return f"By visits, as `agegate calibrate` simulates them under the bound of the balanced policy, it pays there too: {each}."


def main() -> None:
    _, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    people = portraits.load()
    aside = np.array([portraits.held_back(p) for p in people["person"]])
    age = np.concatenate([labels[held, 0], np.floor(people["age"][aside])])
    shown = np.concatenate([np.asarray(pixels[held]), people["pixels"][aside]])
    teenagers = (age >= 13) & (age <= 17)
    adults = (age >= 18) & (np.arange(len(age)) < len(held))
    result: dict = {"minors": int(teenagers.sum()), "adults": int(adults.sum()), "sure_of": list(SURE_OF), "passing": list(PASSING), "nets": {}}
    for files in history.past():
        found = distributions(str(files[1]), shown)
        of = lambda statistic: [asked(found, statistic, years, teenagers, adults) for years in SURE_OF]
        result["nets"][f"version {history.version(files[1])}"] = {name: of(statistic) for name, statistic in STATISTICS.items()}
        print(files[1], flush=True)
    result["visits"] = visits()
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table(), by_visits(), sep="\n\n")


if __name__ == "__main__":
    main()
