"""Living people as pictures: photos with a face, people cut out of their background, and other faces set into both.

Every picture here is what a camera would see of a living person, and at the same time what an attacker would print or show:
`attacks.py` makes attacks from the same contents, so that nothing but the medium tells the two apart.
"""

import csv
import hashlib
import pickle
import sys
import tarfile

import cv2
import numpy as np
import torch

import portraits
from common import TEMPLATE, WORK, data_dir, load_chips, near_duplicate_groups, split, unpacked
from detector_net import HEIGHT, WIDTH, decode
from scenes import read

cv2.setNumThreads(1)
FOLDER = WORK / "liveness"


class Finder(portraits.Detector):
    """The shipped detector, with boxes: `(box, landmarks)` of the largest face of an RGB picture above `score`, or None."""

    def face(self, image: np.ndarray, score: float = 0.5) -> tuple[np.ndarray, np.ndarray] | None:
        height, width = image.shape[:2]
        scale = min(WIDTH / width, HEIGHT / height)
        small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        canvas = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        tensor = ((canvas.astype(np.float32) - self.mean) / self.std).transpose(2, 0, 1)[None]
        faces = decode([torch.from_numpy(m[0]) for m in self.session.run(None, {"image": np.ascontiguousarray(tensor)})], score)
        if not faces:
            return None
        _, box, points = max(faces, key=lambda f: f[1][3] - f[1][1])
        return np.array(box, np.float32) / scale, np.array(points, np.float32) / scale


def cut_out(image: np.ndarray, box: np.ndarray) -> np.ndarray | None:
    """Alpha `[H, W]`, uint8, of the person whose face lies in `box`, by GrabCut; None where it fails."""
    height, width = image.shape[:2]
    shrink = min(1.0, 200 / max(height, width))
    small = cv2.resize(image, (round(width * shrink), round(height * shrink)), interpolation=cv2.INTER_AREA)
    x0, y0, x1, y1 = box * shrink
    h, w, face = small.shape[0], small.shape[1], y1 - y0
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    mask = np.full((h, w), cv2.GC_PR_BGD, np.uint8)
    at = lambda x, y: (int(x), int(y))
    cv2.rectangle(mask, at(cx - 1.3 * face, y1 + 0.15 * face), at(cx + 1.3 * face, h), cv2.GC_PR_FGD, -1)
    cv2.ellipse(mask, at(cx, cy - 0.05 * face), at(0.72 * face, 0.95 * face), 0, 0, 360, cv2.GC_PR_FGD, -1)
    mask[: max(2, int(y0 - 0.75 * face))] = cv2.GC_BGD
    mask[: int(y1), : max(2, int(cx - 1.5 * face))] = cv2.GC_BGD
    mask[: int(y1), min(w - 2, int(cx + 1.5 * face)) :] = cv2.GC_BGD
    cv2.ellipse(mask, at(cx, cy), at(0.38 * face, 0.48 * face), 0, 0, 360, cv2.GC_FGD, -1)
    cv2.rectangle(mask, at(cx - 0.2 * face, y1), at(cx + 0.2 * face, h), cv2.GC_FGD, -1)
    cv2.grabCut(cv2.cvtColor(small, cv2.COLOR_RGB2BGR), mask, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    alpha = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    _, parts = cv2.connectedComponents(alpha)
    label = parts[min(h - 1, max(0, int(cy))), min(w - 1, max(0, int(cx)))]
    if not label:
        return None
    alpha = (parts == label).astype(np.uint8)
    if not 0.12 < alpha.mean() < 0.85:
        return None
    soft = cv2.GaussianBlur(alpha.astype(np.float32), (0, 0), 0.9)
    # A little inside the border, so that no seam of the old background comes along.
    soft = np.clip((soft - 0.45) * 2.2, 0, 1)
    return (cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR) * 255).astype(np.uint8)


def held_room(name: str) -> bool:
    return hashlib.sha256(b"room" + name.encode()).digest()[0] < 90


def unpack(name: str, folder: str) -> None:
    if not (unpacked() / folder).is_dir():
        with tarfile.open(data_dir() / name) as tar:
            tar.extractall(unpacked(), filter="data")


