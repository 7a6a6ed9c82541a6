"""Writes `models/liveness.onnx` from a checkpoint of `train_liveness.py`: batch normalisation folded, weights int8, one logit.

The logit is calibrated on the even blocks of the scenes held back (Platt 1999), so that its sigmoid is the probability of a living
face where one in two is an attack. The file is checked in ONNX Runtime against the PyTorch net before it is put in place.
"""

import argparse
import json
import os
import sys

import numpy as np
import onnx
import torch

import activations
import liveness_net
from common import ROOT, SEED, WORK
from export import run
from train_liveness import channels, load, scores

TARGET = ROOT / "models" / "liveness.onnx"


def next_version() -> str:
    if not TARGET.is_file():
        return "1"
    return str(int({p.key: p.value for p in onnx.load(TARGET).metadata_props}["version"]) + 1)


def platt(score: np.ndarray, live: np.ndarray) -> tuple[float, float]:
    """Gain and offset of the logistic fit, each class weighing half."""
    weight = torch.from_numpy(np.where(live, 0.5 / live.mean(), 0.5 / (1 - live.mean())).astype(np.float32))
    x, y = torch.from_numpy(score), torch.from_numpy(live.astype(np.float32))
    line = torch.tensor([1.0, 0.0], requires_grad=True)
    optimiser = torch.optim.LBFGS([line], max_iter=100)

    def closure():
        optimiser.zero_grad()
        loss = (torch.nn.functional.binary_cross_entropy_with_logits(line[0] * x + line[1], y, reduction="none") * weight).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    return float(line[0].detach()), float(line[1].detach())


class Normalised(torch.nn.Module):
    """The net for pictures that are normalised already."""

    def __init__(self, net: liveness_net.LivenessNet):
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net.logit(x * liveness_net.STD + liveness_net.MEAN)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", default="liveness")
    parser.add_argument("--version", help="default: one more than the shipped file's")
    parser.add_argument("--out", default=str(TARGET))
    args = parser.parse_args()
    state = torch.load(WORK / f"{args.checkpoint}.pt", map_location="cpu")
    net = liveness_net.LivenessNet(state["scales"])
    net.load_state_dict(state["averaged"])
    net.eval()
    columns = channels(state["scales"])
    pixels, kinds, _, block = load("held")
    even = block % 2 == 0
    live, peer = scores(net, pixels[even], columns)
    gain, offset = platt(live + liveness_net.PEER * peer, kinds[even] == 0)
    side = liveness_net.SIDE
    metadata = {
        "name": liveness_net.NAME, "version": args.version or next_version(), "training_data": state.get("data", "unknown"), "seed": SEED, "layout": "NCHW", "colour": "RGB",
        "licence": "non-commercial research (UTKFace and portraits without a licence); see MODEL_CARD.md", "input_width": side, "input_height": side, "mean": liveness_net.MEAN, "std": liveness_net.STD,
        "scales": " ".join(f"{s:g}" for s in state["scales"]), "classes": "live: logit, larger is more alive; one crop per scale, stacked",
    }
    # What a step of each map means where the gate runs the net in integers, from pictures of the training side.
    shown, _, _, _ = load("train", 1)
    shown = (torch.from_numpy(np.ascontiguousarray(shown[..., columns].transpose(0, 3, 1, 2))).float() - liveness_net.MEAN) / liveness_net.STD
    maps = [*activations.rectified(net.stems), *activations.rectified(net.trunk)]
    steps = activations.scales(Normalised(net), maps, shown)
    # The maps of the stems are put together: a step means the same in all of them.
    ends = [maps.index(activations.rectified(stem)[-1]) for stem in net.stems]
    for end in ends:
        steps[end] = max(steps[e] for e in ends)
    metadata["activation_scales"] = ",".join(f"{s:.6g}" for s in steps)
    probe = torch.from_numpy(np.ascontiguousarray(pixels[:200][..., columns])).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        wanted = (gain * net.logit(probe) + offset).numpy()
    for int8, limit in ((False, 0.01), (True, 1.0)):
        model = liveness_net.graph_of(net, int8, side, metadata, gain, offset)
        worst = float(np.abs(run(model, ((probe - liveness_net.MEAN) / liveness_net.STD).numpy())[0][:, 0] - wanted).max())
        size = len(model.SerializeToString())
        print(json.dumps({"model": metadata["name"], "version": metadata["version"], "weights": "int8" if int8 else "float", "bytes": size, "gain": round(gain, 4), "offset": round(offset, 4),
                          "largest difference to PyTorch": round(worst, 5), "unit": "logit"}))
        if worst > limit:
            sys.exit(f"{metadata['name']}: differs from the PyTorch net by {worst:.4f}, more than {limit}; the file was not written")
    temporary = args.out + ".tmp"
    onnx.save(model, temporary)
    os.replace(temporary, args.out)


if __name__ == "__main__":
    main()
