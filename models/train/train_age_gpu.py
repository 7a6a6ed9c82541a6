"""Trains the age network on a GPU in one round, from scratch: every view is fresh, and the teacher is asked about each.

What `train_age.py` does on views that were rendered beforehand, because one core needs 17 ms for an opinion. Here the
processor's cores blend and disguise faces (`blends.py`, `disguise.py`), the GPU puts them into bad light (`augment.py`), asks the
teacher about each and its mirror image, and keeps the newest in a pool from which the students learn. Students of all sizes learn from
the very same batches, so that what is different between them is their size.

`python pack.py FOLDER` here, then there `python train_age_gpu.py --data FOLDER --out FOLDER --seconds 400`. It ends on time, whatever
the machine: the learning rate follows the clock. Writes `OUT/NAME-SIZE.pt`, checkpoints like those of `train_age.py`.
"""

import argparse
import json
import mmap
import multiprocessing
import os
import time
from pathlib import Path

import cv2
import numpy as np
import torch

import age_net
import augment
import blends
import disguise
import train_age
import views
from common import CACHE_SIDE, SEED, device
from pack import Packed
from teacher_net import Teacher

SLOT, SLOTS = 64, 12
# What a slot holds: blends in fair light, blends in bad light of which half are disguised, disguised faces.
MILD, BAD, DISGUISED = range(3)
KINDS = (0.5, 0.25, 0.25)
KEEP, EVERY = 0.9985, 4


class Makers:
    """Processes that blend and disguise faces into slots of shared memory, `SLOT` faces each."""

    def __init__(self, faces: Packed, odds: np.ndarray, seed: int, processes: int, slots: int = 96):
        size = SLOT * CACHE_SIDE * CACHE_SIDE * 3
        shared = lambda bytes_, kind, *shape: np.frombuffer(mmap.mmap(-1, bytes_), kind).reshape(shape)
        self.plain, self.masked = (shared(slots * size, np.uint8, slots, SLOT, CACHE_SIDE, CACHE_SIDE, 3) for _ in range(2))
        self.who = shared(slots * SLOT * 16, np.int64, slots, SLOT, 2)
        self.kind = shared(slots * 8, np.int64, slots)
        context = multiprocessing.get_context("fork")
        self.free, self.ready = context.Queue(), context.Queue()
        for slot in range(slots):
            self.free.put(slot)
        for number in range(processes):
            context.Process(target=self._make, args=(faces, odds, np.random.default_rng([SEED, seed, number])), daemon=True).start()

    def _make(self, faces: Packed, odds: np.ndarray, rng: np.random.Generator) -> None:
        made = 0
        while True:
            if made % 200 == 0:
                other = blends.partners(faces, rng)
            slot, kind = self.free.get(), rng.choice(3, p=KINDS)
            for k, i in enumerate(rng.choice(len(faces), size=SLOT, p=odds)):
                plain = faces.pixels[i]
                if kind != DISGUISED:
                    plain = blends.blend(plain, faces.pixels[other[i]], rng).clip(0, 255).round().astype(np.uint8)
                hidden = kind == DISGUISED or (kind == BAD and rng.random() < 0.5)
                self.plain[slot, k], self.masked[slot, k] = plain, disguise.some(plain, rng) if hidden else plain
                self.who[slot, k] = i, (-1 if kind == DISGUISED else other[i])
            self.kind[slot] = kind
            made += 1
            self.ready.put(slot)

    def take(self, count: int, where: torch.device) -> dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """By kind: plain and disguised faces `[N, S, S, 3]` and their numbers `[N, 2]`, of `count` slots."""
        slots = [self.ready.get() for _ in range(count)]
        found = {}
        for kind in range(3):
            mine = [s for s in slots if self.kind[s] == kind]
            if mine:
                found[kind] = tuple(torch.from_numpy(a[mine].reshape(-1, *a.shape[2:])).to(where) for a in (self.plain, self.masked, self.who))
        for slot in slots:
            self.free.put(slot)
        return found


