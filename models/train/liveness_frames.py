"""Real frames for the figures of the liveness net: whole pictures with the face boxes that the shipped detector draws in them.

Living: photos of people held back from training (scenes, rooms), and the 30 webcam frames of `attacks-dev`. Attacks: its 23 frames of
a phone's screen. Nothing of `attacks-dev` is ever trained on or chosen by.
"""

import csv
import pickle

import numpy as np

from common import unpacked
from living import FOLDER, Finder, people, unpack
from scenes import read


def frames() -> dict[str, list[dict]]:
    """By name of the set: `image`, `box`, `path`, and `gender` or `group` where labelled."""
    target = FOLDER / "frames.pickle"
    if target.is_file():
        return pickle.loads(target.read_bytes())
    unpack("attacks-dev.tar.gz", "attacks")
    finder = Finder()
    held = {(p["kind"], p["path"]) for p in people() if p["held"]}
    of = lambda name: {r["path"]: r for r in csv.DictReader((unpacked() / name / "labels.csv").open())}
    rooms, portraits = of("rooms"), of("portraits")
    sets = {
        "webcam": [(p, {}) for p in sorted((unpacked() / "attacks" / "live").iterdir())],
        "screen": [(p, {}) for p in sorted((unpacked() / "attacks" / "screen").iterdir())],
        "scenes": [(unpacked() / "scenes" / "faces" / n, {}) for k, n in sorted(held) if k == "scene"],
        "rooms": [(unpacked() / "rooms" / n, rooms[n]) for k, n in sorted(held) if k == "room"],
        "portraits": [(unpacked() / "portraits" / n, portraits[n]) for k, n in sorted(held) if k == "portrait"],
    }
    found: dict[str, list[dict]] = {}
    for name, entries in sets.items():
        found[name] = []
        for path, labels in entries:
            image = read(path)
            face = finder.face(image)
            if face is not None:
                found[name].append({"image": image, "box": face[0], "path": path.name, "labels": labels})
    target.write_bytes(pickle.dumps(found))
    return found


def face_share(entry: dict) -> float:
    return float((entry["box"][3] - entry["box"][1]) / entry["image"].shape[0])


if __name__ == "__main__":
    from liveness_set import Peer

    peer = Peer()
    for name, entries in frames().items():
        said = np.concatenate([peer([(e["image"], e["box"])]) for e in entries])
        print(name, len(entries), "peer's logit at 5, 25, 50, 75, 95 %:", np.percentile(said, [5, 25, 50, 75, 95]).round(2))
