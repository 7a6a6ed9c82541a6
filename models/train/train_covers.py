"""Teaches the age net to say that mouth or eyes are covered: one linear layer on the map of its last convolution, the rest stays as it is.

Every training face is shown plain, disguised (clear glasses and beards cover nothing), with its mouth and with its eyes covered.
The layer's two logits are shifted so that 0 is the point at which one in a hundred held-out plain faces is called covered:
the file needs no threshold beside it. `python train_covers.py --checkpoint age3` writes `work/covers.pt` for `export.py`.
"""

import argparse
import json

import numpy as np
import torch
import torch.nn.functional as F

import age_net
import covers
import disguise
import views
from common import WORK, load_chips, near_duplicate_groups, seed_everything, split
from train_age import calm, normalise

KINDS = ("plain", "disguised", "mouth", "eyes")
FALSE_ALARMS = 0.01


def drawn(kind: str, chip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    chip = np.asarray(chip)
    if kind == "disguised":
        return disguise.glasses(chip, rng) if rng.random() < 0.4 else disguise.some(chip, rng)
    return chip if kind == "plain" else getattr(covers, kind)(chip, rng)


def blurred(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A third of them as a camera out of focus or far away gives them."""
    for i in torch.nonzero(torch.rand(len(x), generator=generator) < 0.33).flatten().tolist():
        side = int(24 + 40 * float(torch.rand(1, generator=generator)))
        small = F.interpolate(x[i : i + 1], size=(side, side), mode="bilinear", antialias=True)
        x[i : i + 1] = F.interpolate(small, size=x.shape[2:], mode="bilinear")
    return x + 6 * torch.randn(x.shape, generator=generator) * torch.rand(len(x), 1, 1, 1, generator=generator)


@torch.no_grad()
def maps(net, pixels, index: np.ndarray, kind: str, side: int, seed: int) -> torch.Tensor:
    """The net's last map for faces drawn over: `[N, features, grid, grid]`, half precision."""
    rng, generator, out = np.random.default_rng(seed), torch.Generator().manual_seed(seed), []
    for start in range(0, len(index), 128):
        chips = np.stack([drawn(kind, pixels[i], rng) for i in index[start : start + 128]])
        x = normalise(blurred(calm(chips, side, generator), generator).clamp(0, 255))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
            out.append(net.trunk(x).half())
    return torch.cat(out)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", default="age")
    parser.add_argument("--faces", type=int, default=9000)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    seed_everything(5)
    net, side = age_net.load(WORK / f"{args.checkpoint}.pt")
    faces = views.Faces()
    chosen = np.random.default_rng(1).permutation(len(faces))[: args.faces]
    chosen.sort()
    _, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    learn = {kind: maps(net, faces.pixels, chosen, kind, side, seed) for seed, kind in enumerate(KINDS)}
    judge = {kind: maps(net, pixels, np.asarray(held), kind, side, 100 + seed) for seed, kind in enumerate(KINDS)}
    x = torch.cat([learn[kind] for kind in KINDS])
    goal = torch.cat([torch.tensor([[kind == "mouth", kind == "eyes"]]).float().expand(len(learn[kind]), 2) for kind in KINDS])
    layer = torch.nn.Conv2d(x.shape[1], 2, x.shape[-1])
    torch.nn.init.zeros_(layer.weight)
    layer.bias.data.fill_(-1.0)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=1e-3, weight_decay=0.3)
    epochs = 12
    for epoch in range(epochs):
        for groups in optimiser.param_groups:
            groups["lr"] = 1e-3 * (0.5 + 0.5 * np.cos(np.pi * epoch / epochs))
        order, total = torch.randperm(len(x)), 0.0
        for start in range(0, len(order), 256):
            index = order[start : start + 256]
            loss = F.binary_cross_entropy_with_logits(layer(x[index].float()).flatten(1), goal[index])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(index)
        print(f"covers epoch {epoch + 1}/{epochs} loss {total / len(order):.4f}", flush=True)
    with torch.no_grad():
        said = {kind: torch.cat([layer(part.float()).flatten(1) for part in judge[kind].split(512)]) for kind in KINDS}
        limit = torch.quantile(said["plain"], 1 - FALSE_ALARMS / 2, dim=0)
        layer.bias -= limit
        called = {kind: (said[kind] > limit) for kind in KINDS}
    figures = {
        "faces": len(held),
        "plain called covered": float(called["plain"].any(1).float().mean()),
        "disguised called covered": float(called["disguised"].any(1).float().mean()),
        "covered mouths found": float(called["mouth"][:, 0].float().mean()),
        "covered eyes found": float(called["eyes"][:, 1].float().mean()),
    }
    np.savez(WORK / "covers-plain.npz", held=np.asarray(held), said=(said["plain"] - limit).numpy())
    torch.save({"weight": layer.weight.detach(), "bias": layer.bias.detach(), "figures": figures}, WORK / "covers.pt")
    (WORK / "covers.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
