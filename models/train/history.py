"""Figures of each version of the models on the same pictures by the same programs: `models/history.json`, the model card's tables
of before and after.

`python history.py DETECTOR.onnx AGE.onnx POLICY.toml` measures two files, the second under the policy that shipped with it, and keeps the
figures under their versions; without arguments the shipped ones. `python history.py --all` takes every version out of the repository's past
(`PAST`) and measures it anew. Nothing in the file is typed by hand.
"""

import json
import subprocess
import sys
from pathlib import Path

import onnx

import robustness
import teenagers
from common import ROOT, WORK

# The last commit with each version of either model, oldest first.
PAST = ("9871cbd", "b5b7538", "93e467e", "d48533d", "f743d2d")
SHIPPED = tuple(ROOT / "models" / name for name in ("face-detector.onnx", "age-estimator.onnx", "policy.toml"))
PATH = ROOT / "models" / "history.json"


def version(path: Path) -> str:
    return {p.key: p.value for p in onnx.load(path).metadata_props}["version"]


def load() -> dict:
    return json.loads(PATH.read_text()) if PATH.is_file() else {"detector": {}, "age": {}}


def measure(detector: Path, age: Path, policy: Path | None = None) -> dict:
    """Measures and keeps the figures of both files; returns all figures there are."""
    history = load()
    history["detector"][version(detector)] = robustness.found(detector)
    judged, all_ = teenagers.asian_adults(age)
    history["age"][version(age)] = {"portraits": teenagers.on_portraits(age), "asian_adults_under_25": [judged, all_], "disguises": teenagers.disguised(age, policy)}
    PATH.write_text(json.dumps(history, indent=1) + "\n")
    return history


def past() -> list[tuple[Path, Path, Path]]:
    """Detector, age estimator and policy of every version that shipped, as the repository has them, oldest first."""
    folder = WORK / "past"
    folder.mkdir(parents=True, exist_ok=True)
    versions = []
    for commit in PAST:
        files = tuple(folder / f"{commit}-{path.name}" for path in SHIPPED)
        for path, name in zip(files, SHIPPED):
            if not path.is_file():
                path.write_bytes(subprocess.run(["git", "show", f"{commit}:models/{name.name}"], cwd=ROOT, capture_output=True, check=True).stdout)
        versions.append(files)
    return [*versions, SHIPPED]


def share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} % ({count} of {total})"


def detector_table(history: dict) -> str:
    versions = sorted(history["detector"], key=int)
    rows = [f"| scene photos of people that training never saw | {' | '.join(f'version {v}' for v in versions)} |", "|---" * (len(versions) + 1) + "|"]
    for name in history["detector"][versions[-1]]:
        rows.append(f"| {name} | {' | '.join(share(*history['detector'][v][name]) if name in history['detector'][v] else 'not counted' for v in versions)} |")
    return "\n".join(rows)


def teenagers_table(history: dict) -> str:
    versions = sorted(history["age"], key=int)
    cells = lambda text: " | ".join(text(history["age"][v]) for v in versions)
    portraits = lambda key, digits=2: cells(lambda h: f"{h['portraits'][key]:+.{digits}f}" if key.startswith("bias") else f"{h['portraits'][key]:.{digits}f}")
    last = history["age"][versions[-1]]["portraits"]
    return "\n".join([
        f"| people that training never saw | {' | '.join(f'version {v}' for v in versions)} |",
        "|---" * (len(versions) + 1) + "|",
        f"| {last['teens']} portraits of 13-17: mean error, years | {portraits('mae 13-17')} |",
        f"| the same: bias, years | {portraits('bias 13-17')} |",
        f"| the same: judged 25 or over | {cells(lambda h: share(h['portraits']['judged 25'], h['portraits']['teens']))} |",
        f"| {last['young']} portraits of 18-24: mean error, years | {portraits('mae 18-24')} |",
        f"| Asian adults of 25 and over on validation chips, judged under 25 | {cells(lambda h: share(*h['asian_adults_under_25']))} |",
    ])


def disguise_table(history: dict) -> str:
    versions = sorted(history["age"], key=int)
    head = " | ".join(f"let in, version {v} | shift, version {v}" for v in versions)
    rows = [f"| minors of 13-17, disguised by code | {head} |", "|---" * (2 * len(versions) + 1) + "|"]
    for i, row in enumerate(history["age"][versions[-1]]["disguises"]):
        each = [history["age"][v]["disguises"][i] for v in versions]
        rows.append(f"| {row['disguise']} | " + " | ".join(f"{share(r['allowed'], r['minors'])} | {r['shift']:+.2f}" for r in each) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    for files in past() if sys.argv[1:] == ["--all"] else [[Path(a).resolve() for a in sys.argv[1:]] or SHIPPED]:
        found = measure(*files)
    print(detector_table(found), teenagers_table(found), disguise_table(found), sep="\n\n")
