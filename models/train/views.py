"""Augmented views of every training face, computed once, and what the teacher sees in them.

A student learns most from a teacher who is asked about the very picture that the student sees (Beyer et al., 'Knowledge
distillation: a good teacher is patient and consistent', 2022). The teacher needs 17 ms a picture, so each training face is
rendered `VIEWS` times, and picture, features and opinions are kept. One view in five is disguised (`disguise.py`): there
the teacher sees the face as it was before, so that the student learns to look through a drawn beard.

`render_views.py` makes them. `opinions` fits the heads: small linear ones on the teacher's features, five folds, each on the training chips
and portraits that the other folds hold, so that no head judges a picture whose label it saw.
"""

import time
from collections.abc import Callable

import cv2
import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F

import augment
import disguise
import portraits
from common import SEED, WORK, data_dir, load_chips, near_duplicate_groups, split

SIDE = 96
VIEWS = 6
BLENDS = 9  # numbered after the views, see `blends.py`
FEATURES = 1024
HINTS = 128
DISGUISED = 0.2
FOLDER = WORK / "views"


class Faces:
    """All training faces: UTKFace training chips first, then the portraits of the people who are not held back."""

    def __init__(self):
        names, labels, pixels = load_chips()
        train, _ = split(labels, near_duplicate_groups(pixels))
        opinions = np.load(data_dir() / "teacher-opinions.npz")
        assert list(opinions["names"]) == names, "teacher-opinions.npz does not list the chips of utkface-dev.tar"
        people = portraits.load()
        mine = np.array([not portraits.held_back(p) for p in people["person"]])
        self.chips = len(train)
        self.pixels = np.concatenate([np.asarray(pixels[train]), people["pixels"][mine]])
        self.age = np.concatenate([np.clip(labels[train, 0], 0, 100), people["age"][mine]]).astype(np.float32)
        self.female = np.concatenate([labels[train, 1], people["female"][mine]]).astype(np.float32)
        self.fold = np.concatenate([opinions["fold"][train], [portraits.fold(p) for p in people["person"][mine]]]).astype(np.int64)
        self.asian = np.concatenate([labels[train, 2] == 2, np.ones(mine.sum(), bool)])
        # Out-of-fold opinions about the plain chips, several passes each; none for portraits.
        self.plain = opinions["dist"][train].astype(np.float32)
        self.plain_female = opinions["female"][train].astype(np.float32)

    def __len__(self) -> int:
        return len(self.pixels)


def teacher() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(data_dir() / "teacher-face.onnx"), options)


def write(view: int, count: int, draw: Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]) -> None:
    """Writes `chips-V.npy [N, 96, 96, 3]` and `features-V.npy [N, 1024]`; picks up where it was stopped. `draw` makes of some
    numbers what the student sees and what the teacher is asked about, `[n, 96, 96, 3]` bytes each."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    done_mark = FOLDER / f"done-{view}"
    if done_mark.is_file():
        return
    block = 64
    progress = FOLDER / f"progress-{view}"
    mode = "r+" if progress.is_file() else "w+"
    chips = np.lib.format.open_memmap(FOLDER / f"chips-{view}.npy", mode, np.uint8, (count, SIDE, SIDE, 3))
    features = np.lib.format.open_memmap(FOLDER / f"features-{view}.npy", mode, np.float16, (count, FEATURES))
    session, started = teacher(), time.time()
    for start in range(int(progress.read_text()) if mode == "r+" else 0, count, block):
        index = np.arange(start, min(count, start + block))
        chips[index], shown = draw(index, np.random.default_rng([SEED, view, start]))
        large = np.stack([cv2.resize(x, (224, 224), interpolation=cv2.INTER_LINEAR) for x in shown]).astype(np.float32)
        features[index] = np.concatenate([session.run(["features"], {"chip": part})[0] for part in np.split(large, range(8, len(large), 8))])
        if start // block % 8 == 7:
            chips.flush()
            features.flush()
            progress.write_text(str(start + block))
            print(f"view {view}: {start + block} of {count}, {time.time() - started:.0f} s", flush=True)
    chips.flush()
    features.flush()
    done_mark.write_text("done")


def drawer(view: int, faces: Faces) -> Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]:
    """Draws a view for `write`."""
    # The first view is a mild one, the others reach as far as a bad camera does.
    strength = 0.5 if view == 0 else 1.0
    cast = bool(view % 2)

    def draw(index: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        plain = faces.pixels[index]
        worn = np.flatnonzero(rng.random(len(index)) < DISGUISED)
        masked = plain.copy()
        for i in worn:
            masked[i] = disguise.some(plain[i], rng)
        seed = int(rng.integers(2**31))
        seen, shown = (augment.chips(torch.from_numpy(x).permute(0, 3, 1, 2).float(), SIDE, strength, torch.Generator().manual_seed(seed), cast=cast)
                       .round().byte().permute(0, 2, 3, 1).numpy() for x in (masked, plain))
        return seen, shown

    return draw


def look_at_plain(faces: Faces) -> None:
    """Writes the teacher's features of every plain face, `features-plain.npy`: for faces that the student sees as they are."""
    path = FOLDER / "features-plain.npy"
    if path.is_file():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    session, out = teacher(), np.zeros((len(faces), FEATURES), np.float16)
    for start in range(0, len(faces), 8):
        large = [cv2.resize(x, (224, 224), interpolation=cv2.INTER_LINEAR) for x in faces.pixels[start : start + 8]]
        out[start : start + 8] = session.run(["features"], {"chip": np.stack(large).astype(np.float32)})[0]
    temporary = path.with_suffix(".tmp.npy")
    np.save(temporary, out)
    temporary.rename(path)


