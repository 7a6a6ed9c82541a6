"""Measures `models/liveness.onnx` on what its training never saw and writes `models/liveness.json`, for the model card.

`python liveness_figures.py [--left-out CHECKPOINT]`: the checkpoint is one of `train_liveness.py --without KINDS`, whose figures for those
kinds stand beside. The limits are those of the shipped policies, which `make policy` chose on frames of its own; the peer and the net
of the kinds left out have theirs where as many of the composed living scenes in the even blocks held back are refused, and every other figure
is of other frames. Errors of attacks and of the living by ISO/IEC 30107-3: APCER and BPCER, with Wilson's intervals.
"""

import argparse
import json
import math
import tomllib

import cv2
import numpy as np
import onnx
import onnxruntime
import torch

import attacks
import door_camera
import liveness_net
from common import ROOT, SEED, WORK
from liveness_frames import frames
from liveness_set import KINDS, Peer, crops, jitter
from living import FOLDER, Material
from train_liveness import BPCER, channels, load, scores

RESULT = ROOT / "models" / "liveness.json"
ETHNICITIES = ("White", "Black", "Asian", "Indian", "other")


def rate(wrong: np.ndarray) -> dict:
    """Share, with Wilson's interval of 95 %, and the number of frames."""
    n, hits, z = len(wrong), int(np.sum(wrong)), 1.96
    if not n:
        return {"value": None, "low": None, "high": None, "frames": 0}
    p = hits / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return {"value": round(p, 5), "low": round(max(0.0, middle - half), 5), "high": round(min(1.0, middle + half), 5), "frames": n}


class Shipped:
    """The ONNX file, as the gate runs it: each face is looked at twice, once mirrored."""

    def __init__(self, path=ROOT / "models" / "liveness.onnx"):
        self.metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.scales = [float(s) for s in self.metadata["scales"].split()]
        self.mean, self.std = float(self.metadata["mean"]), float(self.metadata["std"])

    def run(self, stacked: np.ndarray) -> float:
        x = (stacked.transpose(2, 0, 1)[None].astype(np.float32) - self.mean) / self.std
        looks = [self.session.run(None, {"image": np.ascontiguousarray(view)})[0][0, 0] for view in (x, x[..., ::-1])]
        return float(np.mean(looks))

    def stacked(self, pixels: np.ndarray) -> np.ndarray:
        columns = channels(self.scales)
        return np.array([self.run(x[..., columns]) for x in pixels])

    def frame(self, image: np.ndarray, box: np.ndarray) -> float:
        return self.run(crops(image, box, self.scales, int(self.metadata["input_width"])))


