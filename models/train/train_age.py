"""Trains the age network from scratch: labels, own-fold opinions and feature hints of a teacher.

Each batch has plain faces, turned and lit a little, with the teacher's calm opinions (`calm`), blended faces of nobody
(`blends.py`) and faces in bad light, out of focus and disguised (`views.py`); towards the end of a round fewer of the hard ones (`SHARES`). The
rate falls to nothing in each round and begins anew with the next (Loshchilov and Hutter, 'SGDR', 2017): after any of them there is a net.

The loss has four parts. The distribution over ages follows a blend of label and opinion (label distribution learning,
Gao et al. 2017; distillation, Hinton et al. 2015); its mean and its cumulative at the ages where the gate decides follow the
blend too (Gao et al. 2018); gender; and a linear layer, thrown away later, predicts 128 whitened principal components of
the teacher's features (hints, Romero et al. 2015).

`python train_age.py`; resumes from the last checkpoint of the same name. What it draws follows `--seed` and the epoch's number.
"""

import argparse
import functools
import json
import time

import numpy as np
import torch
import torch.nn.functional as F

import age_net
import augment
from common import AGES, GROUPS, SEED, WORK, device, load_chips, near_duplicate_groups, seed_everything, split

YEARS = torch.arange(AGES, dtype=torch.float32)
# Where a gate decides: the limit and the challenge age of the shipped policies, and the years between.
DECISIONS = (18, 21, 25)
# The loss's weight of the feature hints, and of the teacher's opinions about a chip against its label.
HINT_WEIGHT, OPINIONS = 2.0, 0.7
# The peak of the rate in the rounds after the first, as a share.
LATER = 0.67
# How much more often rare ages are drawn (`sampling_weights`), and the share of portraits among the faces drawn.
BALANCE, PORTRAITS = 0.3, 0.12
# Of a batch: plain faces, blends, faces in bad light; first and in the last fifth of the training.
SHARES = ((0.25, 0.45, 0.30), (0.40, 0.48, 0.12))


@functools.cache
def years_on(where: torch.device) -> torch.Tensor:
    """The ages 0..100 on a device."""
    return YEARS.to(where)


def label_distribution(ages: torch.Tensor) -> torch.Tensor:
    """Normal label distributions over 0..100; wider for the old, whose look says less about the year (Gao et al.,
    'Deep Label Distribution Learning With Label Ambiguity', 2017)."""
    sigma = 1.5 + 0.04 * ages
    logits = -((years_on(ages.device)[None] - ages[:, None]) ** 2) / (2 * sigma[:, None] ** 2)
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


def evaluation_chips(pixels: np.ndarray | torch.Tensor, side: int) -> torch.Tensor:
    x = pixels if torch.is_tensor(pixels) else torch.from_numpy(np.ascontiguousarray(pixels))
    x = x.permute(0, 3, 1, 2).float()
    return F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)