def plain_hints() -> np.ndarray | None:
    """The whitened features of every plain face, `[N, 128]`, if they are there."""
    path = FOLDER / "features-plain.npy"
    if not path.is_file():
        return None
    mean, project = whitening(None)
    return ((np.load(path).astype(np.float32) - mean) @ project).astype(np.float16)


def finished() -> list[int]:
    """Views first, then the blends of `blends.py`."""
    return [v for v in range(VIEWS + BLENDS) if (FOLDER / f"done-{v}").is_file()]


def whitening(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and map `[1024, 128]` to whitened principal components; fixed by the first view."""
    path = FOLDER / "whitening.npz"
    if not path.is_file():
        x = features.astype(np.float64)
        mean = x.mean(0)
        values, vectors = np.linalg.eigh(np.cov((x - mean).T))
        order = np.argsort(-values)[:HINTS]
        np.savez(path, mean=mean.astype(np.float32), map=(vectors[:, order] / np.sqrt(values[order])).astype(np.float32))
    stored = np.load(path)
    return stored["mean"], stored["map"]


class Heads(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = torch.nn.Linear(FEATURES, 256)
        self.dropout = torch.nn.Dropout(0.4)
        self.age, self.gender = torch.nn.Linear(256, 101), torch.nn.Linear(256, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.dropout(F.gelu(self.hidden(x)))
        return self.age(x), self.gender(x).squeeze(1)


def fit(x: torch.Tensor, target: torch.Tensor, age: torch.Tensor, female: torch.Tensor, weight: torch.Tensor, epochs: int) -> Heads:
    from train_age import YEARS

    heads, years = Heads().to(x.device), YEARS.to(x.device)
    optimiser = torch.optim.AdamW(heads.parameters(), lr=1e-3, weight_decay=0.05)
    batch, steps = 512, len(x) // 512
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, epochs * steps)
    for epoch in range(epochs):
        order = torch.multinomial(weight, steps * batch, replacement=True, generator=torch.Generator().manual_seed(epoch)).to(x.device)
        for part in order.split(batch):
            logits, sex = heads(x[part])
            log_p = F.log_softmax(logits, 1)
            loss = (F.kl_div(log_p, target[part], reduction="batchmean") + 0.4 * F.smooth_l1_loss(log_p.exp() @ years, age[part], beta=2.0)
                    + F.binary_cross_entropy_with_logits(sex, female[part] * 0.98 + 0.01))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return heads.eval()


def opinions(faces: Faces) -> None:
    """Writes for each finished view `opinions-V.npz`: `dist [N, 101]`, `female [N]` (out of fold) and `hints [N, 128]`."""
    from train_age import YEARS, label_distribution

    views = [v for v in finished() if not (FOLDER / f"opinions-{v}.npz").is_file()]
    if not views:
        return
    mean, _ = whitening(np.load(FOLDER / "features-0.npy", mmap_mode="r"))
    load = lambda v: torch.from_numpy(np.load(FOLDER / f"features-{v}.npy").astype(np.float32) - mean)
    path = FOLDER / "heads.pt"
    age, female = torch.from_numpy(faces.age), torch.from_numpy(faces.female)
    weight = torch.ones(len(faces))
    weight[faces.chips :] = 2.0
    if not path.is_file():
        used = finished()[:2]
        x = torch.stack([load(v) for v in used])
        scale = x[0].std()
        heads = []
        for fold in range(5):
            torch.manual_seed(SEED + fold)
            rows = torch.from_numpy(np.flatnonzero(faces.fold != fold))
            heads.append(fit((x[:, rows] / scale).flatten(0, 1), label_distribution(age[rows]).repeat(len(used), 1), age[rows].repeat(len(used)),
                             female[rows].repeat(len(used)), weight[rows].repeat(len(used)), 12).state_dict())
        torch.save({"heads": heads, "scale": scale}, path)
    state = torch.load(path)
    heads = []
    for weights in state["heads"]:
        heads.append(Heads().eval())
        heads[-1].load_state_dict(weights)
    for view in views:
        x = load(view)
        dist, sex = np.zeros((len(faces), 101), np.float16), np.zeros(len(faces), np.float16)
        with torch.no_grad():
            for fold, head in enumerate(heads):
                rows = np.flatnonzero(faces.fold == fold)
                logits, gender = head(x[rows] / state["scale"])
                dist[rows], sex[rows] = torch.softmax(logits, 1).numpy(), torch.sigmoid(gender).numpy()
        _, project = whitening(None)
        np.savez(FOLDER / f"opinions-{view}.npz", dist=dist, female=sex, hints=(x.numpy() @ project).astype(np.float16))
        guess = dist.astype(np.float32) @ YEARS.numpy()
        error = np.abs(guess - faces.age)
        chips, rest = slice(0, faces.chips), slice(faces.chips, None)
        teens = lambda part: (faces.age[part] >= 13) & (faces.age[part] <= 17)
        print(f"view {view}: own-fold opinions, chips {error[chips].mean():.2f} years (13-17 {error[chips][teens(chips)].mean():.2f}), portraits "
              f"{error[rest].mean():.2f} (13-17 {error[rest][teens(rest)].mean():.2f}), gender {((sex > 0.5) == faces.female).mean():.3f}", flush=True)
