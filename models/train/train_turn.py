"""Trains and writes `models/turn-points.onnx`: five points of a face in its chip that follow a turn of the head.

The same bricks as the age net, 3.6 million multiplications; it runs only where a turn is asked for.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

import turn_views
from age_net import MEAN, STD, Residual, conv
from common import ROOT, TEMPLATE, WORK
from turn_views import CHIP


class PointsNet(nn.Module):
    """RGB chips `[N, 3, 64, 64]`, normalised, to `[N, 10]`: how far each point lies from its place in the template, chip sides."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(conv(3, 12, 2), conv(12, 16, 2), conv(16, 32, 2), Residual(32), Residual(32), conv(32, 64, kernel=1))
        self.pool = nn.Conv2d(64, 64, CHIP // 8, groups=64, bias=False)
        nn.init.normal_(self.pool.weight, std=0.02)
        self.points = nn.Linear(64, 10)

    def forward(self, x):
        return self.points(self.pool(self.trunk(x)).flatten(1))


def normalise(chips: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(chips).permute(0, 3, 1, 2).float() - MEAN) / STD


class Views(torch.utils.data.IterableDataset):
    def __init__(self, data: dict, rows: np.ndarray, seed: int, batch: int):
        self.data, self.rows, self.seed, self.batch = data, rows, seed, batch

    def __iter__(self):
        rng = np.random.default_rng(self.seed)
        while True:
            made = [turn_views.example(self.data["pictures"][i], self.data["points"][i], self.data["depths"][i], rng) for i in rng.choice(self.rows, self.batch)]
            yield np.stack([m[0] for m in made]), np.stack([m[1] for m in made])


def held_back(names: np.ndarray) -> np.ndarray:
    """Whose faces training never sees: the last quarter of the scenes, and one in eight of all others by name."""
    scenes = sorted(n for n in names if n.startswith("Faces-"))
    late = set(scenes[len(scenes) * 3 // 4 :])
    return np.array([n in late or (not n.startswith("Faces-") and sum(n.encode()) % 8 == 0) for n in names])


def export(net: PointsNet, path: Path, version: str) -> None:
    from export import Graph

    graph = Graph(int8=True)
    x = graph.pool(graph.block(net.trunk, "image"), net.pool.weight.detach().numpy())
    x = graph.node("Flatten", [graph.conv(x, net.points.weight.detach().numpy()[:, :, None, None], net.points.bias.detach().numpy())])
    graph.rename(x, "points")
    metadata = {"name": "agegate-turn-points", "version": version, "layout": "NCHW", "colour": "RGB", "input_width": CHIP, "input_height": CHIP, "mean": MEAN, "std": STD}
    model = graph.model((CHIP, CHIP), [("points", [1, 10])], metadata)
    onnx.save(model, path)
    print(path, path.stat().st_size, "bytes")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--data", default=os.environ.get("TURN_OUT", str(WORK / "turn.npz")))
    parser.add_argument("--checkpoint", default=os.environ.get("TURN_CHECKPOINT", str(WORK / "turn.pt")))
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint, at half the rate")
    parser.add_argument("--out", default=str(ROOT / "models" / "turn-points.onnx"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(14)
    data = dict(np.load(args.data))
    held = held_back(data["names"])
    print(len(held), "faces,", held.sum(), "held back", flush=True)
    net = PointsNet()
    if args.resume:
        net.load_state_dict(torch.load(args.checkpoint))
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    started, done, recent = time.time(), 0, []
    for chips, targets in Views(data, np.flatnonzero(~held), 5 if args.resume else 1, args.batch):
        share = (time.time() - started) / (60 * args.minutes)
        if share >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = (1.5e-3 if args.resume else 3e-3) * min(1, done / 100) * (0.5 + 0.5 * np.cos(np.pi * share)) + 1e-6
        wanted = torch.from_numpy(targets - TEMPLATE.astype(np.float32)).reshape(len(targets), 10)
        net.train()
        loss = nn.functional.smooth_l1_loss(net(normalise(chips)), wanted, beta=0.01)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recent.append(float(loss.detach()))
        done += 1
        if done % 100 == 0:
            print(done, round(time.time() - started), "s", round(float(np.mean(recent[-100:])), 5), flush=True)
            torch.save(net.state_dict(), args.checkpoint)
    net.eval()
    torch.save(net.state_dict(), args.checkpoint)
    chips, targets = next(iter(Views(data, np.flatnonzero(held), 2, 1500)))
    with torch.no_grad():
        error = (net(normalise(chips)).numpy().reshape(-1, 5, 2) + TEMPLATE - targets) / 0.38
    print(json.dumps({"held back, deviation in eye distances": np.abs(error).mean((0, 2)).round(4).tolist(), "std": error.std((0,)).round(4).tolist()}))
    export(net, Path(args.out), "1")


if __name__ == "__main__":
    main()
