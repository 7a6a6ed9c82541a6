"""Trains the age network: label distribution learning, weight averaging, optional distillation.

Six rounds (`make models`): the first on the chips as they lie in the data set, the second also on chips that the shipped
detector and aligner cut out of scenes; both with small chips. The third starts from the second with larger chips, mixes
them, and imitates the second's answers about the mirrored chip. The fourth, a short one, imitates the second and the third.
The fifth, a long one, imitates all before it with more weight on gender, and so does the sixth, a short one, with it.

`python train_age.py --role teacher|student`; resumes from the last checkpoint of the same role.
"""

import argparse
import json
import time

import numpy as np
import torch
import torch.nn.functional as F

import age_net
import augment
from common import AGES, GROUPS, WORK, device, load_chips, near_duplicate_groups, seed_everything, split

YEARS = torch.arange(AGES, dtype=torch.float32)


def label_distribution(ages: torch.Tensor) -> torch.Tensor:
    """Normal label distributions over 0..100; wider for the old, whose look says less about the year (Gao et al.,
    'Deep Label Distribution Learning With Label Ambiguity', 2017)."""
    sigma = 1.5 + 0.04 * ages
    logits = -((YEARS[None] - ages[:, None]) ** 2) / (2 * sigma[:, None] ** 2)
    return torch.softmax(logits, 1)


def sampling_weights(ages: np.ndarray, power: float) -> np.ndarray:
    """Draws rare ages more often: weight = smoothed density ** -power, bounded to a factor of six, and the ages around the limit once more."""
    histogram = np.bincount(np.clip(ages, 0, 100), minlength=AGES).astype(float)
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
    density = np.convolve(histogram, kernel / kernel.sum(), mode="same")
    weights = density[np.clip(ages, 0, 100)] ** -power
    weights = np.minimum(weights, np.median(weights) * 6)
    weights = weights * np.where((ages >= 11) & (ages <= 17), 3.0, np.where((ages >= 18) & (ages <= 22), 1.2, 1.0))  # the ages on which a gate is judged
    return weights / weights.sum()


def normalise(x: torch.Tensor) -> torch.Tensor:
    return ((x - age_net.MEAN) / age_net.STD).contiguous(memory_format=torch.channels_last)


def evaluation_chips(pixels: np.ndarray, side: int) -> torch.Tensor:
    x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float()
    return F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)


