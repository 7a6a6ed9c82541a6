"""How near two runs of the same recipe come to each other: `models/repeats.json`, for the model card.

`python repeats.py RECIPE CHECKPOINT...` measures checkpoints under `work/` that one recipe made with different seeds, in torch, one pass a
chip, on the pictures that training never saw.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

import age_net
import portraits
from common import ROOT, WORK, load_chips, near_duplicate_groups, split
from train_age import YEARS, figures, portrait_figures, predict

RESULT = ROOT / "models" / "repeats.json"
ROWS = (("mae", "MAE, years", 1), ("group", "groups right, %", 100), ("gender", "gender right, %", 100), ("p13-17", "portraits 13-17: MAE", 1), ("bias", "the same: bias", 1), ("p18-24", "portraits 18-24: MAE", 1))
DRAWS = 2000


def measure(name: str, held_pixels: np.ndarray, labels: np.ndarray, people: dict, aside: np.ndarray) -> tuple[dict, np.ndarray]:
    """Figures of a checkpoint, and its absolute errors on the chips."""
    state = torch.load(WORK / f"{name}.pt", map_location="cpu")
    net, side = age_net.averaged(state), state["side"]
    distribution, female = predict(net, held_pixels, side)
    found = figures(distribution, female, labels) | portrait_figures(predict(net, people["pixels"][aside], side)[0], people["age"][aside])
    kept = {key: round(found[key], 4) for key, *_ in ROWS}
    if "cpu_seconds" in state:
        kept["core_minutes"] = round(state["cpu_seconds"] / 60)
    return kept, np.abs((distribution @ YEARS).numpy() - labels[:, 0])


def interval(one: np.ndarray, other: np.ndarray) -> list[float]:
    """95 % interval of the difference of two MAEs on the same chips, by bootstrap over the chips."""
    rng, difference = np.random.default_rng(0), one - other
    drawn = difference[rng.integers(len(difference), size=(DRAWS, len(difference)))].mean(1)
    return [round(float(v), 3) for v in np.quantile(drawn, (0.025, 0.975))]


def table() -> str:
    """The rows of the model card."""
    recipes = json.loads(RESULT.read_text())
    lines = []
    for recipe, found in recipes.items():
        runs = found["runs"]
        lines += [f"| {recipe}, {found['chips']} chips and {found['portraits']} portraits | {' | '.join(runs)} | furthest apart |", "|---" * (len(runs) + 2) + "|"]
        for key, title, unit in ROWS:
            values = [unit * run[key] for run in runs.values()]
            digits = 1 if unit == 100 else 2
            lines.append(f"| {title} | {' | '.join(f'{v:.{digits}f}' for v in values)} | {max(values) - min(values):.{digits}f} |")
        if all("core_minutes" in run for run in runs.values()):
            lines.append(f"| training, minutes of one core | {' | '.join(str(run['core_minutes']) for run in runs.values())} | |")
        lines += ["", f"95 % interval of the difference of the two MAEs: {found['interval'][0]:+.2f} to {found['interval'][1]:+.2f} years.", ""] if "interval" in found else [""]
    return "\n".join(lines).rstrip()


def main() -> None:
    recipe, *names = sys.argv[1:] if len(sys.argv) > 2 else sys.exit(__doc__)
    torch.set_num_threads(1)
    _, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    people = portraits.load()
    aside = np.array([portraits.held_back(p) for p in people["person"]])
    runs, errors = {}, []
    for name in names:
        runs[Path(name).name], error = measure(name, np.asarray(pixels[held]), labels[held], people, aside)
        errors.append(error)
        print(name, json.dumps(runs[Path(name).name]), flush=True)
    recipes = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    recipes[recipe] = {"chips": len(held), "portraits": int(aside.sum()), "runs": runs}
    if len(names) == 2:
        recipes[recipe]["interval"] = interval(*errors)
    RESULT.write_text(json.dumps(recipes, indent=1) + "\n")


if __name__ == "__main__":
    main()