class Eyes:
    """The teacher, and heads of which each judges only faces of its own fold."""

    def __init__(self, faces: Packed, path: Path, where: torch.device):
        self.net = Teacher(path).to(where)
        if where.type == "cuda":
            self.net = self.net.half()
        self.where, self.fold = where, torch.from_numpy(faces.fold).to(where)

    def features(self, chips: torch.Tensor, part: int = 512) -> torch.Tensor:
        return torch.cat([self.net(x.float()) for x in chips.split(part)])

    def learn(self, faces: Packed, lessons: train_age.Lessons, pixels: torch.Tensor, generator: torch.Generator, epochs: int = 12) -> torch.Tensor:
        """Fits the heads on every face as it is and in three lights; returns the whitened features of the plain faces."""
        looks = []
        for strength, cast in ((0.0, False), (0.4, False), (1.0, False), (1.0, True)):
            parts = [self.features(x if strength == 0 else augment.chips(x, views.SIDE, strength, generator, cast))
                     for x in (part.permute(0, 3, 1, 2).float() for part in pixels.split(1024))]
            looks.append(torch.cat(parts))
        self.mean = looks[0].mean(0)
        centred = (looks[0] - self.mean).double()
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        self.map = (vectors[:, -views.HINTS :].flip(1) / values[-views.HINTS :].flip(0).clamp(min=1e-6).sqrt()).float()
        x = torch.stack([look - self.mean for look in looks])
        self.scale = x[0].std()
        weight = torch.ones(len(faces))
        weight[faces.chips :] = 2.0
        self.heads = []
        for fold in range(5):
            torch.manual_seed(SEED + fold)
            rows = torch.from_numpy(np.flatnonzero(faces.fold != fold))
            on = rows.to(self.where)
            again = lambda t: t.repeat(len(looks), *[1] * (t.ndim - 1))
            self.heads.append(views.fit((x[:, on] / self.scale).flatten(0, 1), again(train_age.label_distribution(lessons.age[on])), again(lessons.age[on]),
                                        again(lessons.female[on]), again(weight[rows]), epochs))
        return (looks[0] - self.mean) @ self.map

    @torch.no_grad()
    def opinion(self, features: torch.Tensor, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        dist, female = torch.zeros(len(index), 101, device=self.where), torch.zeros(len(index), device=self.where)
        for fold, head in enumerate(self.heads):
            logits, sex = head((features - self.mean) / self.scale)
            mine = self.fold[index] == fold
            dist = torch.where(mine[:, None], torch.softmax(logits, 1), dist)
            female = torch.where(mine, torch.sigmoid(sex), female)
        return dist, female

    def ask(self, chips: torch.Tensor, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Distribution and P(female), of face and mirror image the mean, and hints, of the face as it is."""
        seen = self.features(chips)
        both = [self.opinion(f, index) for f in (seen, self.features(chips.flip(3)))]
        return (both[0][0] + both[1][0]) / 2, (both[0][1] + both[1][1]) / 2, (seen - self.mean) @ self.map


class Pool:
    """The newest views with what the teacher said of them: a ring of `capacity`."""

    def __init__(self, capacity: int, where: torch.device):
        empty = lambda kind, *shape: torch.zeros(capacity, *shape, dtype=kind, device=where)
        self.columns = [empty(torch.uint8, views.SIDE, views.SIDE, 3), empty(torch.float16, 101), empty(torch.float16), empty(torch.float16, views.HINTS), empty(torch.int64, 2)]
        self.capacity, self.at, self.filled, self.where = capacity, 0, 0, where

    def add(self, *columns: torch.Tensor) -> None:
        count = len(columns[0])
        rows = (torch.arange(count, device=self.where) + self.at) % self.capacity
        for column, values in zip(self.columns, columns):
            column[rows] = values.to(column.dtype)
        self.at, self.filled = (self.at + count) % self.capacity, min(self.capacity, self.filled + count)

    def draw(self, count: int, generator: torch.Generator) -> list[torch.Tensor]:
        rows = torch.randint(self.filled, (count,), generator=generator, device=self.where)
        return [c[rows].float() if c.dtype == torch.float16 else c[rows] for c in self.columns]


class School:
    """Where batches come from: fresh views into two pools, blends and other views, and plain faces."""

    def __init__(self, faces: Packed, makers: Makers, odds: np.ndarray, path: Path, seed: int, capacity: int, where: torch.device):
        self.where, self.makers = where, makers
        self.generator = torch.Generator(where).manual_seed(seed)
        self.pixels = torch.from_numpy(faces.pixels).to(where)
        self.odds = torch.from_numpy(odds).float().to(where)
        self.lessons = train_age.Lessons(faces, train_age.OPINIONS, where)
        self.eyes = Eyes(faces, path, where)
        self.calm_hints = self.eyes.learn(faces, self.lessons, self.pixels, self.generator)
        self.blends, self.views = Pool(capacity, where), Pool(capacity, where)

    def _some(self, count: int) -> torch.Tensor:
        return torch.multinomial(self.odds, count, replacement=True, generator=self.generator)

    def _light(self, faces: torch.Tensor, strength: float, cast: bool, seed: int) -> torch.Tensor:
        generator = torch.Generator(self.where).manual_seed(seed)
        return augment.chips(faces.permute(0, 3, 1, 2).float(), views.SIDE, strength, generator, cast).round()

    def _see(self, pool: Pool, plain: torch.Tensor, masked: torch.Tensor | None, who: torch.Tensor, strength: float) -> None:
        seed, cast = int(torch.randint(2**31, (1,))), strength == 1.0 and bool(torch.rand(1) < 0.5)
        shown = self._light(plain, strength, cast, seed)
        seen = shown if masked is None else self._light(masked, strength, cast, seed)
        dist, female, hints = self.eyes.ask(shown, who[:, 0])
        pool.add(seen.permute(0, 2, 3, 1), dist, female, hints, who)

    def refresh(self, slots: int = SLOTS) -> int:
        """Takes in what was made; how many faces."""
        made = self.makers.take(slots, self.where)
        for kind, (plain, masked, who) in made.items():
            self._see(self.views if kind == DISGUISED else self.blends, plain, None if kind == MILD else masked, who, 0.4 if kind == MILD else 1.0)
        # Plain faces in bad or fair light: nothing to be made for them.
        index = self._some(SLOT * slots // 4)
        self._see(self.views, self.pixels[index], None, torch.stack([index, torch.full_like(index, -1)], 1), 0.5 if torch.rand(1) < 0.25 else 1.0)
        return SLOT * slots + len(index)

    def batch(self, size: int, shares: tuple[float, float, float], side: int) -> list[torch.Tensor]:
        """Normalised chips `[N, 3, side, side]`, target, P(female), hints."""
        quiet, nobody = round(size * shares[0]), round(size * shares[1])
        index = self._some(quiet)
        chips, dist, female, hints, who = self.blends.draw(nobody, self.generator)
        others = self.views.draw(size - quiet - nobody, self.generator)
        told = [self.lessons.look_at_plain(index), self.lessons.look_at_blend(who[:, 0], who[:, 1], dist, female),
                self.lessons.look_at_view(others[4][:, 0], others[1], others[2])]
        pixels = torch.cat([train_age.calm(self.pixels[index], side, self.generator),
                            train_age.jitter(torch.cat([chips, others[0]]), side, self.generator)])
        return [train_age.normalise(pixels), *(torch.cat(parts) for parts in zip(*told)), torch.cat([self.calm_hints[index], hints, others[3]])]


class Student:
    """A net, its optimiser and its weights averaged over the last steps. On a GPU a step is recorded once and replayed."""

    def __init__(self, size: str, side: int, rate: float, hint_weight: float, start: Path | None, where: torch.device):
        self.size, self.side, self.where, self.hint_weight = size, side, where, hint_weight
        self.net = age_net.AgeNet(**age_net.SIZES[size], grid=side // 16, hints=views.HINTS).to(where).to(memory_format=torch.channels_last)
        if start:
            self.net.load_state_dict(torch.load(start, map_location=where)["averaged"])
        gpu = where.type == "cuda"
        self.rate = torch.tensor(rate, device=where)
        self.optimiser = torch.optim.AdamW(train_age.decayed_apart(self.net), lr=self.rate, capturable=gpu, foreach=gpu)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate
        self.weights = [v for v in self.net.state_dict().values() if v.is_floating_point()]
        self.averaged = [v.clone() for v in self.weights]
        self.graph, self.steps = None, 0

    def _step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        with torch.autocast(self.where.type, dtype=torch.bfloat16, cache_enabled=False):
            outputs = self.net.with_hints(batch[0])
        loss = train_age.loss_of(outputs, *batch[1:], self.hint_weight)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 2.0)
        self.optimiser.step()
        return loss.detach()

    def record(self, batch: list[torch.Tensor]) -> None:
        """Records a step on `batch`, whose tensors every later batch is copied into."""
        self.net.train()
        self.rate.fill_(1e-4)
        side_stream = torch.cuda.Stream()
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(4):
                self._step(batch)
        torch.cuda.current_stream().wait_stream(side_stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss = self._step(batch)

    def step(self, batch: list[torch.Tensor]) -> None:
        if self.graph:
            self.graph.replay()
        else:
            self.net.train()
            self.loss = self._step(batch)
        self.steps += 1
        if self.steps % EVERY == 0:
            torch._foreach_lerp_(self.averaged, self.weights, 1 - min(KEEP**EVERY, self.steps / (self.steps + 50)))

    def state(self) -> dict[str, torch.Tensor]:
        names = [k for k, v in self.net.state_dict().items() if v.is_floating_point()]
        return self.net.state_dict() | dict(zip(names, self.averaged))

    def figures(self, faces: Packed, held: torch.Tensor, portraits: torch.Tensor) -> dict:
        judge = age_net.AgeNet(**age_net.SIZES[self.size], grid=self.side // 16, hints=views.HINTS).to(self.where)
        judge.load_state_dict(self.state())
        found = train_age.figures(*train_age.predict(judge, held, self.side, 1024), faces.held_labels)
        return found | train_age.portrait_figures(train_age.predict(judge, portraits, self.side, 1024)[0], faces.held_age)

    def save(self, path: Path) -> None:
        torch.save({"averaged": {k: v.cpu() for k, v in self.state().items()}, "epoch": self.steps, "side": self.side, "net": age_net.SIZES[self.size]}, path)


def main() -> None:
    started = time.time()
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="what pack.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=400, help="from the start of the program to its end")
    parser.add_argument("--sizes", nargs="+", choices=sorted(age_net.SIZES), default=[age_net.SIZE])
    parser.add_argument("--name", default="age")
    parser.add_argument("--start", type=Path, help="checkpoint of the first size to start from")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--side", type=int, default=age_net.SIDE)
    parser.add_argument("--fresh", type=float, default=0.45, help="share of the time that goes into fresh views, at most")
    parser.add_argument("--capacity", type=int, default=120_000, help="views in each of the two pools")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--no-graph", action="store_true", help="do not record the steps")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    faces = Packed(args.data)
    odds = train_age.odds_of_faces(faces, train_age.BALANCE, train_age.PORTRAITS)
    makers = Makers(faces, odds, args.seed, args.processes)  # before CUDA begins: they are forked
    torch.manual_seed(args.seed)
    where = device()
    since = lambda: time.time() - started
    school = School(faces, makers, odds, next(args.data.glob("*/teacher-face.onnx")), args.seed, args.capacity, where)
    held = [torch.from_numpy(x).to(where) for x in (faces.held, faces.held_portraits)]
    plain = torch.arange(0, faces.chips, 7, device=where)
    sure = [school.eyes.ask(train_age.evaluation_chips(school.pixels[rows], views.SIDE), rows)[0] for rows in plain.split(512)]
    guess = (torch.cat(sure) @ train_age.years_on(plain.device)).cpu().numpy()
    print(f"{since():.0f} s: own-fold opinions of plain chips {np.abs(guess - faces.age[: faces.chips : 7]).mean():.2f} years; "
          f"contradicted labels {school.lessons.contradicted}", flush=True)
    made = 0
    while made < 20_000 * args.fresh:
        made += school.refresh()
    static = school.batch(args.batch, train_age.SHARES[0], args.side)
    students = [Student(size, args.side, args.rate, train_age.HINT_WEIGHT, args.start if k == 0 else None, where) for k, size in enumerate(args.sizes)]
    for student in students:
        print(f"{student.size}: {sum(p.numel() for p in student.net.parameters()):,} parameters", flush=True)
        if where.type == "cuda" and not args.no_graph:
            student.record(static)
    begin, step, told, spent, marks = since(), 0, since(), 0.0, [0.1, 0.5, 0.9]
    end = args.seconds - 6
    while (done := (since() - begin) / (end - begin)) < 1:
        rate = args.rate * min(1.0, done / 0.02 + 0.02) * max(0.003, 0.5 + 0.5 * np.cos(np.pi * done))
        for column, values in zip(static, school.batch(args.batch, train_age.SHARES[done > 0.8], args.side)):
            column.copy_(values)
        for student in students:
            student.rate.fill_(rate)
            student.step(static)
        step += 1
        if step % 4 == 0 and spent < args.fresh * (since() - begin) and makers.ready.qsize() >= SLOTS:
            before = since()
            made += school.refresh()
            wait(where)
            spent += since() - before
        elif step % 4 == 0:
            wait(where)  # the clock decides: nothing may queue up
        if since() - told > 10:
            told = since()
            print(f"{told:.0f} s: {step} steps, {made} views in {spent:.0f} s, loss " + " ".join(f"{float(s.loss):.3f}" for s in students), flush=True)
        if marks and done > marks[0]:
            marks.pop(0)
            for student in students:
                report(student, faces, held, args, done)
    for student in students:
        report(student, faces, held, args, 1.0)
    print(f"{since():.0f} s: {step} steps of {args.batch}, {made} views on {torch.cuda.get_device_name() if where.type == 'cuda' else 'the processor'}", flush=True)


def wait(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize()


def report(student: Student, faces: Packed, held: list[torch.Tensor], args: argparse.Namespace, done: float) -> None:
    student.save(args.out / f"{args.name}-{student.size}.pt")
    print(f"{student.size} {100 * done:.0f} % " + json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in student.figures(faces, *held).items()}), flush=True)


if __name__ == "__main__":
    main()
