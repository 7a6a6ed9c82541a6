"""Which faces the detector finds when light, colour, sharpness and size are bad: a table for the model card.

Takes the scene photos of people whom training never saw, changes each in one way, and counts through the release binary
(`agegate detect`) how many of the faces are still found (IoU at least 0.5 with the teacher's box of the unchanged photo).
`python robustness.py MODEL.onnx` prints the counts as JSON.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

import scenes
from common import ROOT, SEED, WORK
from detector_net import iou

WIDTH, HEIGHT = 640, 480
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def gains(red: float, green: float, blue: float) -> Change:
    return lambda image, _rng: np.clip(image.astype(np.float32) * np.array([red, green, blue], np.float32), 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], cv2.IMREAD_COLOR)


def noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(image + rng.normal(0, 20, image.shape), 0, 255).astype(np.uint8)


LIGHT: dict[str, Change] = {
    "as it is": lambda image, _rng: image,
    "blue light": gains(0.55, 0.85, 1.25),
    "green light": gains(0.6, 1.2, 0.6),
    "red light": gains(1.25, 0.6, 0.55),
    "over-exposed": gains(2.0, 2.0, 2.0),
    "dark": gains(0.2, 0.2, 0.2),
    "grey": lambda image, _rng: np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2),
    "blurred": lambda image, _rng: cv2.GaussianBlur(image, (0, 0), 3),
    "noise": noise,
    "JPEG 20": jpeg,
    "mirrored": lambda image, _rng: image[:, ::-1],
}


def placed(image: np.ndarray, box: list[float], height: float, degrees: float) -> tuple[np.ndarray, list[float]]:
    """The photo in a 640x480 frame, turned about its face, whose height becomes `height` pixels; and the face's box there."""
    scale, angle = height / (box[3] - box[1]), np.radians(degrees)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    matrix = np.column_stack([linear, np.array([WIDTH / 2, HEIGHT / 2]) - linear @ centre])
    source = image if scale > 0.7 else cv2.GaussianBlur(image, (0, 0), 0.45 / scale)
    frame = cv2.warpAffine(source, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return frame, scenes.turned_box(tuple(box), matrix)


def pictures() -> dict[str, list[tuple[Path, list[float]]]]:
    """Writes all changed photos once; per row the files and where the face is."""
    folder = WORK / "robustness"
    session, rng = scenes.teacher_session(), np.random.default_rng(SEED + 11)
    paths = sorted((scenes.unpacked() / "scenes" / "faces").iterdir())
    rows: dict[str, list[tuple[Path, list[float]]]] = {}
    for path in paths[len(paths) * 3 // 4 :]:
        image = scenes.read(path)
        box = scenes.teacher_faces(session, image)[0][1]
        width = image.shape[1]
        made = {name: (change(image, rng), box if name != "mirrored" else [width - box[2], box[1], width - box[0], box[3]]) for name, change in LIGHT.items()}
        for degrees in (-30, 30):
            made[f"turned by {degrees:+d} degrees"] = placed(image, box, 150, degrees)
        for height in (60, 40):
            made[f"{height} pixels high in 640x480"] = placed(image, box, height, 0)
        made["upside down (a false find)"] = placed(image, box, 150, 180)
        for name, (changed, place) in made.items():
            target = folder / name.replace(" ", "-") / f"{path.stem}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.is_file():
                cv2.imwrite(str(target), cv2.cvtColor(np.ascontiguousarray(changed), cv2.COLOR_RGB2BGR))
            rows.setdefault(name, []).append((target, place))
    return rows


def detected(model: Path, photos: list[Path]) -> dict[str, list]:
    """By path: the faces that the gate's binary finds."""
    target = WORK / "robustness.json"
    run = subprocess.run([str(ROOT / "target" / "release" / "agegate"), "detect", *map(str, photos), "--detector", str(model), "--json", str(target)],
                         capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"agegate detect: {run.stderr}")
    return json.loads(target.read_text())


def false_finds(model: Path) -> tuple[int, int]:
    """Photos without a face in which one is found, of those that training never saw (`scenes.Material`)."""
    faces = detected(model, sorted((scenes.unpacked() / "scenes" / "no-face").iterdir())[::5])
    return sum(any(found) for found in faces.values()), len(faces)


def found(model: Path) -> dict[str, tuple[int, int]]:
    """Per row: faces found, photos."""
    result, rows = {}, pictures()
    for name, photos in rows.items():
        faces = detected(model, [path for path, _ in photos])
        result[name] = (sum(any(iou(face["box"], box) >= 0.5 for face in faces[str(path)]) for path, box in photos), len(photos))
    # Whether the gate would judge what is found on a head that hangs: at its place, and no flaw of size, place or pose.
    upside = "upside down (a false find)"
    faces = detected(model, [path for path, _ in rows[upside]])
    at = lambda face, box: all(low < (a + b) / 2 < high for a, b, low, high in zip(face["box"][:2], face["box"][2:], box[:2], box[2:]))
    passes = sum(any(at(face, box) and "flaw" not in face for face in faces[str(path)]) for path, box in rows[upside])
    result["upside down and judged (a false find)"] = (passes, len(rows[upside]))
    result["a photo without a face (a false find)"] = false_finds(model)
    return result


if __name__ == "__main__":
    print(json.dumps(found(Path(sys.argv[1]).resolve())))
