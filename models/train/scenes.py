"""Makes training pictures for the detector: chips pasted into photos without faces, and real photos with one.

A chip knows its landmarks (see the data README), so a random similarity transform of it comes with labels. Patches
of other photos are pasted with the same masks as the faces: a seam must not tell the net where a face is.
"""

from pathlib import Path

import cv2
import numpy as np

from common import TEMPLATE, data_dir, load_chips, near_duplicate_groups, split, unpacked
from detector_net import HEIGHT, WIDTH

cv2.setNumThreads(1)
# Where the teacher draws its box around a chip, in chip coordinates (median over 328 pasted chips).
CHIP_BOX = (0.07, -0.065, 0.915, 0.955)


def teacher_session():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(data_dir() / "ultralight-rfb-320.onnx"), options)


def teacher_faces(session, image: np.ndarray, threshold: float = 0.3) -> list[tuple[float, list[float]]]:
    """The teacher's faces in an RGB picture, best first, in pixels of that picture."""
    from detector_net import iou

    height, width = image.shape[:2]
    x = cv2.resize(image, (320, 240)).astype(np.float32)
    scores, boxes = session.run(None, {session.get_inputs()[0].name: ((x - 127) / 128).transpose(2, 0, 1)[None]})
    keep = scores[0, :, 1] > threshold
    scores, boxes = scores[0, keep, 1], boxes[0, keep] * [width, height, width, height]
    found: list = []
    for i in np.argsort(-scores):
        box = boxes[i].tolist()
        if all(iou(box, other) < 0.3 for _, other in found):
            found.append((float(scores[i]), box))
    return found


