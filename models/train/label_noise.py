"""Which labels does an ensemble that never saw them flatly contradict? Names the share, and the figures with and without.

`--folds 1` (default) trains small nets on the training chips and judges the validation chips, a random 15 % of the data:
minutes on a CPU, and the share comes with an interval. `--folds 3` judges every chip out of fold: hours. Near-duplicates
stay together. The nets are of their own, not the shipped one: a model must not choose the chips that it is judged by.
Writes `models/label-noise.json` (counts, no file names) and the list beside the checkpoints.
"""

import argparse
import json

import numpy as np
import torch
import torch.nn.functional as F

import age_net
import augment
from common import ROOT, SEED, WORK, load_chips, near_duplicate_groups, seed_everything, split
from train_age import YEARS, evaluation_chips, label_distribution, normalise, sampling_weights

SIDE, LIMIT = 48, 20


def train_fold(pixels: np.ndarray, labels: np.ndarray, seed: int, epochs: int) -> torch.nn.Module:
    seed_everything(seed)
    model = age_net.AgeNet(**age_net.STUDENT, grid=SIDE // 16).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.03)
    ages = torch.from_numpy(np.clip(labels[:, 0], 0, 100)).float()
    batch = 128
    steps = len(pixels) // batch
    weights = sampling_weights(labels[:, 0], 0.2)
    for epoch in range(epochs):
        model.train()
        generator = torch.Generator().manual_seed(seed * 1000 + epoch)
        order = np.random.default_rng(seed * 1000 + epoch).choice(len(pixels), steps * batch, p=weights)
        for step in range(steps):
            done = (epoch * steps + step) / (epochs * steps)
            for group in optimiser.param_groups:
                group["lr"] = float(2e-3 * min(1.0, (epoch * steps + step + 1) / steps) * (0.505 + 0.495 * np.cos(np.pi * done)))
            index = order[step * batch : (step + 1) * batch]
            x = torch.from_numpy(pixels[index]).permute(0, 3, 1, 2).float()
            age, _ = model(normalise(augment.chips(x, SIDE, 0.6, generator)))
            log_p = F.log_softmax(age, 1)
            loss = F.kl_div(log_p, label_distribution(ages[index]), reduction="batchmean")
            loss = loss + 0.25 * F.smooth_l1_loss(log_p.exp() @ YEARS, ages[index], beta=2.0)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
        print(f"seed {seed}: epoch {epoch + 1}/{epochs}, loss {float(loss.detach()):.2f}", flush=True)
    return model.eval()


@torch.no_grad()
def means(model: torch.nn.Module, pixels: np.ndarray) -> np.ndarray:
    result = []
    for start in range(0, len(pixels), 256):
        x = normalise(evaluation_chips(pixels[start : start + 256], SIDE))
        both = [torch.softmax(model(v)[0], 1) @ YEARS for v in (x, x.flip(3))]
        result.append((both[0] + both[1]) / 2)
    return torch.cat(result).numpy()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--folds", type=int, default=1)
    args = parser.parse_args()
    names, labels, pixels = load_chips()
    groups = near_duplicate_groups(pixels)
    train, held = split(labels, groups)
    if args.folds == 1:
        parts = [(train, held)]
    else:
        unique = np.unique(groups)
        fold_of_group = dict(zip(unique, np.random.default_rng(SEED).integers(0, args.folds, len(unique))))
        fold = np.array([fold_of_group[g] for g in groups])
        parts = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(args.folds)]
    judged = np.sort(np.concatenate([j for _, j in parts]))
    estimates = np.zeros((args.seeds, len(names)), np.float32)
    for seed in range(args.seeds):
        for k, (learn, judge) in enumerate(parts):
            path = WORK / f"fold-{args.folds}-{seed}-{k}.npy"
            if not path.is_file():
                model = train_fold(np.asarray(pixels[learn]), labels[learn], 100 + 10 * seed + k, args.epochs)
                np.save(path, means(model, np.asarray(pixels[judge])))
            estimates[seed, judge] = np.load(path)
    ensemble = estimates.mean(0)
    error = ensemble - labels[:, 0]
    contradicted = np.zeros(len(names), bool)
    contradicted[judged] = np.abs(error[judged]) > LIMIT
    (WORK / "contradicted.txt").write_text("".join(f"{names[i]} {ensemble[i]:.1f}\n" for i in np.flatnonzero(contradicted)))
    count, total = int(contradicted.sum()), len(judged)
    share, z = count / total, 1.96
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    ages = labels[:, 0]
    report = {
        "chips_judged": total,
        "nets": args.seeds * len(parts),
        "ensemble_mae_years": round(float(np.abs(error[judged]).mean()), 3),
        "limit_years": LIMIT,
        "contradicted": count,
        "contradicted_share": [round(float(v), 5) for v in (share, middle - half, middle + half)],
        "validation_chips": len(held),
        "validation_contradicted": int(contradicted[held].sum()),
        "by_true_age": {f"{low}-{high}": int((contradicted & (ages >= low) & (ages <= high)).sum()) for low, high in ((0, 12), (13, 17), (18, 24), (25, 34), (35, 49), (50, 64), (65, 120))},
    }
    clean = WORK / "validation-clean"
    clean.mkdir(exist_ok=True)
    for i in held:
        link = clean / names[i]
        if contradicted[i]:
            link.unlink(missing_ok=True)
        elif not link.is_symlink():
            link.symlink_to(WORK / "validation" / names[i])
    (ROOT / "models" / "label-noise.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