@torch.no_grad()
def predict(model, pixels: np.ndarray | torch.Tensor, side: int, batch: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
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
    teens, asian = (true >= 13) & (true <= 17), (labels[:, 2] == 2) & (true >= 25)
    return {
        "mae": float(np.abs(mean - true).mean()),
        "group": float((group(np.round(mean)) == group(true)).mean()),
        "gender": float(((female.numpy() > 0.5) == labels[:, 1]).mean()),
        "teen18": float((mean[teens] >= 18).mean()),
        "teen25": float((mean[teens] >= 25).mean()),
        "adult25": float((mean[true >= 25] < 25).mean()),
        "asian25": float((mean[asian] < 25).mean()),
        "child18": float((mean[true <= 12] >= 18).mean()),
        "by_group": [round(float(np.abs(mean - true)[(true >= lo) & (true <= hi)].mean()), 2) for lo, hi in GROUPS],
    }


def portrait_figures(distribution: torch.Tensor, age: np.ndarray) -> dict:
    error = (distribution @ YEARS).numpy() - age
    teens, young = (age >= 13) & (age <= 17), (age >= 18) & (age <= 24)
    return {"p13-17": float(np.abs(error[teens]).mean()), "bias": float(error[teens].mean()), "p18-24": float(np.abs(error[young]).mean()),
            "pteen25": float((error + age)[teens].__ge__(25).mean())}


def jitter(views: np.ndarray | torch.Tensor, side: int, generator: torch.Generator) -> torch.Tensor:
    """A view `[N, S, S, 3]` as the student sees it this time: cut a little differently, a little other light, sometimes a patch hidden."""
    x = torch.as_tensor(views).permute(0, 3, 1, 2).float()
    count = len(x)
    uniform = lambda *shape: torch.rand(*shape, generator=generator, device=generator.device)
    theta = torch.zeros(count, 2, 3, device=generator.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 + 0.04 * (uniform(count) - 0.5)
    theta[:, 0, 0] *= torch.where(uniform(count) < 0.5, -1.0, 1.0)  # what the teacher sees in a mirrored face is nearly the same
    theta[:, :, 2] = 0.04 * (uniform(count, 2) - 0.5)
    x = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
    x = F.grid_sample(x, F.affine_grid(theta, [count, 3, side, side], align_corners=False), mode="bilinear", padding_mode="border", align_corners=False)
    x = x * (1 + 0.16 * (uniform(count, 1, 1, 1) - 0.5)) * (1 + 0.08 * (uniform(count, 3, 1, 1) - 0.5))
    hidden = torch.randperm(count, generator=generator, device=generator.device)[: count // 8]
    return augment.hide(x, hidden, 0.3, 255.0, generator).clamp(0, 255)


def calm(pixels: np.ndarray | torch.Tensor, side: int, generator: torch.Generator) -> torch.Tensor:
    """Plain faces `[N, S, S, 3]`, turned, shifted, mirrored and lit a little."""
    x = torch.as_tensor(pixels).permute(0, 3, 1, 2).float()
    count = len(x)
    uniform = lambda *shape: torch.rand(*shape, generator=generator, device=generator.device)
    x = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
    theta = augment.similarity(count, 0.7, generator)
    x = F.grid_sample(x, F.affine_grid(theta, [count, 3, side, side], align_corners=False), mode="bilinear", padding_mode="border", align_corners=False)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * torch.exp((uniform(count, 1, 1, 1) - 0.5) * 0.4) + mean * torch.exp((uniform(count, 1, 1, 1) - 0.5) * 0.4)
    return (x * torch.exp((uniform(count, 3, 1, 1) - 0.5) * 0.15)).clamp(0, 255)


class Lessons:
    """What the student is told about each face: a blend of its label and the teacher's opinions. Every method takes numbers of faces and
    gives the distribution over ages and the chance of a woman, on the device `where`."""

    def __init__(self, faces, share: float, where: torch.device | str = "cpu"):
        self.faces = faces
        on = lambda x: torch.from_numpy(x).to(where)
        self.age, self.female, self.asked = on(faces.age), on(faces.female), on(faces.plain_female)
        self.plain = on(faces.plain / faces.plain.sum(1, keepdims=True))
        chips = slice(0, faces.chips)
        # A label that the out-of-fold opinions contradict flatly is likely wrong: then they are nearly all that counts.
        far = (self.plain @ years_on(self.plain.device) - self.age[chips]).abs() > 20
        trust = torch.ones_like(self.age)
        trust[chips][far] = 0.1
        # Grown faces' labels are off by three years each and are learnt by heart in a long training; the opinions are not.
        self.label_share = torch.where(self.age >= 25, 0.5, 1.0) * (1 - share) * trust
        # Portraits' ages are right to half a year, which the opinions are not.
        self.label_share[faces.chips :] = 0.6
        counted = lambda lo, hi: int((far & (self.age[chips] >= lo) & (self.age[chips] <= hi)).sum())
        self.contradicted = {f"{lo}-{hi}": counted(lo, hi) for lo, hi in GROUPS}

    def look_at_plain(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Plain faces. Portraits have no opinions about them: their labels are right to half a year."""
        chips, age = (index < self.faces.chips)[:, None], self.age[index]
        inner = index.clamp(max=self.faces.chips - 1)
        opinion = torch.where(chips, self.plain[inner], label_distribution(age))
        female = torch.where(chips[:, 0], 0.5 * self.female[index] + 0.5 * self.asked[inner], self.female[index])
        # The teacher knows the young no better than the labels do.
        share = torch.where(age < 25, self.label_share[index] * 2, self.label_share[index]).clamp(max=0.7)
        share = torch.where((age >= 10) & (age < 21), self.label_share[index] * 2.7, share).clamp(max=0.8)[:, None]
        return share * label_distribution(age) + (1 - share) * opinion, female

    def look_at_blend(self, index: torch.Tensor, other: torch.Tensor, opinion: torch.Tensor, female: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Faces of nobody, of two each: what the teacher's head of their fold sees of them."""
        # The teacher takes teenagers for older than they are. Two of them blended are as old as they are on average.
        middle = (self.age[index] + self.age[other]) / 2
        alike = (self.age[index] - self.age[other]).abs() <= 4
        share = torch.where(alike & (middle >= 10) & (middle < 22), 0.6, 0.0)[:, None]
        return share * label_distribution(middle) + (1 - share) * opinion / opinion.sum(1, keepdim=True), female

    def look_at_view(self, index: torch.Tensor, opinion: torch.Tensor, female: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Views in bad light, disguised, and so on."""
        opinion = opinion / opinion.sum(1, keepdim=True)
        # For chips: half from what the teacher sees in this very view, half from its calm look at the plain chip.
        chips, inner = index < self.faces.chips, index.clamp(max=self.faces.chips - 1)
        opinion = torch.where(chips[:, None], 0.5 * opinion + 0.5 * self.plain[inner], opinion)
        female = torch.where(chips, 0.5 * female + 0.5 * self.asked[inner], female)
        share = self.label_share[index][:, None]
        return share * label_distribution(self.age[index]) + (1 - share) * opinion, 0.5 * self.female[index] + 0.5 * female


class Stored:
    """The views and blends that were rendered beforehand, with the teacher's opinions about them. Draws give pixels, target, P(female)
    and hints."""

    def __init__(self, lessons: Lessons):
        import views

        self.lessons, self.faces = lessons, lessons.faces
        self.views: dict[int, dict[str, np.ndarray]] = {}
        self.partners: dict[int, np.ndarray] = {}
        self.refresh()
        self.plain_hints = views.plain_hints() if self.views else None

    def missing(self) -> str | None:
        """What has to be rendered before there can be a training."""
        import views

        wanted = {
            "views": any(v < views.VIEWS for v in self.views),
            "blends": any(v >= views.VIEWS for v in self.views),
            "features of the plain faces": self.plain_hints is not None,
        }
        lacking = [what for what, there in wanted.items() if not there]
        return f"{views.FOLDER} has no {' and no '.join(lacking)}: run render_views.py first" if lacking else None

    def refresh(self) -> None:
        """Takes in the views that were finished since."""
        import blends
        import views

        views.opinions(self.faces)
        for view in views.finished():
            if view not in self.views:
                if view >= views.VIEWS:
                    self.partners[view] = blends.partners(self.faces, blends.chance(view))
                stored = np.load(views.FOLDER / f"opinions-{view}.npz")
                self.views[view] = {"chips": np.load(views.FOLDER / f"chips-{view}.npy", mmap_mode="r"), **{k: stored[k] for k in stored}}

    def _take(self, key: str, which: np.ndarray, index: np.ndarray) -> np.ndarray:
        return np.stack([self.views[v][key][i] for v, i in zip(which, index)])

    def _floats(self, key: str, which: np.ndarray, index: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self._take(key, which, index).astype(np.float32))

    def draw_plain(self, index: np.ndarray) -> tuple:
        hints = torch.from_numpy(self.plain_hints[index].astype(np.float32))
        return self.faces.pixels[index], *self.lessons.look_at_plain(torch.from_numpy(index)), hints

    def draw_blends(self, index: np.ndarray, rng: np.random.Generator) -> tuple:
        import views

        which = rng.choice([v for v in self.views if v >= views.VIEWS], size=len(index))
        other = np.array([self.partners[v][i] for v, i in zip(which, index)])
        told = self.lessons.look_at_blend(torch.from_numpy(index), torch.from_numpy(other), self._floats("dist", which, index), self._floats("female", which, index))
        return self._take("chips", which, index), *told, self._floats("hints", which, index)

    def draw_views(self, index: np.ndarray, rng: np.random.Generator, last: bool) -> tuple:
        import views

        numbers = sorted(v for v in self.views if v < views.VIEWS)
        odds = np.array([1.0 + (2.0 if last and v == 0 else 0.0) for v in numbers])  # view 0 is the mild one
        which = rng.choice(numbers, size=len(index), p=odds / odds.sum())
        told = self.lessons.look_at_view(torch.from_numpy(index), self._floats("dist", which, index), self._floats("female", which, index))
        return self._take("chips", which, index), *told, self._floats("hints", which, index)

    def batch(self, index: np.ndarray, last: bool, side: int, rng: np.random.Generator, generator: torch.Generator) -> list[torch.Tensor]:
        """Pixels `[N, 3, side, side]` in 0..255, target, P(female) and hints of the faces `index`, shared out by `SHARES`."""
        quiet, nobody = (round(len(index) * share) for share in SHARES[last][:2])
        plain, blended, seen = np.split(index, [quiet, quiet + nobody])
        easy, *hard = self.draw_plain(plain), self.draw_blends(blended, rng), self.draw_views(seen, rng, last)
        pixels = torch.cat([calm(easy[0], side, generator), jitter(np.concatenate([drawn[0] for drawn in hard]), side, generator)])
        return [pixels, *(torch.cat(parts) for parts in zip(easy[1:], *(drawn[1:] for drawn in hard)))]


def loss_of(outputs: tuple[torch.Tensor, torch.Tensor, torch.Tensor], target: torch.Tensor, female: torch.Tensor, hints: torch.Tensor, weight: float) -> torch.Tensor:
    """The loss of a batch; `weight` is that of the feature hints."""
    age, sex, hinted = (x.float() for x in outputs)
    years = years_on(age.device)
    log_p = F.log_softmax(age, 1)
    probability = log_p.exp()
    above = torch.stack([probability[:, t:].sum(1) for t in DECISIONS], 1).clamp(1e-5, 1 - 1e-5)
    above_goal = torch.stack([target[:, t:].sum(1) for t in DECISIONS], 1).clamp(0, 1)
    return (F.kl_div(log_p, target, reduction="batchmean")
            + 0.4 * F.smooth_l1_loss(probability @ years, target @ years, beta=2.0)
            + 0.5 * F.binary_cross_entropy(above, above_goal)
            + 1.5 * F.binary_cross_entropy_with_logits(sex, female * 0.99 + 0.005)
            + weight * F.mse_loss(hinted, hints))


def decayed_apart(model: torch.nn.Module) -> list[dict]:
    """The parameters for an optimiser: weights decay, scales and shifts do not."""
    return [{"params": [p for p in model.parameters() if (p.ndim > 1) == decays], "weight_decay": 0.05 if decays else 0.0} for decays in (True, False)]


def odds_of_faces(faces, balance: float, portraits: float) -> np.ndarray:
    """How often each training face is drawn. Portraits get a fixed share; Asian adults among the chips come more often, lest the net
    learn that an Asian face is a teenager's."""
    chips = sampling_weights(faces.age[: faces.chips].astype(int), balance)
    chips = chips * np.where(faces.asian[: faces.chips] & (faces.age[: faces.chips] >= 25), 1.6, 1.0)
    rest = sampling_weights(faces.age[faces.chips :].round().astype(int), 0.5)
    return np.concatenate([chips / chips.sum() * (1 - portraits), rest * portraits])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=72, help="of each round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--side", type=int, default=age_net.SIDE)
    parser.add_argument("--net", choices=sorted(age_net.SIZES), default=age_net.SIZE)
    parser.add_argument("--name", default="age", help="name of the checkpoint")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    import portraits
    import views

    seed_everything(args.seed)
    _names, labels, pixels = load_chips()
    _, held = split(labels, near_duplicate_groups(pixels))
    held_pixels = np.asarray(pixels[held])
    people = portraits.load()
    aside = np.array([portraits.held_back(p) for p in people["person"]])
    faces = views.Faces()
    lessons = Lessons(faces, OPINIONS)
    stored = Stored(lessons)
    if stored.missing():
        parser.error(stored.missing())
    where = device()
    half = where.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    net = age_net.SIZES[args.net]
    model = age_net.AgeNet(**net, grid=args.side // 16, hints=views.HINTS).to(where).to(memory_format=torch.channels_last)
    print(f"{args.name}: {sum(p.numel() for p in model.parameters()):,} parameters, {age_net.multiplications(model, args.side) / 1e6:.0f} M multiplications, "
          f"{faces.chips} chips and {len(faces) - faces.chips} portraits to train on; labels that the opinions contradict by more than 20 years: "
          f"{lessons.contradicted}", flush=True)
    averaged = {k: v.clone() for k, v in model.state_dict().items()}
    optimiser = torch.optim.AdamW(decayed_apart(model), lr=args.rate)
    steps = len(faces) // args.batch
    total = steps * args.epochs
    checkpoint, first, spent = WORK / f"{args.name}.pt", 0, 0.0
    if checkpoint.is_file():
        state = torch.load(checkpoint, map_location=where)
        if state["epoch"] >= args.epochs * args.rounds:
            print(f"{args.name}: finished before; delete {checkpoint} to train again")
            return
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        averaged, first, spent = state["averaged"], state["epoch"], state.get("cpu_seconds", 0.0)
        print(f"{args.name}: resumed after epoch {first}", flush=True)

    odds = odds_of_faces(faces, BALANCE, PORTRAITS)
    for epoch in range(first, args.epochs * args.rounds):
        stored.refresh()
        model.train()
        torch.manual_seed(args.seed * 100_003 + epoch)  # dropout's
        generator = torch.Generator().manual_seed(args.seed * 100_003 + epoch)
        rng = np.random.default_rng([SEED, args.seed, epoch])
        order = rng.choice(len(faces), size=steps * args.batch, p=odds)
        started, running = time.time(), 0.0
        for step in range(steps):
            at = epoch * steps + step
            in_round = at % total
            peak = args.rate if at < total else args.rate * LATER
            rate = peak * min(1.0, (in_round + 1) / (2 * steps)) * (0.5 + 0.5 * np.cos(np.pi * in_round / total))
            for groups in optimiser.param_groups:
                groups["lr"] = float(max(rate, args.rate * 0.003))
            pixels_, *told = stored.batch(order[step * args.batch : (step + 1) * args.batch], in_round > 0.8 * total, args.side, rng, generator)
            x, told = normalise(pixels_).to(where), [t.to(where) for t in told]
            with torch.autocast(where.type, dtype=torch.bfloat16, enabled=half):
                outputs = model.with_hints(x)
            loss = loss_of(outputs, *told, HINT_WEIGHT)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            running += float(loss.detach())
            keep = min(0.998, (at + 1) / (at + 100))
            with torch.no_grad():
                for key, value in model.state_dict().items():
                    averaged[key].lerp_(value, 1 - keep) if value.is_floating_point() else averaged[key].copy_(value)
        temporary = checkpoint.with_suffix(".tmp")
        torch.save({"model": model.state_dict(), "averaged": averaged, "optimiser": optimiser.state_dict(), "epoch": epoch + 1,
                    "side": args.side, "net": net, "cpu_seconds": spent + time.process_time()}, temporary)
        temporary.rename(checkpoint)
        line = f"{args.name} epoch {epoch + 1}/{args.epochs * args.rounds} views {len(stored.views)} loss {running / steps:.3f} {time.time() - started:.0f} s"
        if epoch % 4 == 3 or (epoch + 1) % args.epochs == 0:
            current = {k: v.clone() for k, v in model.state_dict().items()}
            model.load_state_dict(averaged)
            result = figures(*predict(model, held_pixels, args.side), labels[held])
            result |= portrait_figures(predict(model, people["pixels"][aside], args.side)[0], people["age"][aside])
            model.load_state_dict(current)
            line += " " + json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in result.items()})
        print(line, flush=True)


if __name__ == "__main__":
    main()