def read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{path}: not a readable picture")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class Material:
    """All pictures in memory, divided into those to train on and those held back."""

    def __init__(self):
        _names, labels, pixels = load_chips()
        train, held = split(labels, near_duplicate_groups(pixels))
        self.chips, self.held_chips = np.asarray(pixels[train]), held
        folder = unpacked() / "scenes"
        people = {line.strip() for line in (Path(__file__).parent / "people-in-objects.txt").read_text().splitlines() if line.strip() and not line.startswith("#")}
        faces = sorted((folder / "faces").iterdir())
        # The photos come in runs of one person: the last quarter shows people that training does not see.
        self.held_faces = faces[len(faces) * 3 // 4 :]
        session = teacher_session()
        self.faces = []
        for path in faces[: len(faces) * 3 // 4]:
            image = read(path)
            self.faces.append((image, teacher_faces(session, image)[0][1]))
        empty = sorted((folder / "no-face").iterdir())
        objects = sorted(p for p in (folder / "unchecked").iterdir())
        self.held_empty, self.held_objects = empty[::5], [p for p in objects[::4] if p.name not in people]
        self.empty = [read(p) for i, p in enumerate(empty) if i % 5]
        self.objects = [read(p) for i, p in enumerate(objects) if i % 4 and p.name not in people]


def mask(side: int, rng: np.random.Generator) -> np.ndarray:
    """An alpha mask `[side, side]`: a hard square, a soft square or a soft ellipse."""
    kind = rng.random()
    alpha = np.zeros((side, side), np.float32)
    if kind < 0.15:
        alpha[:] = 1
        return alpha
    if kind < 0.45:
        edge = max(2, int(side * rng.uniform(0.02, 0.12)))
        alpha[edge:-edge, edge:-edge] = 1
        return cv2.GaussianBlur(alpha, (0, 0), edge / 2)
    axes = (int(side * rng.uniform(0.40, 0.47)), int(side * rng.uniform(0.48, 0.58)))
    cv2.ellipse(alpha, (int(side * 0.49), int(side * rng.uniform(0.44, 0.5))), axes, 0, 0, 360, 1.0, -1)
    return cv2.GaussianBlur(alpha, (0, 0), side * rng.uniform(0.01, 0.05))


def paste(canvas: np.ndarray, patch: np.ndarray, to_canvas: np.ndarray, rng: np.random.Generator) -> None:
    """Blends a square patch into the canvas; `to_canvas` maps unit patch coordinates to canvas pixels."""
    side = patch.shape[0]
    matrix = to_canvas.copy()
    matrix[:, :2] /= side
    size = np.sqrt(abs(np.linalg.det(to_canvas[:, :2])))
    if size < side * 0.7:
        small = max(8, int(np.ceil(size)))
        patch = cv2.resize(patch, (small, small), interpolation=cv2.INTER_AREA)
        matrix[:, :2] *= side / small
        side = small
    alpha = mask(side, rng)
    warped = cv2.warpAffine(patch, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(alpha, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)[..., None]
    canvas[:] = canvas * (1 - alpha) + warped * alpha


def placement(height: float, rng: np.random.Generator, turn: float = 15.0) -> np.ndarray:
    """A random map from unit chip coordinates to the canvas for a face of `height` pixels."""
    angle = np.radians(np.clip(rng.normal(0, turn), -36, 36))
    narrow = rng.uniform(0.82, 1.08)
    shear = rng.normal(0, 0.04)
    linear = height * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.array([[narrow, shear], [0, 1]])
    half = height * 0.5
    x = rng.uniform(min(half * 0.8, WIDTH / 2), max(WIDTH - half * 0.8, WIDTH / 2))
    y = rng.uniform(min(half * 0.95, HEIGHT / 2), max(HEIGHT - half * 0.95, HEIGHT / 2))
    return np.column_stack([linear, np.array([x, y]) - linear @ [0.49, 0.45]])


def cover(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random crop of a photo, stretched over the canvas."""
    height, width = image.shape[:2]
    share = rng.uniform(0.55, 1.0) if rng.random() < 0.6 else 1.0
    h, w = int(height * share), int(width * min(1.0, share * rng.uniform(0.85, 1.15)))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    crop = cv2.resize(image[top : top + h, left : left + w], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA if w > WIDTH else cv2.INTER_LINEAR)
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def turned_box(box: tuple, matrix: np.ndarray) -> list[float]:
    """The upright box around a box that is turned by a few degrees; its own width and height about the turned centre."""
    x0, y0, x1, y1 = box
    centre = matrix[:, :2] @ [(x0 + x1) / 2, (y0 + y1) / 2] + matrix[:, 2]
    width = (x1 - x0) * np.linalg.norm(matrix[:, 0])
    height = (y1 - y0) * np.linalg.norm(matrix[:, 1])
    tilt = abs(np.sin(np.arctan2(matrix[1, 0], matrix[0, 0])))
    width, height = width + 0.4 * tilt * (height - width) + 0.2 * tilt * width, height * (1 - 0.05 * tilt)
    return [centre[0] - width / 2, centre[1] - height / 2, centre[0] + width / 2, centre[1] + height / 2]


def photo_with_face(image: np.ndarray, box: list[float], rng: np.random.Generator) -> tuple[np.ndarray, list[float]]:
    """A real photo, scaled so that its face has a random height, turned a little, cut to the canvas."""
    face = box[3] - box[1]
    height = np.exp(rng.uniform(np.log(16), np.log(215)))
    scale = height / face
    angle = np.radians(np.clip(rng.normal(0, 13), -35, 35))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([mirror, 1.0])
    half = height / 2
    target = [rng.uniform(min(half, 160), max(WIDTH - half, 160)), rng.uniform(min(half, 120), max(HEIGHT - half, 120))]
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    matrix = np.column_stack([linear, target - linear @ centre])
    source = image if scale > 0.7 else cv2.GaussianBlur(image, (0, 0), 0.45 / scale)
    border = cv2.BORDER_REFLECT if rng.random() < 0.5 and height > 70 else cv2.BORDER_REPLICATE
    canvas = cv2.warpAffine(source, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=border if height > 120 else cv2.BORDER_REPLICATE)
    return canvas, turned_box(tuple(box), matrix)


def degrade(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light, colour, focus, noise and JPEG of a cheap camera."""
    x = canvas.astype(np.float32)
    if rng.random() < 0.8:
        x = 255 * (np.clip(x, 0, 255) / 255) ** np.exp(rng.normal(0, 0.3))
        x = (x - x.mean()) * np.exp(rng.normal(0, 0.2)) + x.mean() * np.exp(rng.normal(0, 0.25))
        x = x * np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
    if rng.random() < 0.2:
        x = np.repeat(x.mean(2, keepdims=True), 3, 2)
    if rng.random() < 0.25:  # coloured light
        x = np.clip(x, 0, 255) * np.exp(rng.uniform(-0.75, 0.35, 3)).astype(np.float32)
    if rng.random() < 0.15:  # far too much light, or far too little
        x = np.clip(x, 0, 255) * np.exp(rng.uniform(0.3, 1.0) if rng.random() < 0.6 else rng.uniform(-1.6, -0.5))
    if rng.random() < 0.25:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 2.0))
    if rng.random() < 0.3:
        x = np.clip(x, 0, 255) + rng.normal(0, rng.uniform(2, 20), x.shape).astype(np.float32)
    x = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, packed = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 90))])
        x = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return x