@torch.no_grad()
def predict(model, pixels: np.ndarray, side: int, batch: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Age distributions `[N, 101]` and P(female) `[N]`."""
    model.eval()
    ages, genders = [], []
    for start in range(0, len(pixels), batch):
        age, gender = model(normalise(evaluation_chips(pixels[start : start + batch], side)).to(device()))
        ages.append(torch.softmax(age.float(), 1).cpu())
        genders.append(torch.sigmoid(gender.float()).cpu())
    return torch.cat(ages), torch.cat(genders)


def figures(distribution: torch.Tensor, female: torch.Tensor, labels: np.ndarray) -> dict:
    mean = (distribution @ YEARS).numpy()
    true = labels[:, 0]
    group = lambda a: sum((a > hi).astype(int) for _, hi in GROUPS[:-1])
    teens = (true >= 13) & (true <= 17)
    return {
        "mae": float(np.abs(mean - true).mean()),
        "within5": float((np.abs(mean - true) <= 5).mean()),
        "group": float((group(np.round(mean)) == group(true)).mean()),
        "gender": float(((female.numpy() > 0.5) == labels[:, 1]).mean()),
        "teen18": float((mean[teens] >= 18).mean()),
        "teen25": float((mean[teens] >= 25).mean()),
        "adult25": float((mean[true >= 25] < 25).mean()),
        "child18": float((mean[true <= 12] >= 18).mean()),
        "by_group": [round(float(np.abs(mean - true)[(true >= lo) & (true <= hi)].mean()), 2) for lo, hi in GROUPS],
    }


def mixed(x: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Blends every chip of a batch with another one (Zhang et al., 'mixup', 2018): the batch, the partners, the share of
    the chip itself."""
    share = 0.5 + 0.5 * float(torch.rand(1, generator=generator)) ** 0.7
    partner = torch.randperm(len(x), generator=generator)
    return x * share + x[partner] * (1 - share), partner, share


class Ensemble:
    """Nets that a student imitates on the very pictures it sees, augmented and mixed (Beyer et al., 'Knowledge
    distillation: a good teacher is patient and consistent', 2022). Each step asks one of them, about the mirrored chip:
    over many steps the student learns the mean of all and of both mirrors."""

    def __init__(self, names: list[str], where: torch.device):
        self.nets = []
        for name in names:
            state = torch.load(WORK / f"{name}.pt", map_location=where)
            side = state.get("side", 64)
            net = age_net.AgeNet(**state.get("net", age_net.STUDENT), grid=side // 16).to(where)
            net.load_state_dict(state["averaged"])
            self.nets.append((net.eval().to(memory_format=torch.channels_last), side))

    @torch.no_grad()
    def opinion(self, x: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Age distributions and P(female) for a batch of chips, 0..255."""
        net, side = self.nets[step % len(self.nets)]
        x = x.flip(3)
        if side != x.shape[-1]:
            x = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
        age, sex = net(normalise(x))
        return torch.softmax(age.float(), 1), torch.sigmoid(sex.float())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--role", choices=["teacher", "student"], default="student")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--side", type=int, default=age_net.SIDE)
    parser.add_argument("--realigned", type=float, default=0.0, help="share of chips taken as the deployed detector and aligner cut them")
    parser.add_argument("--strength", type=float, default=0.8, help="strength of the augmentation; less in the last fifth")
    parser.add_argument("--balance", type=float, default=0.35)
    parser.add_argument("--imitate", nargs="*", default=[], help="checkpoints to imitate")
    parser.add_argument("--imitation", type=float, default=0.6, help="weight of what they say against the label")
    parser.add_argument("--gender", type=float, default=1.0, help="weight of the gender's loss; the age's is some ten times as large by itself")
    parser.add_argument("--mix", type=float, default=0.0, help="share of batches whose chips are mixed; none in the last sixth")
    parser.add_argument("--name", help="name of the checkpoint; default: the role")
    parser.add_argument("--start", help="checkpoint to start from")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    name = args.name or args.role
    if args.threads:
        torch.set_num_threads(args.threads)

    seed_everything(1 if args.role == "teacher" else 2)
    _names, labels, pixels = load_chips()
    train, held = split(labels, near_duplicate_groups(pixels))
    train_pixels, held_pixels = np.asarray(pixels[train]), np.asarray(pixels[held])
    ages = torch.from_numpy(np.clip(labels[train, 0], 0, 100)).float()
    gender = torch.from_numpy(labels[train, 1]).float()
    realigned = None
    if args.realigned > 0:
        import realign

        realign.main()
        realigned = np.load(realign.PATH, mmap_mode="r")

    where = device()
    ensemble = Ensemble(args.imitate, where) if args.imitate else None
    net = age_net.TEACHER if args.role == "teacher" else age_net.STUDENT
    model = age_net.AgeNet(**net, grid=args.side // 16).to(where)
    model = model.to(memory_format=torch.channels_last)
    if args.start:
        weights = age_net.fitted(torch.load(WORK / f"{args.start}.pt", map_location=where)["averaged"], args.side // 16)
        missing, _ = model.load_state_dict(weights, strict=False)
        print(f"{name}: started from {args.start}, new: {missing}", flush=True)
    print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters, "
          f"{age_net.multiplications(model, args.side) / 1e6:.0f} M multiplications, "
          f"{len(train)} training and {len(held)} validation chips", flush=True)
    averaged = {k: v.clone() for k, v in model.state_dict().items()}
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}], lr=args.rate)
    steps = len(train) // args.batch
    total = steps * args.epochs
    checkpoint = WORK / f"{name}.pt"
    first = 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, map_location=where)
        if state["epoch"] >= args.epochs:
            print(f"{name}: finished before; delete {checkpoint} to train again")
            return
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        averaged, first = state["averaged"], state["epoch"]
        print(f"{name}: resumed after epoch {first}", flush=True)

    weights = sampling_weights(labels[train, 0], args.balance)
    for epoch in range(first, args.epochs):
        model.train()
        generator = torch.Generator().manual_seed(epoch * 7919 + 17)
        order = np.random.default_rng(epoch + 1).choice(len(train), size=steps * args.batch, p=weights)
        side = args.side
        started, running = time.time(), 0.0
        for step in range(steps):
            index = order[step * args.batch : (step + 1) * args.batch]
            done = (epoch * steps + step) / total
            rate = args.rate * min(1.0, (epoch * steps + step + 1) / (2 * steps)) * (0.5 + 0.5 * np.cos(np.pi * done))
            for groups in optimiser.param_groups:
                groups["lr"] = float(max(rate, args.rate * 0.005))
            chips = train_pixels[index]
            if realigned is not None:
                swapped = np.flatnonzero(np.random.default_rng(epoch * 100_003 + step).random(args.batch) < args.realigned)
                chips[swapped] = realigned[index[swapped]]
            x = torch.from_numpy(chips).permute(0, 3, 1, 2).float()
            x = augment.chips(x, side, args.strength if done < 0.8 else args.strength * 0.6, generator).to(where)
            goal = ages[index].to(where)
            target = label_distribution(ages[index]).to(where)
            sex_goal = gender[index].to(where) * 0.98 + 0.01
            if done < 5 / 6 and float(torch.rand(1, generator=generator)) < args.mix:
                x, partner, share = mixed(x, generator)
                goal, target, sex_goal = (t * share + t[partner] * (1 - share) for t in (goal, target, sex_goal))
            if ensemble is not None:
                hint, sex_hint = ensemble.opinion(x, step)
                said = args.imitation
                goal = (1 - said) * goal + said * (hint @ YEARS.to(where))
                target = (1 - said) * target + said * hint
                sex_goal = (1 - said) * sex_goal + said * sex_hint
            with torch.autocast(where.type, dtype=torch.bfloat16, enabled=where.type == "cuda"):
                age, sex = model(normalise(x))
            age, sex = age.float(), sex.float()
            log_p = F.log_softmax(age, 1)
            mean = log_p.exp() @ YEARS.to(where)
            loss = (F.kl_div(log_p, target, reduction="batchmean")
                    + 0.4 * F.smooth_l1_loss(mean, goal, beta=2.0)
                    + args.gender * F.binary_cross_entropy_with_logits(sex, sex_goal))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            running += float(loss.detach())
            keep = min(0.998, (epoch * steps + step + 1) / (epoch * steps + step + 100))
            with torch.no_grad():
                for key, value in model.state_dict().items():
                    averaged[key].lerp_(value, 1 - keep) if value.is_floating_point() else averaged[key].copy_(value)
        torch.save({"model": model.state_dict(), "averaged": averaged, "optimiser": optimiser.state_dict(), "epoch": epoch + 1,
                    "side": side, "net": net}, checkpoint)
        line = f"{name} epoch {epoch + 1}/{args.epochs} side {side} loss {running / steps:.3f} {time.time() - started:.0f} s"
        if epoch % 5 == 4 or epoch + 1 == args.epochs:
            current = {k: v.clone() for k, v in model.state_dict().items()}
            model.load_state_dict(averaged)
            result = figures(*predict(model, held_pixels, side), labels[held])
            model.load_state_dict(current)
            line += " " + json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in result.items()})
        print(line, flush=True)


if __name__ == "__main__":
    main()
