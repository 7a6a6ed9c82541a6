"""The whole gate on real faces: `agegate replay` on photos, each as a visitor who stands still for 1.5 s.

`python3 scripts/try_real_faces.py FOLDER [COUNT]`. Photos named in the UTKFace scheme are counted by true age band, others
together. Detection, quality, visit and policy are those of the daemon, with the shipped policy.
"""

import collections
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

AGEGATE = pathlib.Path(__file__).resolve().parent.parent / "target/release/agegate"
BANDS = ((0, 12), (13, 17), (18, 24), (25, 34), (35, 49), (50, 64), (65, 120))


def band(path: pathlib.Path) -> str:
    match = re.match(r"(\d+)_[01]_[0-4]_", path.name)
    if not match:
        return "unlabelled"
    age = int(match.group(1))
    return next(f"{low}-{high}" for low, high in BANDS if low <= age <= high)


def decide(path: pathlib.Path) -> str:
    out = subprocess.run([AGEGATE, "replay", "--repeat", "15", path], capture_output=True, text=True, check=True).stdout
    match = re.search(r"s: (\w+) \(([\w-]+)\)", out)
    return f"{match.group(1)} ({match.group(2)})" if match else "no visit"


def main() -> None:
    paths = sorted(p for p in pathlib.Path(sys.argv[1]).iterdir() if p.suffix.lower() in (".jpg", ".png"))
    count = int(sys.argv[2]) if len(sys.argv) > 2 else len(paths)
    paths = paths[:: max(1, len(paths) // count)][:count]
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(decide, paths))
    table = collections.defaultdict(collections.Counter)
    for path, outcome in zip(paths, outcomes):
        table[band(path)][outcome] += 1
    for name in sorted(table, key=lambda n: int(n.split("-")[0]) if n[0].isdigit() else 999):
        total = sum(table[name].values())
        parts = ", ".join(f"{outcome} {n} ({100 * n / total:.0f} %)" for outcome, n in table[name].most_common())
        print(f"{name:<10} {total:>5} visitors: {parts}")


if __name__ == "__main__":
    main()