def example(material: Material, rng: np.random.Generator, hard: np.ndarray | None) -> tuple[np.ndarray, list]:
    """One picture `[240, 320, 3]` and its faces: `(box, landmarks or None)`."""
    kind = rng.random()
    if kind < 0.22:
        image, box = material.faces[rng.integers(len(material.faces))]
        canvas, box = photo_with_face(image, box, rng)
        # A head upside down is none: its landmarks would be those of an upright one.
        if rng.random() < 0.12:
            return degrade(np.ascontiguousarray(canvas[::-1]), rng), []
        return degrade(canvas, rng), [(box, None)]
    pool = material.objects if rng.random() < 0.35 else material.empty
    if hard is not None and rng.random() < 0.5:
        joined = rng.choice(len(hard), p=hard)
        image = material.empty[joined] if joined < len(material.empty) else material.objects[joined - len(material.empty)]
    else:
        image = pool[rng.integers(len(pool))]
    canvas = cover(image, rng).astype(np.float32)
    faces: list = []
    if rng.random() < 0.35:
        for _ in range(rng.integers(1, 3)):
            other = material.empty[rng.integers(len(material.empty))]
            side = int(min(other.shape[:2]) * rng.uniform(0.2, 1.0))
            top, left = rng.integers(0, other.shape[0] - side + 1), rng.integers(0, other.shape[1] - side + 1)
            patch = np.ascontiguousarray(other[top : top + side, left : left + side])
            if rng.random() < 0.2:
                chip = material.chips[rng.integers(len(material.chips))]
                corner = int(rng.integers(0, 3))
                patch = np.ascontiguousarray([chip[80:128, 10:58], chip[0:40, 0:40], chip[84:128, 70:114]][corner])
            paste(canvas, patch, placement(np.exp(rng.uniform(np.log(18), np.log(200))), rng, 40), rng)
    if kind > 0.5:
        for _ in range(1 + (rng.random() < 0.3) + (rng.random() < 0.1)):
            chip = material.chips[rng.integers(len(material.chips))]
            height = np.exp(rng.uniform(np.log(15), np.log(235)))
            if not faces and rng.random() < 0.08:  # upside down: a thing like a face that is none
                paste(canvas, np.ascontiguousarray(chip[::-1]), placement(height, rng), rng)
                continue
            matrix = placement(height, rng)
            box = turned_box(CHIP_BOX, matrix)
            if any(box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o, _ in faces):
                continue
            points = TEMPLATE @ matrix[:, :2].T + matrix[:, 2]
            if rng.random() < 0.5:
                chip = np.ascontiguousarray(chip[:, ::-1])
                points = (np.column_stack([1 - TEMPLATE[:, 0], TEMPLATE[:, 1]]) @ matrix[:, :2].T + matrix[:, 2])[[1, 0, 2, 4, 3]]
            relit = np.clip(chip.astype(np.float32) * np.exp(rng.normal(0, 0.15)), 0, 255)
            paste(canvas, relit, matrix, rng)
            faces.append((box, points))
    return degrade(np.clip(canvas, 0, 255), rng), faces