def people() -> list[dict]:
    """Every photo with one found face: `image`, `box`, `points`, `alpha` or None, `kind`, `path`, `held`."""
    target = FOLDER / "people.pickle"
    if target.is_file():
        return pickle.loads(target.read_bytes())
    unpack("portraits-dev.tar.gz", "portraits")
    unpack("rooms-dev.tar.gz", "rooms")
    todo = []
    for row in csv.DictReader((unpacked() / "portraits" / "labels.csv").open()):
        todo.append(("portrait", unpacked() / "portraits" / row["path"], portraits.held_back(row["person"])))
    for row in csv.DictReader((unpacked() / "rooms" / "labels.csv").open()):
        todo.append(("room", unpacked() / "rooms" / row["path"], held_room(row["path"])))
    faces = sorted((unpacked() / "scenes" / "faces").iterdir())
    todo += [("scene", path, k >= len(faces) * 3 // 4) for k, path in enumerate(faces)]
    finder, found = Finder(), []
    for k, (kind, path, held) in enumerate(todo):
        image = read(path)
        face = finder.face(image)
        if face is None:
            continue
        box, points = face
        found.append({"image": image, "box": box, "points": points, "alpha": cut_out(image, box), "kind": kind, "path": path.name, "held": held})
        if k % 100 == 0:
            print(f"people: {k} of {len(todo)}, {sum(f['alpha'] is not None for f in found)} cut out", file=sys.stderr, flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    target.with_suffix(".tmp").write_bytes(pickle.dumps(found))
    target.with_suffix(".tmp").rename(target)
    return found


class Material:
    """Everybody and everything of one side of the split: people with boxes, chips of further faces, places without a face."""

    def __init__(self, held: bool):
        everybody = [p for p in people() if p["held"] == held]
        self.rooms = [p for p in everybody if p["kind"] == "room"]
        self.scenes = [p for p in everybody if p["kind"] == "scene"]
        self.portraits = [p for p in everybody if p["kind"] == "portrait"]
        self.cut = [p for p in everybody if p["alpha"] is not None]
        _, labels, pixels = load_chips()
        train, rest = split(labels, near_duplicate_groups(pixels))
        self.pixels, self.chips, self.labels = pixels, rest if held else train, labels
        empty = sorted((unpacked() / "scenes" / "no-face").iterdir())
        self.empty = [read(p) for i, p in enumerate(empty) if (i % 5 == 0) == held]

    def person(self, rng: np.random.Generator, cut: bool) -> dict:
        if cut:
            return self.cut[rng.integers(len(self.cut))]
        kind = rng.random()
        pool = self.portraits if kind < 0.2 else self.rooms if kind < 0.65 else self.scenes
        return pool[rng.integers(len(pool))]

    def patch(self, rng: np.random.Generator, width: int, height: int) -> np.ndarray:
        """A place: part of a photo without a face, or a plain wall with a little of what walls have."""
        if rng.random() < 0.25:
            base = rng.uniform(20, 235) + rng.normal(0, 10, 3)
            x, y = np.meshgrid(np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32))
            wall = (1 + rng.normal(0, 0.15) * x + rng.normal(0, 0.15) * y)[..., None] * base.astype(np.float32)
            for _ in range(rng.integers(0, 4)):
                a, b = rng.integers(0, [width, height]), rng.integers(0, [width, height])
                cv2.rectangle(wall, a.tolist(), b.tolist(), rng.uniform(0, 255, 3).tolist(), -1 if rng.random() < 0.6 else int(rng.integers(1, 8)))
            return cv2.GaussianBlur(wall, (0, 0), rng.uniform(0.5, 4))
        image = self.empty[rng.integers(len(self.empty))]
        h, w = image.shape[:2]
        scale = max(width / w, height / h) * (1.0 if rng.random() < 0.5 else rng.uniform(1.0, 2.0))
        cw, ch = min(w, int(width / scale)), min(h, int(height / scale))
        left, top = rng.integers(0, w - cw + 1), rng.integers(0, h - ch + 1)
        part = image[top : top + ch, left : left + cw]
        part = part[:, ::-1] if rng.random() < 0.5 else part
        out = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if cw > width else cv2.INTER_CUBIC).astype(np.float32)
        return cv2.GaussianBlur(out, (0, 0), rng.uniform(0.6, 3)) if rng.random() < 0.3 else out


def with_other_face(person: dict, material: Material, rng: np.random.Generator, chip: int | None = None) -> np.ndarray:
    """The photo with the face of a chip in the place of its own: 20,000 faces for 2,000 surroundings."""
    index = material.chips[rng.integers(len(material.chips))] if chip is None else chip
    chip = np.asarray(material.pixels[index]).astype(np.float32)
    if rng.random() < 0.5:
        chip = np.ascontiguousarray(chip[:, ::-1])
    side = len(chip)
    matrix, _ = cv2.estimateAffinePartial2D(TEMPLATE * side, person["points"], method=cv2.LMEDS)
    if matrix is None:
        return person["image"]
    image = person["image"].astype(np.float32)
    h, w = image.shape[:2]
    size = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if size < 0.6:
        chip = cv2.GaussianBlur(chip, (0, 0), 0.4 / size)
    alpha = np.zeros((side, side), np.float32)
    cv2.ellipse(alpha, (int(side * 0.49), int(side * 0.46)), (int(side * rng.uniform(0.36, 0.42)), int(side * rng.uniform(0.44, 0.5))), 0, 0, 360, 1.0, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), side * rng.uniform(0.025, 0.05))
    face = cv2.warpAffine(chip, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(alpha, matrix, (w, h), flags=cv2.INTER_LINEAR)[..., None]
    inside = (alpha[..., 0] > 0.5).astype(np.uint8)
    mean = lambda x: np.array(cv2.mean(x, inside)[:3], np.float32)
    own, other = mean(image), mean(face)
    face = face * (own / (other + 1)) ** np.float32(rng.uniform(0.6, 1.0))
    image += (face - image) * alpha
    return np.clip(image, 0, 255, out=image)


def grey(x: np.ndarray) -> np.ndarray:
    """The mean of the three colours, `[H, W]`: several times faster than `mean(2)`."""
    return cv2.transform(x, np.full((1, 3), 1 / 3, np.float32))


def colour_of(x: np.ndarray) -> np.ndarray:
    mean = np.array(cv2.mean(x)[:3], np.float32)
    return mean / (mean.mean() + 1)


def place(x: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border=cv2.BORDER_CONSTANT) -> np.ndarray:
    """Warps by an affine map, averaged where it shrinks."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if scale < 0.8:
        # Shrink by area first: a warp alone would alias.
        h, w = x.shape[:2]
        small = (max(2, round(w * scale)), max(2, round(h * scale)))
        x = cv2.resize(x, small, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([w / small[0], h / small[1], 1.0])
    return cv2.warpAffine(x, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)


def similar(box: np.ndarray, face: float, centre, angle: float, mirror: bool) -> np.ndarray:
    """The map that brings a box to the height `face` at `centre`, turned and mirrored."""
    scale = face / (box[3] - box[1])
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([-1.0 if mirror else 1.0, 1.0])
    middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    return np.column_stack([linear, np.asarray(centre) - linear @ middle])


def moved(box: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    centre = matrix[:, :2] @ [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2] + matrix[:, 2]
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    half = np.array([box[2] - box[0], box[3] - box[1]]) / 2 * scale
    return np.concatenate([centre - half, centre + half])


def content(material: Material, rng: np.random.Generator, face: float, reach, chip: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """A living person as a camera sees one: picture (float RGB), face box, and alpha of the person where known.

    `face` is the height of the face in pixels; `reach` says how far the picture goes left, up, right and down from the middle
    of the face, in face heights, where the photo reaches so far.
    """
    # Most are photos as they are: what the limit of refused people is set by should not be what composing does to a picture.
    cut = rng.random() < 0.3
    person = material.person(rng, cut)
    for _ in range(6):
        # A photo that has to be enlarged much is soft, which no living person is: a larger one, then.
        if face <= 1.1 * (person["box"][3] - person["box"][1]):
            break
        person = material.person(rng, cut)
    swapped = rng.random() < 0.2 or chip is not None
    image = with_other_face(person, material, rng, chip) if swapped else person["image"].astype(np.float32)
    box, mirror = person["box"], bool(rng.random() < 0.5)
    height, width = image.shape[:2]
    unit = box[3] - box[1]
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    if mirror:
        image, cx = image[:, ::-1], width - cx
    alpha = person["alpha"]
    if mirror and alpha is not None:
        alpha = alpha[:, ::-1]
    box = np.array([cx - (box[2] - box[0]) / 2, box[1], cx + (box[2] - box[0]) / 2, box[3]], np.float32)
    left, up, right, down = reach
    down = min(down, (height - cy) / unit)
    if not cut:
        left, up, right = min(left, cx / unit), min(up, cy / unit), min(right, (width - cx) / unit)
    elif cx / unit < 1.1 or (width - cx) / unit < 1.1:
        # The shoulders end at the photo's side: so does the new picture.
        left, right = (min(left, cx / unit), right) if cx < width - cx else (left, min(right, (width - cx) / unit))
    w, h = max(24, round((left + right) * face)), max(24, round((up + down) * face))
    matrix = similar(box, face, (left * face, up * face), 0.0, False)
    shadow = place(np.ascontiguousarray(image), matrix, (w, h), cv2.BORDER_REPLICATE)
    out_alpha = place(np.ascontiguousarray(alpha).astype(np.float32) / 255, matrix, (w, h), cv2.BORDER_REPLICATE) if alpha is not None else None
    if cut:
        back = material.patch(rng, w, h)
        if rng.random() < 0.35:
            clutter(back, material, rng, face)
        # One light for both: the person is as bright as the place, roughly.
        shift = (np.mean(cv2.mean(back)[:3]) + 60) / (np.mean(cv2.mean(shadow)[:3]) + 60)
        shadow = shadow * np.float32(np.clip(shift, 0.55, 1.5) ** rng.uniform(0.0, 0.8))
        if rng.random() < 0.4:
            shadow = shadow * colour_of(back) ** np.float32(rng.uniform(0, 0.5))
        soft = out_alpha[..., None]
        shadow = back * (1 - soft) + shadow * soft
    else:
        if rng.random() < 0.04:
            clutter(shadow, material, rng, face, keep=(left * face, up * face))
        if rng.random() < 0.15:
            wedge(shadow, rng, face, (left * face, up * face))
    return shadow, moved(box, matrix), out_alpha


def wedge(scene: np.ndarray, rng: np.random.Generator, face: float, middle) -> None:
    """Black beyond one or two straight edges: a photo that was turned before somebody kept it, or a dark door. It is no bezel."""
    h, w = scene.shape[:2]
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    lean = np.radians(rng.normal(0, 10))
    for quarter in rng.choice(4, int(rng.integers(1, 3)), replace=False):
        angle = lean + quarter * np.pi / 2
        beyond = (xx - middle[0]) * np.float32(np.cos(angle)) + (yy - middle[1]) * np.float32(np.sin(angle)) > face * rng.uniform(0.7, 1.35)
        scene[beyond] = np.float32(rng.uniform(0, 4))


def clutter(scene: np.ndarray, material: Material, rng: np.random.Generator, face: float, keep=None) -> None:
    """Pictures, doors, screens and sheets that hang or stand about: a straight edge is no attack. With `keep`, not on the face."""
    h, w = scene.shape[:2]
    for _ in range(rng.integers(1, 4)):
        bw, bh = (max(6, int(face * rng.uniform(0.4, 2.4))) for _ in range(2))
        x, y = rng.integers(-bw // 2, w - bw // 2), rng.integers(-bh // 2, h - bh // 2)
        if keep is not None and abs(x + bw / 2 - keep[0]) < bw / 2 + face * 0.65 and abs(y + bh / 2 - keep[1]) < bh / 2 + face * 0.75:
            continue
        x0, y0, x1, y1 = max(0, x), max(0, y), min(w, x + bw), min(h, y + bh)
        if x1 - x0 < 4 or y1 - y0 < 4:
            continue
        kind = rng.random()
        inner = material.patch(rng, x1 - x0, y1 - y0) if kind < 0.5 else np.full((y1 - y0, x1 - x0, 3), rng.choice([15, 240, 128]), np.float32)
        frame = int(max(1, face * rng.uniform(0.0, 0.12)))
        scene[y0:y1, x0:x1] = np.float32(rng.uniform(0, 255)) if rng.random() < 0.5 else rng.uniform(0, 255, 3).astype(np.float32)
        if x1 - x0 > 2 * frame + 2 and y1 - y0 > 2 * frame + 2:
            scene[y0 + frame : y1 - frame, x0 + frame : x1 - frame] = inner[frame : y1 - y0 - frame, frame : x1 - x0 - frame] * np.float32(rng.uniform(0.6, 1.2))


if __name__ == "__main__":
    everybody = people()
    for kind in ("portrait", "room", "scene"):
        these = [p for p in everybody if p["kind"] == kind]
        print(f"{kind}: {len(these)} found, {sum(p['held'] for p in these)} held back, {sum(p['alpha'] is not None for p in these)} cut out")