def labelled(count: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Composed living scenes with the faces of labelled chips held back: crops, gender, ethnicity."""
    target = FOLDER / "labelled.npz"
    if not target.is_file():
        cv2.setNumThreads(1)
        material = Material(True)
        pixels, gender, ethnicity = [], [], []
        for group in range(5):
            for sex in range(2):
                rng = np.random.default_rng([SEED, 77, group, sex])
                adults = [i for i in material.chips if material.labels[i, 1] == sex and material.labels[i, 2] == group and material.labels[i, 0] >= 13]
                for i in rng.choice(adults, min(count, len(adults)), replace=False):
                    scene, box = attacks.living_scene(material, rng, int(i))
                    pixels.append(crops(door_camera.photograph(np.ascontiguousarray(scene, np.float32), rng), jitter(box, rng)))
                    gender.append(sex)
                    ethnicity.append(group)
        np.savez(target, pixels=np.stack(pixels), gender=gender, ethnicity=ethnicity)
    stored = np.load(target)
    return stored["pixels"], stored["gender"], stored["ethnicity"]


# Shares of the photos in rooms, the hardest of the living, at whose limits everything else is stated.
REFUSED_IN_ROOMS = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30)
POLICIES = {"balanced": "policy.toml", "strict": "policy-strict.toml", "fast": "policy-fast.toml"}


def limit_of(policy: str) -> tuple[float, float]:
    """The confidence of a shipped policy, and the logit of one frame that it takes."""
    asked = tomllib.loads((ROOT / "models" / POLICIES[policy]).read_text())["liveness"]
    odds = math.log(asked["confidence"] / (1 - asked["confidence"]))
    return asked["confidence"], (odds - asked["offset"]) * asked["temperature"]


class Scores:
    """What one net says of every frame that there is."""

    def __init__(self, held: np.ndarray, real: dict[str, np.ndarray], even: np.ndarray, kinds: np.ndarray):
        self.held, self.real, self.kinds, self.even = held, real, kinds, even

    def odd(self, names) -> np.ndarray:
        return self.held[~self.even & np.isin(self.kinds, [KINDS.index(n) for n in names])]

    def refusing(self, share: float) -> float:
        """The limit that refuses so many of the composed living scenes in the even blocks."""
        return float(np.quantile(self.held[self.even & (self.kinds == 0)], share))

    def at(self, limit: float) -> dict:
        families = {"print": attacks.PRINTS, "screen": attacks.SCREENS, "drawing": attacks.DRAWINGS}
        of_kinds = {k: [k] for k in KINDS[1:]}
        easy = np.concatenate([self.real[n] for n in ("webcam", "scenes", "portraits")])
        return {
            "bpcer": {"webcam, scenes and portraits": rate(easy < limit), **{n: rate(self.real[n] < limit) for n in ("webcam", "scenes", "portraits", "rooms")},
                      "all real photos and frames": rate(np.concatenate([easy, self.real["rooms"]]) < limit), "composed": rate(self.odd(["live"]) < limit)},
            "apcer": {"attacks-dev screen": rate(self.real["screen"] >= limit), **{n: rate(self.odd(members) >= limit) for n, members in {**families, **of_kinds}.items()}},
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--left-out", help="checkpoint trained without some kinds")
    parser.add_argument("--model", default=str(ROOT / "models" / "liveness.onnx"))
    parser.add_argument("--out", default=str(RESULT))
    args = parser.parse_args()
    net, peer = Shipped(args.model), Peer()
    pixels, kinds, opinion, block = load("held")
    even = block % 2 == 0
    ours = Scores(net.stacked(pixels), {name: np.array([net.frame(e["image"], e["box"]) for e in entries]) for name, entries in frames().items()}, even, kinds)
    theirs = Scores(opinion, {name: np.concatenate([peer([(e["image"], e["box"])]) for e in entries]) for name, entries in frames().items()}, even, kinds)
    result: dict = {"version": net.metadata["version"], "policies": {}}
    for policy in POLICIES:
        confidence, limit = limit_of(policy)
        # The share of the easy living that this policy refuses: the peer has to do with as many, one frame of 558 at the least.
        easy = lambda of: np.concatenate([of.real[n] for n in ("webcam", "scenes", "portraits")])
        share = max(float((easy(ours) < limit).mean()), 1 / len(easy(ours)))
        result["policies"][policy] = {"confidence": confidence, "limit_logit": round(limit, 4), **ours.at(limit), "peer": theirs.at(float(np.quantile(easy(theirs), share)))}
    rooms = ours.real["rooms"]
    result["limits"] = [{"probability": round(1 / (1 + math.exp(-limit)), 4), **ours.at(limit)} for limit in (float(np.quantile(rooms, share)) for share in REFUSED_IN_ROOMS)]
    limit = limit_of("balanced")[1]
    groups: dict = {}
    for name in ("rooms", "portraits"):
        for sex in ("female", "male"):
            mine = np.array([e["labels"]["gender"].lower() == sex for e in frames()[name]])
            groups[f"{name}, {sex}"] = rate(ours.real[name][mine] < limit)
    chips, gender, ethnicity = labelled()
    said = net.stacked(chips)
    for k, sex in enumerate(("male", "female")):
        groups[f"composed, {sex}"] = rate(said[gender == k] < limit)
    for k, name in enumerate(ETHNICITIES):
        groups[f"composed, {name}"] = rate(said[ethnicity == k] < limit)
    result["bpcer_by_group"] = groups
    if args.left_out:
        state = torch.load(WORK / f"{args.left_out}.pt", map_location="cpu")
        other = liveness_net.LivenessNet(state["scales"])
        other.load_state_dict(state["averaged"])
        live, theirs_too = scores(other, pixels, channels(state["scales"]))
        third = Scores(live + liveness_net.PEER * theirs_too, ours.real, even, kinds)
        unseen = state["without"].split(",")
        result["left_out"] = {"kinds": unseen, "at": {}}
        for share in (BPCER, result["policies"]["balanced"]["bpcer"]["composed"]["value"]):
            line = third.refusing(share)
            apcer = {k: rate(third.odd([k]) >= line) for k in unseen}
            for name, family in (("print", attacks.PRINTS), ("screen", attacks.SCREENS), ("drawing", attacks.DRAWINGS)):
                if any(k in unseen for k in family):
                    apcer[f"any {name} left out"] = rate(third.odd([k for k in family if k in unseen]) >= line)
            result["left_out"]["at"][f"{100 * share:.0f} %"] = {"bpcer": rate(third.odd(["live"]) < line), "apcer": apcer}
    with open(args.out, "w") as target:
        target.write(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
