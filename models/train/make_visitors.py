"""Makes the demonstration clip: visitors who do not exist walk up to the camera.

Each face is the pixel-wise mean of several dozen aligned chips of one age band and gender: it depicts nobody. The clip
is `demo/visitors.mjpeg`, 640x480, 10 frames a second; `demo/visitors.csv` says who is to be seen when. In `demo/phone.mjpeg`
somebody holds up a phone with the picture of one of them; the phone is drawn, too.
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


def hold_up_phone(canvas: np.ndarray, picture: np.ndarray, centre: tuple[float, float], height: float, skin: np.ndarray) -> None:
    """A hand with a phone that shows a picture, all of it drawn: the light of its screen, its pixels, its bezel, a reflection."""
    cx, cy = int(centre[0]), int(centre[1])
    half_height, half_width = int(height * 0.95), int(height * 0.52)
    screen = cv2.resize(picture, (2 * half_width, 2 * half_height), interpolation=cv2.INTER_AREA).astype(np.float32)
    # A screen is brighter and bluer than a room, its black is grey, and its pixels meet those of the camera.
    screen = 18 + screen * np.array([0.88, 0.98, 1.12], np.float32)
    y, x = np.mgrid[0 : screen.shape[0], 0 : screen.shape[1]]
    screen *= (1 + 0.05 * np.sin(x * 2.1 + y * 0.35) * np.sin(y * 1.9 - x * 0.2))[..., None]
    screen += (np.clip(1 - np.abs(x - 0.6 * y + 40) / 36, 0, 1) * 26)[..., None]
    bezel = max(4, int(height * 0.05))
    corner = lambda margin: ((cx - half_width - margin, cy - half_height - 2 * margin), (cx + half_width + margin, cy + half_height + 2 * margin))
    glow = np.zeros(canvas.shape[:2], np.float32)
    cv2.rectangle(glow, *corner(bezel), 1.0, -1)
    canvas += cv2.GaussianBlur(glow, (0, 0), 14)[..., None] * np.array([4, 8, 14], np.float32)
    cv2.rectangle(canvas, *corner(bezel), (26, 26, 30), -1)
    cv2.rectangle(canvas, *corner(bezel), (70, 70, 76), 2)
    canvas[cy - half_height : cy + half_height, cx - half_width : cx + half_width] = screen
    # Thumb and fingers around its lower end, and the arm.
    tone = skin.tolist()
    shade = (skin * 0.8).tolist()
    low = cy + half_height
    cv2.ellipse(canvas, (cx, low + int(height * 0.42)), (int(height * 0.55), int(height * 0.36)), 0, 0, 360, shade, -1)
    for side in (-1, 1):
        for k in range(4 if side > 0 else 1):
            at = (cx + side * (half_width + bezel - 2), low - int(height * (0.05 + 0.17 * k)))
            cv2.ellipse(canvas, at, (int(height * 0.14), int(height * 0.075)), -12 * side, 0, 360, tone, -1)
            cv2.ellipse(canvas, at, (int(height * 0.14), int(height * 0.075)), -12 * side, 0, 360, shade, 1)
    canvas[:] = cv2.GaussianBlur(canvas, (0, 0), 0.7)


def main() -> None:
    rng = np.random.default_rng(SEED)
    room = background(rng)
    bands = {"child": (5, 8, 1), "teenager": (14, 16, 0), "adult": (36, 44, 0), "adult-2": (50, 60, 1), "pensioner": (70, 80, 0)}
    faces = {name: mean_face(low, high, gender, 48, 1.3) for name, (low, high, gender) in bands.items()}
    skins = {name: face[120:150, 60:140].mean((0, 1)) for name, face in faces.items()}
    shirts = {"child": (200, 90, 80), "teenager": (70, 110, 170), "adult": (60, 70, 90), "adult-2": (130, 60, 100), "pensioner": (90, 110, 80)}
    # What the phone shows: the first adult, in another place.
    portrait = np.full((HEIGHT, WIDTH, 3), (196, 190, 178), np.float32)
    put(portrait, faces["adult"], (320, 220), 200, 0.0, skins["adult"], shirts["adult"])
    portrait = portrait[220 - 183 : 220 + 183, 320 - 100 : 320 + 100]

    def film(play: list[tuple[str, int]]) -> tuple[bytes, list[str]]:
        """Who, how many frames, and what is special about it: the frames, and who is to be seen when."""
        clip, rows, frame = bytearray(), [], 0
        for who, count in play:
            rows.append(f"{frame},{frame + count - 1},{who}")
            for k in range(count):
                canvas = room.copy()
                base = who.split(" ")[0].rstrip(",").removesuffix("'s")
                if base != "nobody":
                    # Comes closer for 6 frames, stands, goes away in the last 2; then the place is empty for a second.
                    visible = k < count - 10
                    near = min(1.0, (k + 1) / 6)
                    height = 70 + 130 * near
                    sway = 4 * math.sin(k * 0.9), 3 * math.cos(k * 0.7)
                    place = (300 + sway[0] - 30 * (1 - near), 215 + sway[1])
                    # Whoever holds the phone is hidden by it.
                    seen = "teenager" if "phone" in who else base
                    if visible:
                        if "behind" in who:
                            put(canvas, faces["child"], (455 + sway[1], 245), 0.62 * height, 0.04, skins["child"], shirts["child"])
                        put(canvas, faces[seen], place, height, 0.03 * math.sin(k * 0.5), skins[seen], shirts[seen])
                        if "phone" in who:
                            hold_up_phone(canvas, portrait, place, 0.8 * height, skins[seen])
                    if "focus" in who:
                        canvas = cv2.GaussianBlur(canvas, (0, 0), 8)
                canvas = canvas + rng.normal(0, 0.7, canvas.shape)
                _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(np.clip(canvas, 0, 255).astype(np.uint8), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 45])
                clip += jpeg.tobytes()
                frame += 1
        return bytes(clip), rows

    clip, rows = film([("nobody", 8), ("child", 24), ("teenager", 24), ("adult", 24), ("adult-2", 24), ("pensioner", 24),
                       ("adult with a child behind", 24), ("adult, out of focus", 24), ("nobody", 6)])
    phone, _ = film([("adult's picture on a phone", 28)])
    folder = ROOT / "demo"
    folder.mkdir(exist_ok=True)
    (folder / "visitors.mjpeg").write_bytes(clip)
    (folder / "phone.mjpeg").write_bytes(phone)
    (folder / "visitors.csv").write_text("first_frame,last_frame,visitor\n" + "\n".join(rows) + "\n")
    print(f"{len(clip)} and {len(phone)} bytes")
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
