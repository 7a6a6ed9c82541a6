"""Trains the liveness net on the crops of `liveness_set.py`; resumes from its last checkpoint.

`--without KIND,KIND` leaves whole kinds of attack out, for the figure of kinds that training never saw. The label decides; a second
output follows the peer, which has seen real attacks, and shares the features. `export_liveness.py` writes the file.
"""

import argparse
import json
import math
import time

import cv2
import numpy as np
import torch
import torch.nn.functional as F

import liveness_net
import shipped
from attacks import DRAWINGS, PRINTS, SCREENS
from common import ROOT, WORK, dataset_hash, device, seed_everything
from liveness_set import KINDS, SCALES
from living import FOLDER
from quality_limits import MEASURED

PEER_UNIT = 4.0
# The share of the living that may be refused, for every limit here.
BPCER = 0.03
# What is hardest to tell counts more.
WEIGHTS = {"mask": 2.5, "statue": 2.0, "paper": 1.5, "posterised": 1.5}


def load(side_of_split: str, limit: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Crops `[N, S, S, 3 * all scales]`, kinds, the peer's logits and the block's number, of every finished block: only what the gate
    would judge at all, by the limits of `[quality]`. The crops are a view of planes, `[N, C, S, S]`, as the net wants them."""
    columns: tuple[list, list, list, list] = ([], [], [], [])
    paths = sorted(FOLDER.glob(f"{side_of_split}-[0-9][0-9][0-9].npz"))
    for path in paths[:: max(1, len(paths) // (limit or len(paths)))][:limit]:
        stored = np.load(path)
        pixels = stored["pixels"]
        judged = fit_to_judge(pixels[..., -3:])
        number = np.full(judged.sum(), int(path.stem.split("-")[1]))
        planes = np.ascontiguousarray(pixels[judged].transpose(0, 3, 1, 2))
        for column, part in zip(columns, (planes, stored["kinds"][judged], stored["peer"][judged], number)):
            column.append(part)
    blocks = columns[0]
    planes = np.empty((sum(map(len, blocks)), *blocks[0].shape[1:]), np.uint8)
    # Gigabytes: each block is let go as soon as it was copied.
    end = len(planes)
    while blocks:
        block = blocks.pop()
        planes[end - len(block) : end] = block
        end -= len(block)
    return planes.transpose(0, 2, 3, 1), *(np.concatenate(c) for c in columns[1:])


def fit_to_judge(faces: np.ndarray) -> np.ndarray:
    """Which tight crops `[N, S, S, 3]` are sharp, bright and rich enough to be judged: the measures of `quality_limits.py`."""
    fit = np.zeros(len(faces), bool)
    for i, face in enumerate(faces):
        x = cv2.resize(cv2.cvtColor(np.ascontiguousarray(face), cv2.COLOR_RGB2GRAY), (MEASURED, MEASURED), interpolation=cv2.INTER_AREA).astype(np.float32)
        mean, deviation = (float(v[0, 0]) for v in cv2.meanStdDev(x))
        bent = x[1:-1, :-2] + x[1:-1, 2:] + x[:-2, 1:-1] + x[2:, 1:-1] - 4 * x[1:-1, 1:-1]
        fit[i] = float(np.vdot(bent, bent)) / bent.size >= 0.02 * max(1.0, deviation) ** 2 and 35 <= mean <= 232 and deviation >= 12
    return fit


def channels(scales) -> list[int]:
    return [3 * SCALES.index(s) + c for s in scales for c in range(3)]


def augment(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Bytes `[N, C, S, S]` to floats: mirror, a shift of a few pixels, light and colour, the same for both classes."""
    n, crops, side = len(x), x.shape[1] // 3, x.shape[2]
    dy, dx = (int(v) for v in torch.randint(-5, 6, (2,), generator=generator))
    rows, columns = ((torch.arange(side) + d).clamp(0, side - 1) for d in (dy, dx))
    x = x[:, :, rows][:, :, :, columns].float()
    x[: n // 2] = x[: n // 2].flip(3)
    normal = lambda *shape: torch.randn(*shape, generator=generator)
    gain = torch.exp(normal(n, 1) * 0.12)
    tint = torch.exp(normal(n, 3) * 0.04).repeat(1, crops)
    contrast = torch.exp(normal(n, 1) * 0.1)
    scale, offset = gain * tint * contrast, gain * tint * 127.5 * (1 - contrast)
    # Now and then one of the crops is missing: each has to know something by itself.
    gone = (torch.rand(n, crops, generator=generator) < 0.06).repeat_interleave(3, 1)
    scale, offset = torch.where(gone, 0.0, scale), torch.where(gone, 127.5, offset)
    return x.mul_(scale[..., None, None]).add_(offset[..., None, None])


@torch.no_grad()
def scores(net: liveness_net.LivenessNet, pixels: np.ndarray, columns: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """As the gate asks: of each crop and its mirror image the mean."""
    net.eval()
    live, peer = [], []
    for start in range(0, len(pixels), 250):
        x = torch.from_numpy(np.ascontiguousarray(pixels[start : start + 250][..., columns].transpose(0, 3, 1, 2))).float()
        looks = [net(view.to(device())) for view in (x, x.flip(3))]
        live.append(((looks[0][0] + looks[1][0]) / 2).cpu().numpy())
        peer.append(((looks[0][1] + looks[1][1]) / 2).cpu().numpy())
    return np.concatenate(live), np.concatenate(peer)


def table(score: np.ndarray, kinds: np.ndarray, bpcer: float = BPCER) -> dict:
    """APCER per kind at the score that refuses `bpcer` of the living."""
    limit = float(np.quantile(score[kinds == 0], bpcer))
    let_in = {k: round(float((score[kinds == i] >= limit).mean()), 4) for i, k in enumerate(KINDS) if i and (kinds == i).any()}
    of = lambda names: float((score[np.isin(kinds, [KINDS.index(n) for n in names])] >= limit).mean())
    return {"limit": round(limit, 3), "print": round(of(PRINTS), 4), "screen": round(of(SCREENS), 4), "drawing": round(of(DRAWINGS), 4), **let_in}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--scales", type=float, nargs="+", default=list(liveness_net.SCALES))
    parser.add_argument("--without", default="", help="kinds of attack that are left out, with commas")
    parser.add_argument("--peer", type=float, default=0.6, help="weight of the peer's opinion")
    parser.add_argument("--name", default="liveness")
    parser.add_argument("--start", help="checkpoint whose averaged weights to start from")
    parser.add_argument("--blocks", type=int, help="use only so many blocks, spread over all")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    seed_everything(14)
    pixels, kinds, opinion, _ = load("train", args.blocks)
    left_out = [KINDS.index(k) for k in args.without.split(",") if k]
    rows = np.flatnonzero(~np.isin(kinds, left_out))
    data = dataset_hash([str(k) for k in kinds], pixels)
    columns = channels(args.scales)
    held_pixels, held_kinds, _, _ = load("held")
    planes = pixels.transpose(0, 3, 1, 2)
    planes = torch.from_numpy(planes if len(columns) == planes.shape[1] else planes[:, columns])
    del pixels
    label = torch.from_numpy((kinds == 0).astype(np.float32))
    # The peer's logits reach from -15 to 15; what counts is on which side, and whether it is sure.
    opinion = torch.from_numpy(opinion).clamp(-10, 10) / PEER_UNIT
    weight = torch.from_numpy(np.array([WEIGHTS.get(k, 1.0) for k in KINDS], np.float32)[kinds])
    where = device()
    net = liveness_net.LivenessNet(args.scales).to(where).to(memory_format=torch.channels_last)
    half = where.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    if not args.start:
        # Each stem begins as the detector's: it knows edges, skin and faces, and an epoch later what it is to look at here.
        batch = planes[rows[:128]].float()
        for k, stem in enumerate(net.stems):
            layers = list(shipped.convolutions(stem))
            shipped.load(stem, layers, ROOT / "models" / "face-detector.onnx", ((batch - liveness_net.MEAN) / liveness_net.STD)[:, 3 * k : 3 * k + 3].to(where), len(layers))
    else:
        net.load_state_dict(torch.load(WORK / f"{args.start}.pt", map_location="cpu")["averaged"])
    averaged = {k: v.clone() for k, v in net.state_dict().items()}
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.03)
    checkpoint, first = WORK / f"{args.name}.pt", 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, map_location=where)
        net.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        averaged, first = state["averaged"], state["epoch"]
    print(f"liveness: {sum(p.numel() for p in net.parameters()):,} parameters; {len(rows)} scenes to train on, {len(held_kinds)} held back", flush=True)
    steps = len(rows) // args.batch
    total = args.epochs * steps
    for epoch in range(first, args.epochs):
        started, sums = time.time(), np.zeros(2)
        generator = torch.Generator().manual_seed(epoch)
        order = np.random.default_rng(epoch).permutation(rows)
        net.train()
        for step in range(steps):
            at = epoch * steps + step
            rate = args.rate * min(1.0, (at + 1) / 100) * max(0.01, 0.5 + 0.5 * math.cos(math.pi * at / total))
            for group in optimiser.param_groups:
                group["lr"] = rate
            part = order[step * args.batch : (step + 1) * args.batch]
            x = augment(planes[part], generator).to(where).contiguous(memory_format=torch.channels_last)
            with torch.autocast(where.type, dtype=torch.bfloat16, enabled=half):
                live, peer = net(x)
            wanted = label[part].to(where) * 0.98 + 0.01
            own = F.binary_cross_entropy_with_logits(live.float(), wanted, weight=weight[part].to(where))
            other = F.smooth_l1_loss(peer.float(), opinion[part].to(where), beta=0.5)
            loss = own + args.peer * other
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 3.0)
            optimiser.step()
            sums += [float(own.detach()) / steps, float(other.detach()) / steps]
            keep = min(0.995, (at + 1) / (at + 20))
            with torch.no_grad():
                for key, value in net.state_dict().items():
                    averaged[key].lerp_(value, 1 - keep) if value.is_floating_point() else averaged[key].copy_(value)
        torch.save({"model": net.state_dict(), "averaged": averaged, "optimiser": optimiser.state_dict(), "epoch": epoch + 1, "scales": args.scales, "without": args.without, "data": data}, checkpoint)
        line = f"liveness epoch {epoch + 1}/{args.epochs} {time.time() - started:.0f} s own {sums[0]:.4f} peer {sums[1]:.4f}"
        if epoch % 3 == 2 or epoch + 1 == args.epochs:
            current = {k: v.clone() for k, v in net.state_dict().items()}
            net.load_state_dict(averaged)
            line += " " + json.dumps(table(scores(net, held_pixels, columns)[0], held_kinds))
            net.load_state_dict(current)
        print(line, flush=True)


if __name__ == "__main__":
    main()
