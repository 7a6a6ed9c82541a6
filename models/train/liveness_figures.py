"""Measures `models/liveness.onnx` on what its training never saw and writes `models/liveness.json`, for the model card.

`python liveness_figures.py [--left-out CHECKPOINT]`: the checkpoint is one of `train_liveness.py --without KINDS`, whose figures for those
kinds stand beside. The limit is the logit that refuses 3 % of the composed living scenes in the even blocks held back; every other
figure is of other frames. Errors of attacks and of the living by ISO/IEC 30107-3: APCER and BPCER, with Wilson's intervals.
"""

import argparse
import json
import math

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
    """The ONNX file, as the gate runs it."""

    def __init__(self, path=ROOT / "models" / "liveness.onnx"):
        self.metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.scales = [float(s) for s in self.metadata["scales"].split()]

    def stacked(self, pixels: np.ndarray) -> np.ndarray:
        columns = channels(self.scales)
        return np.array([self.session.run(None, {"image": np.ascontiguousarray(x[..., columns].transpose(2, 0, 1)[None], np.float32)})[0][0, 0] for x in pixels])

    def frame(self, image: np.ndarray, box: np.ndarray) -> float:
        x = crops(image, box, self.scales, int(self.metadata["input_width"]))
        return float(self.session.run(None, {"image": np.ascontiguousarray(x.transpose(2, 0, 1)[None], np.float32)})[0][0, 0])


def labelled(count: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
                for i in rng.choice(adults, count, replace=False):
                    scene, box = attacks.living_scene(material, rng, int(i))
                    pixels.append(crops(door_camera.photograph(np.ascontiguousarray(scene, np.float32), rng), jitter(box, rng)))
                    gender.append(sex)
                    ethnicity.append(group)
        np.savez(target, pixels=np.stack(pixels), gender=gender, ethnicity=ethnicity)
    stored = np.load(target)
    return stored["pixels"], stored["gender"], stored["ethnicity"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--left-out", help="checkpoint trained without some kinds")
    parser.add_argument("--model", default=str(ROOT / "models" / "liveness.onnx"))
    parser.add_argument("--out", default=str(RESULT))
    args = parser.parse_args()
    net = Shipped(args.model)
    pixels, kinds, opinion, block = load("held")
    even = block % 2 == 0
    score = net.stacked(pixels)
    limit = float(np.quantile(score[even & (kinds == 0)], BPCER))
    odd = lambda names: ~even & np.isin(kinds, [KINDS.index(n) for n in names])
    confidence = 1 / (1 + math.exp(-limit))
    result: dict = {"version": net.metadata["version"], "limit_logit": round(limit, 4), "confidence": round(confidence, 4), "bpcer_asked": BPCER}
    result["bpcer"] = {"composed": rate(score[odd(["live"])] < limit)}
    result["apcer"] = {k: rate(score[odd([k])] >= limit) for k in KINDS[1:]}
    for name, members in (("print", attacks.PRINTS), ("screen", attacks.SCREENS), ("drawing", attacks.DRAWINGS)):
        result["apcer"][name] = rate(score[odd(members)] >= limit)
    real = {name: np.array([net.frame(e["image"], e["box"]) for e in entries]) for name, entries in frames().items()}
    for name in ("webcam", "scenes", "rooms", "portraits"):
        result["bpcer"][name] = rate(real[name] < limit)
    result["apcer"]["attacks-dev screen"] = rate(real["screen"] >= limit)
    groups: dict = {}
    for name in ("rooms", "portraits"):
        for sex in ("female", "male"):
            mine = np.array([e["labels"]["gender"].lower() == sex for e in frames()[name]])
            groups[f"{name}, {sex}"] = rate(real[name][mine] < limit)
    chips, gender, ethnicity = labelled()
    said = net.stacked(chips)
    for k, sex in enumerate(("male", "female")):
        groups[f"composed, {sex}"] = rate(said[gender == k] < limit)
    for k, name in enumerate(ETHNICITIES):
        groups[f"composed, {name}"] = rate(said[ethnicity == k] < limit)
    result["bpcer_by_group"] = groups
    # The peer on the same frames, at the same share of the living refused.
    peer = Peer()
    stop = float(np.quantile(opinion[even & (kinds == 0)], BPCER))
    theirs = {name: np.concatenate([peer([(e["image"], e["box"])]) for e in entries]) for name, entries in frames().items()}
    result["peer"] = {"bpcer": {n: rate(theirs[n] < stop) for n in ("webcam", "scenes", "rooms", "portraits")},
                      "apcer": {"print": rate(opinion[odd(attacks.PRINTS)] >= stop), "screen": rate(opinion[odd(attacks.SCREENS)] >= stop),
                                "drawing": rate(opinion[odd(attacks.DRAWINGS)] >= stop), "attacks-dev screen": rate(theirs["screen"] >= stop)}}
    # A stricter limit, as the peer's own figures are given: 5 % of easy living frames (webcam and scenes) refused.
    easy = lambda of: float(np.quantile(np.concatenate([of["webcam"], of["scenes"]]), 0.05))
    result["strict"] = {}
    for who, of, sims, line in (("net", real, score, easy(real)), ("peer", theirs, opinion, easy(theirs))):
        result["strict"][who] = {"limit_logit": round(line, 4), "attacks-dev screen": rate(of["screen"] >= line), "rooms": rate(of["rooms"] < line), "portraits": rate(of["portraits"] < line),
                                 "composed": rate(sims[odd(["live"])] < line), "print": rate(sims[odd(attacks.PRINTS)] >= line), "screen": rate(sims[odd(attacks.SCREENS)] >= line),
                                 "drawing": rate(sims[odd(attacks.DRAWINGS)] >= line)}
    if args.left_out:
        state = torch.load(WORK / f"{args.left_out}.pt", map_location="cpu")
        other = liveness_net.LivenessNet(state["scales"])
        other.load_state_dict(state["averaged"])
        live, theirs_too = scores(other, pixels, channels(state["scales"]))
        live = live + liveness_net.PEER * theirs_too
        line = float(np.quantile(live[even & (kinds == 0)], BPCER))
        unseen = state["without"].split(",")
        part = lambda family: [k for k in family if k in unseen]
        result["left_out"] = {"kinds": unseen, "bpcer": rate(live[odd(["live"])] < line), "apcer": {k: rate(live[odd([k])] >= line) for k in unseen}}
        for name, family in (("print", attacks.PRINTS), ("screen", attacks.SCREENS), ("drawing", attacks.DRAWINGS)):
            if part(family):
                result["left_out"]["apcer"][name] = rate(live[odd(part(family))] >= line)
    with open(args.out, "w") as target:
        target.write(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
