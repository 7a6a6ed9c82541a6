"""Makes the demonstration clip: visitors who do not exist walk up to the camera.

Each face is the pixel-wise mean of several dozen aligned chips of one age band and gender: it depicts nobody. The clip
is `demo/visitors.mjpeg`, 640x480, 10 frames a second; `demo/visitors.csv` says who is to be seen when.
"""

import math
import sys

import cv2
import numpy as np

import age_net
from common import ROOT, SEED, load_chips, unpacked

WIDTH, HEIGHT, RATE = 640, 480, 10
SIDE = 200


def mean_face(low: int, high: int, gender: int, count: int, detail: float) -> np.ndarray:
    """The mean of `count` chips, RGB 0..255; `detail` gives back some of the contrast that the mean takes."""
    names, labels, _ = load_chips()
    chosen = np.flatnonzero((labels[:, 0] >= low) & (labels[:, 0] <= high) & (labels[:, 1] == gender))
    rng = np.random.default_rng(SEED + low * 2 + gender)
    rng.shuffle(chosen)
    total, used = np.zeros((SIDE, SIDE, 3), np.float64), 0
    for i in chosen:
        chip = cv2.cvtColor(cv2.imread(str(unpacked() / "utkface" / names[i])), cv2.COLOR_BGR2RGB).astype(np.float32)
        grey = chip.mean(2)
        # Only chips in fair light, and by turns mirrored, so that no single light remains.
        if not 80 < grey.mean() < 170 or np.abs(grey[:, :100].mean() - grey[:, 100:].mean()) > 25:
            continue
        chip = (chip - chip.mean((0, 1))) / (chip.std() + 1) * 52 + chip.mean((0, 1))
        total += chip if used % 2 else chip[:, ::-1]
        used += 1
        if used == count:
            break
    if used < 24:
        sys.exit(f"ages {low} to {high}: {used} usable chips, at least 24 are needed for a face that is nobody's")
    mean = total / used
    smooth = cv2.GaussianBlur(mean, (0, 0), 3)
    mean = mean + detail * (mean - smooth)
    return np.clip((mean - mean.mean()) * 1.15 + mean.mean(), 0, 255).astype(np.float32)


def background(rng: np.random.Generator) -> np.ndarray:
    """A plain room: a wall, a floor, a door frame and a lamp's light."""
    room = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    room[:] = (168, 172, 176)
    room[360:] = (112, 104, 96)
    cv2.rectangle(room, (420, 60), (600, 400), (120, 96, 72), -1)
    cv2.rectangle(room, (432, 72), (588, 400), (150, 122, 92), -1)
    cv2.circle(room, (572, 250), 8, (210, 200, 120), -1)
    cv2.rectangle(room, (60, 90), (230, 220), (196, 206, 214), -1)
    cv2.rectangle(room, (60, 90), (230, 220), (90, 90, 96), 6)
    x, y = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))
    room *= (1.05 - 0.25 * (x**2 + (y + 0.3) ** 2))[..., None]
    return cv2.GaussianBlur(room, (0, 0), 1.6) + rng.normal(0, 1, (1, 1, 3))


def put(canvas: np.ndarray, face: np.ndarray, centre: tuple[float, float], height: float, turn: float, skin: np.ndarray, shirt: tuple) -> None:
    """A head with hair, neck and shoulders, and the face on it."""
    cx, cy = centre
    hair = (np.array([58, 44, 36], np.float32) + skin * 0.08).tolist()
    at = lambda dx, dy: (int(cx + dx * height), int(cy + dy * height))
    layer = canvas.copy()
    cv2.ellipse(layer, at(0, 1.22), (int(height * 0.95), int(height * 0.62)), 0, 180, 360, shirt, -1)
    cv2.rectangle(layer, at(-0.95, 1.2), at(0.95, 3.0), shirt, -1)
    cv2.rectangle(layer, at(-0.22, 0.3), at(0.22, 0.72), (skin * 0.82).tolist(), -1)
    cv2.ellipse(layer, at(0, -0.08), (int(height * 0.52), int(height * 0.66)), 0, 0, 360, hair, -1)
    canvas[:] = cv2.GaussianBlur(layer, (0, 0), 1.2)
    alpha = np.zeros((SIDE, SIDE), np.float32)
    cv2.ellipse(alpha, (98, 92), (82, 108), 0, 0, 360, 1.0, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 7)
    cos, sin = math.cos(turn) * height / SIDE, math.sin(turn) * height / SIDE
    middle = np.array([0.49, 0.46]) * SIDE
    matrix = np.array([[cos, -sin, cx - cos * middle[0] + sin * middle[1]], [sin, cos, cy - sin * middle[0] - cos * middle[1]]])
    if height < SIDE * 0.7:
        face = cv2.GaussianBlur(face, (0, 0), 0.4 * SIDE / height)
    warped = cv2.warpAffine(face, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(alpha, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)[..., None]
    canvas[:] = canvas * (1 - mask) + warped * mask


def main() -> None:
    rng = np.random.default_rng(SEED)
    room = background(rng)
    bands = {"child": (5, 8, 1), "teenager": (14, 16, 0), "adult": (36, 44, 0), "adult-2": (50, 60, 1), "pensioner": (70, 80, 0)}
    faces = {name: mean_face(low, high, gender, 48, 1.3) for name, (low, high, gender) in bands.items()}
    skins = {name: face[120:150, 60:140].mean((0, 1)) for name, face in faces.items()}
    shirts = {"child": (200, 90, 80), "teenager": (70, 110, 170), "adult": (60, 70, 90), "adult-2": (130, 60, 100), "pensioner": (90, 110, 80)}
    # Who, how many frames, and what is special about it.
    play = [("nobody", 8), ("child", 24), ("teenager", 24), ("adult", 24), ("adult-2", 24), ("pensioner", 24),
            ("adult with a child behind", 24), ("adult, out of focus", 24), ("nobody", 6)]
    clip, rows = bytearray(), []
    frame = 0
    for who, count in play:
        rows.append(f"{frame},{frame + count - 1},{who}")
        for k in range(count):
            canvas = room.copy()
            base = who.split(" ")[0].rstrip(",")
            if base != "nobody":
                # Comes closer for 6 frames, stands, goes away in the last 2; then the place is empty for a second.
                visible = k < count - 10
                near = min(1.0, (k + 1) / 6)
                height = 70 + 130 * near
                sway = 4 * math.sin(k * 0.9), 3 * math.cos(k * 0.7)
                if visible:
                    if "behind" in who:
                        put(canvas, faces["child"], (455 + sway[1], 245), 0.62 * height, 0.04, skins["child"], shirts["child"])
                    put(canvas, faces[base], (300 + sway[0] - 30 * (1 - near), 215 + sway[1]), height, 0.03 * math.sin(k * 0.5), skins[base], shirts[base])
                if "focus" in who:
                    canvas = cv2.GaussianBlur(canvas, (0, 0), 8)
            canvas = canvas + rng.normal(0, 0.7, canvas.shape)
            _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(np.clip(canvas, 0, 255).astype(np.uint8), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 45])
            clip += jpeg.tobytes()
            frame += 1
    folder = ROOT / "demo"
    folder.mkdir(exist_ok=True)
    (folder / "visitors.mjpeg").write_bytes(bytes(clip))
    (folder / "visitors.csv").write_text("first_frame,last_frame,visitor\n" + "\n".join(rows) + "\n")
    print(f"{frame} frames, {len(clip)} bytes")
    # Two pictures at the input sizes of the models, for `golden.py`.
    golden = ROOT / "tests" / "golden"
    golden.mkdir(parents=True, exist_ok=True)
    canvas = room.copy()
    put(canvas, faces["adult"], (300, 215), 200, 0.02, skins["adult"], shirts["adult"])
    save = lambda name, picture: cv2.imwrite(str(golden / name), cv2.cvtColor(np.clip(picture, 0, 255).astype(np.uint8), cv2.COLOR_RGB2BGR))
    save("frame.png", cv2.resize(canvas, (320, 240), interpolation=cv2.INTER_AREA))
    save("chip.png", cv2.resize(faces["adult"], (age_net.SIDE, age_net.SIDE), interpolation=cv2.INTER_AREA))


if __name__ == "__main__":
    main()
