"""Presentation attacks made by code: prints, screens and drawings of the faces in `living.py`, set into other scenes.

`living_scene` and `attack_scene` give a scene in front of the camera, float RGB, and the face box in it; `door_camera.photograph`
takes the picture of either. A content (a photo with a face, as a camera would see a living person) becomes a medium: colours
as ink or light gives them, texture or pixel grid, border or bezel, gloss or glow. The medium is bent, turned, put before another
scene and held by something like a hand. Contents for the living come from the same function.
"""

import cv2
import numpy as np

from living import Material, clutter, content, grey

PRINTS = ("paper", "card", "glossy", "halftone", "mask")
SCREENS = ("phone", "tablet", "monitor")
DRAWINGS = ("sketch", "statue", "posterised", "cartoon")
KINDS = PRINTS + SCREENS + DRAWINGS
# Share of screens of which nothing but the picture is in view.
FILLS_THE_VIEW = 0.5
SKINS = np.array([[236, 198, 172], [219, 172, 140], [186, 134, 100], [140, 96, 70], [92, 62, 48]], np.float32)


def face_height(rng: np.random.Generator) -> float:
    """In pixels of the frame; the gate asks for 64 and a fifth of the frame."""
    return float(np.exp(rng.uniform(np.log(56), np.log(200))))


def wide(rng: np.random.Generator) -> list[float]:
    """How far a frame goes around a face: mostly beyond the widest crop, sometimes the face is near its edge."""
    reach = [1.42, 1.42, 1.42, 1.42]
    if rng.random() < 0.3:
        reach[rng.choice(4, p=[0.3, 0.25, 0.3, 0.15])] = rng.uniform(0.6, 1.4)
    return reach


def living_scene(material: Material, rng: np.random.Generator, chip: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    scene, box, _ = content(material, rng, face_height(rng), wide(rng), chip)
    if rng.random() < 0.05:
        hand(scene, rng, (box[3] - box[1]), *edge_point(scene, rng))
    return scene, box


def edge_point(scene: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float]:
    """A place at the lower or side edge, where no face is, and a direction to the middle."""
    h, w = scene.shape[:2]
    if rng.random() < 0.5:
        return rng.choice([0.04, 0.96]) * w, rng.uniform(0.5, 1.0) * h, rng.uniform(0, np.pi)
    return rng.uniform(0, 1) * w, 0.98 * h, rng.uniform(-0.5, 0.5)


def noise(shape, rng: np.random.Generator, sigma: float) -> np.ndarray:
    cv2.setRNGSeed(int(rng.integers(2**31)))
    small = cv2.randn(np.empty((max(4, int(shape[0] / sigma)), max(4, int(shape[1] / sigma))), np.float32), 0, 1)
    return cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


# --- what holds it -------------------------------------------------------------------------------------------------


def hand(scene: np.ndarray, rng: np.random.Generator, face: float, x: float, y: float, angle: float, only_thumb: bool = False) -> None:
    """Fingers like sausages and a wrist, in the colour of some skin, shaded: the middle of the palm at (x, y)."""
    h, w = scene.shape[:2]
    skin = SKINS[rng.integers(len(SKINS))] * rng.uniform(0.45, 1.0)
    alpha, shade = np.zeros((h, w), np.float32), np.ones((h, w), np.float32)
    size = face * rng.uniform(0.13, 0.22)
    direction, across = np.array([np.sin(angle), -np.cos(angle)]), np.array([np.cos(angle), np.sin(angle)])
    middle = np.array([x, y])
    stroke = lambda a, b, thick: cv2.line(alpha, np.round(a * 8).astype(int).tolist(), np.round(b * 8).astype(int).tolist(), 1.0, max(2, int(thick)), cv2.LINE_AA, 3)
    fingers = 1 if only_thumb else int(rng.integers(1, 5))
    for k in range(fingers):
        start = middle + across * (k - (fingers - 1) / 2) * size * 1.05
        end = start + direction * size * rng.uniform(1.2, 2.6)
        stroke(start, end, size * rng.uniform(0.8, 1.0))
        line = np.zeros((h, w), np.float32)
        cv2.line(line, start.astype(int).tolist(), end.astype(int).tolist(), 1.0, max(1, int(size * 0.5)))
        shade = np.maximum(shade * 0.999, 1 + 0.18 * cv2.GaussianBlur(line, (0, 0), max(0.5, size * 0.2)))
    stroke(middle, middle - direction * size * 8, size * max(1.6, fingers * 0.9))
    alpha = cv2.GaussianBlur(np.clip(alpha, 0, 1), (0, 0), 0.8)
    shade *= 1 + 0.06 * noise((h, w), rng, max(2.0, size * 0.3))
    soft = alpha[..., None]
    scene[:] = scene * (1 - soft) + (skin * shade[..., None]) * soft


# --- what is shown: drawings --------------------------------------------------------------------------------------------


def sketch(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    pale = grey(x)
    blurred = cv2.GaussianBlur(255 - pale, (0, 0), len(x) * rng.uniform(0.01, 0.04) + 1)
    drawn = np.clip(pale * 255 / (255 - blurred + 1), 0, 255)
    if rng.random() < 0.4:  # shading strokes
        h, w = pale.shape
        yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
        strokes = np.sin((xx * rng.uniform(-1, 1) + yy) / rng.uniform(0.6, 1.6) + noise((h, w), rng, 8))
        drawn = np.minimum(drawn, 255 - np.clip(150 - pale, 0, 150) * (0.5 + 0.5 * strokes) * rng.uniform(0.4, 1.0))
    drawn = 255 - (255 - drawn) * rng.uniform(0.8, 1.8)
    drawn += noise(pale.shape, rng, 1.2) * rng.uniform(0, 8)
    ink = np.array([[0, 0, 0], [40, 30, 90], [90, 50, 30]], np.float32)[rng.choice(3, p=[0.7, 0.15, 0.15])]
    share = np.clip(drawn, 0, 255)[..., None] / 255
    out = ink * (1 - share) + np.array([250, 248, rng.uniform(215, 250)], np.float32) * share
    return out * 0.8 + x * 0.2 if rng.random() < 0.15 else out


def statue(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    pale = grey(x)
    base = cv2.bilateralFilter(np.clip(pale, 0, 255).astype(np.uint8), 7, rng.uniform(20, 60), 3).astype(np.float32)
    base = (base - base.mean()) * rng.uniform(0.5, 1.1) + rng.uniform(95, 190)
    if rng.random() < 0.6:  # relief
        light = cv2.GaussianBlur(pale, (0, 0), rng.uniform(0.6, 1.8))
        dx, dy = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
        base += (dx * rng.uniform(-1, 1) + dy * rng.uniform(-1, 1)) * rng.uniform(0.1, 0.45)
    base *= 1 + noise(pale.shape, rng, rng.uniform(1, 6)) * rng.uniform(0.0, 0.07)
    stone = np.array([[1, 1, 1], [1.04, 1.0, 0.92], [1.1, 0.98, 0.75], [0.92, 1.0, 1.05], [1.15, 0.9, 0.68]], np.float32)[rng.integers(5)]
    return np.clip(base, 0, 270)[..., None] * stone


def posterised(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    smooth = cv2.bilateralFilter(np.clip(x, 0, 255).astype(np.uint8), 5, rng.uniform(10, 60), 3).astype(np.float32) if rng.random() < 0.6 else np.clip(x, 0, 255)
    levels = int(rng.integers(2, 7))
    if rng.random() < 0.25:
        step = np.round(grey(smooth) / 255 * levels) / levels
        a, b = rng.uniform(0, 120, 3).astype(np.float32), rng.uniform(130, 255, 3).astype(np.float32)
        return a * (1 - step[..., None]) + b * step[..., None]
    return np.round(smooth / 255 * levels) * np.float32(255 / levels)


def cartoon(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    flat = np.clip(x, 0, 255).astype(np.uint8)
    for _ in range(rng.integers(2, 4)):
        flat = cv2.bilateralFilter(flat, 7, rng.uniform(25, 70), 4)
    edges = cv2.adaptiveThreshold(cv2.medianBlur(cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY), 3), 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, int(rng.choice([5, 7, 9])), int(rng.integers(2, 6)))
    mean = flat.mean(2, keepdims=True)
    colour = mean + (flat - mean) * rng.uniform(1.0, 1.9)
    step = rng.uniform(8, 30)
    colour = np.round(colour / step) * step
    return (colour * (cv2.GaussianBlur(edges, (0, 0), 0.5)[..., None].astype(np.float32) / 255)).astype(np.float32)


DRAW = {"sketch": sketch, "statue": statue, "posterised": posterised, "cartoon": cartoon}


# --- what it is shown on ------------------------------------------------------------------------------------------------


def bordered(x: np.ndarray, widths, colour) -> np.ndarray:
    """Borders left, top, right, bottom, in pixels."""
    left, top, right, bottom = (int(v) for v in widths)
    return cv2.copyMakeBorder(x, top, bottom, left, right, cv2.BORDER_CONSTANT, value=[float(c) for c in colour])


def ink(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colours of a printer: black is no black, colours are paler or too strong, casts."""
    pale = grey(x)[..., None]
    x = pale + (x - pale) * np.float32(0.0 if rng.random() < 0.08 else rng.uniform(0.45, 1.3))
    x = 255 * (np.clip(x, 0, 255) / 255) ** np.float32(np.exp(rng.normal(0, 0.2)))
    black = rng.uniform(5, 60)
    return (black + x * ((255 - black) / 255)) * np.exp(rng.normal(0, 0.05, 3)).astype(np.float32)


def halftoned(x: np.ndarray, rng: np.random.Generator, pitch: float) -> np.ndarray:
    """Dots of four inks, each grid at its own angle; `pitch` in pixels."""
    h, w = x.shape[:2]
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    cmy = 1 - np.clip(x, 0, 255) / 255
    key = cmy.min(2) * rng.uniform(0.3, 0.9)
    turn = rng.uniform(0, 90)
    paper = np.full((h, w, 3), 255, np.float32)
    inks = np.array([[0, 165, 230], [225, 20, 130], [250, 235, 20], [25, 25, 28]], np.float32)
    for k, degrees in enumerate((15, 75, 0, 45)):
        amount = cmy[..., k] - key if k < 3 else key
        a = np.radians(degrees + turn)
        f = np.float32(2 * np.pi / pitch)
        cell = 0.5 + 0.25 * (np.cos((xx * np.cos(a) + yy * np.sin(a)) * f) + np.cos((yy * np.cos(a) - xx * np.sin(a)) * f))
        dot = np.clip((amount - cell) * 2.5 + 0.5, 0, 1)[..., None]
        paper *= 1 - dot * (1 - inks[k] / 255)
    return paper


def sheet(kind: str, x: np.ndarray, rng: np.random.Generator, face: float) -> tuple[np.ndarray, tuple[int, int]]:
    """A print of the content, with its border, unlit, and where the content begins in it."""
    x = ink(x, rng)
    if kind == "halftone":
        x = halftoned(x, rng, rng.uniform(1.8, 5.0))
    elif rng.random() < 0.25:  # a printer's rows
        x = x * (1 + rng.uniform(0.01, 0.06) * np.sin(np.arange(len(x), dtype=np.float32) * rng.uniform(0.8, 3.0))[:, None, None])
    if rng.random() < 0.4:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.5, 1.6))
    paper = np.array([252, 250, 246], np.float32) * rng.uniform(0.9, 1.0) * np.exp(rng.normal(0, 0.03, 3)).astype(np.float32)
    if kind == "card":  # face on one side, lines of text and a coloured head on the rest
        h, w = x.shape[:2]
        body = np.empty((h, int(w * rng.uniform(0.8, 1.8)), 3), np.float32)
        body[:] = rng.uniform(170, 255, 3) if rng.random() < 0.8 else rng.uniform(30, 160, 3)
        for row in np.arange(0.15, 0.95, rng.uniform(0.09, 0.16)):
            if rng.random() < 0.8:
                cv2.line(body, (int(0.08 * body.shape[1]), int(row * h)), (int(rng.uniform(0.4, 0.95) * body.shape[1]), int(row * h)), rng.uniform(0, 110, 3).tolist(), max(1, int(h * rng.uniform(0.01, 0.04))))
        first = bool(rng.random() < 0.7)
        x = np.hstack([x, body] if first else [body, x])
        rim = face * rng.uniform(0.03, 0.25) * np.array([1, rng.uniform(1, 4), 1, rng.uniform(0.5, 2)])
        colour = rng.uniform(150, 255, 3) if rng.random() < 0.7 else rng.uniform(20, 200, 3)
        return bordered(x, rim, colour), (int(rim[0]) + (0 if first else body.shape[1]), int(rim[1]))
    rim = np.zeros(4)
    if rng.random() < (0.7 if kind != "halftone" else 0.5):
        rim = face * rng.uniform(0.02, 0.6) * np.array([1, rng.uniform(0.5, 1.5), 1, rng.uniform(0.5, 2.5)])
        x = bordered(x, rim, paper)
    return x, (int(rim[0]), int(rim[1]))


def panel(kind: str, x: np.ndarray, rng: np.random.Generator, face: float, fills: bool = False) -> tuple[np.ndarray, int, tuple]:
    """What a screen shows, sent out as light, the height of the bar above, and the bezel: left, top, right, bottom."""
    temperature = np.exp(rng.normal(0, 0.09))
    pale = grey(x)[..., None]
    # A phone's display shows more colour and contrast than there was.
    x = pale + (x - pale) * np.float32(rng.uniform(1.0, 1.9) if fills else rng.uniform(0.8, 1.5))
    x = 255 * (np.clip(x, 0, 255) / 255) ** np.float32(np.exp(rng.normal(0.2 if fills else 0.05, 0.18)))
    x = x * np.array([1 / temperature, 1, temperature * np.exp(abs(rng.normal(0, 0.06)))], np.float32)
    x = x * np.float32(np.exp(rng.uniform(-0.45, 0.25))) + np.float32(rng.uniform(0, 8 if fills else 24))
    bar = 0
    if not fills and rng.random() < 0.25:  # black bars, a title, buttons
        bar = int(face * rng.uniform(0.1, 1.5))
        x = bordered(x, (0, bar, 0, bar * rng.uniform(0.5, 1.5)), [rng.choice([4, 12, 240])] * 3)
    bezel = face * {"phone": rng.uniform(0.02, 0.12), "tablet": rng.uniform(0.08, 0.3), "monitor": rng.uniform(0.04, 0.25)}[kind]
    return x, bar, (bezel, bezel * rng.uniform(0.8, 3), bezel, bezel * rng.uniform(0.8, 3))


def gridded(x: np.ndarray, rng: np.random.Generator, rows: np.ndarray, columns: np.ndarray, depth: float) -> np.ndarray:
    """Times the sub-pixels of a display: `rows` and `columns` are each sample's place on it, in its pixels.

    The samples lie at twice the sensor's pitch and the camera averages four of them: what is left of the grid is what a real lens
    and sensor alias, moire included.
    """
    soft = lambda phase, sharp: np.clip(0.5 + sharp * np.cos(np.float32(2 * np.pi) * phase), 0, 1)
    across = np.stack([soft(columns - k / 3.0, 0.9) for k in (0, 1, 2)], -1)
    if rng.random() < 0.3:  # pentile: red and blue at half the frequency
        across[..., 0], across[..., 2] = soft(columns / 2 + rows / 2, 0.9), soft(columns / 2 + rows / 2 + 0.5, 0.9)
    down = soft(rows, 0.7)[..., None]
    mask = across * (0.45 + 0.55 * down)
    mean = np.array(cv2.mean(mask)[:3], np.float32)
    return x * (1 - depth + depth * mask / (mean + 1e-3))


def glare(shape, rng: np.random.Generator) -> np.ndarray:
    """Reflected lamps and windows, 0..1."""
    h, w = shape
    light = np.zeros((h, w), np.float32)
    for _ in range(rng.integers(1, 3)):
        if rng.random() < 0.5:
            cv2.ellipse(light, (int(rng.uniform(0, w)), int(rng.uniform(0, h))), (max(2, int(w * rng.uniform(0.03, 0.3))), max(2, int(h * rng.uniform(0.03, 0.3)))), rng.uniform(0, 180), 0, 360, 1.0, -1)
        else:
            corner = rng.uniform(0, [w, h])
            side, lean = rng.uniform([0.08 * w, 0.1 * h], [0.5 * w, 0.7 * h]), rng.uniform(-0.3, 0.3, 2) * w
            quad = corner + np.array([[0, 0], [side[0], lean[0] * 0.3], [side[0] + lean[1], side[1]], [lean[1], side[1]]])
            cv2.fillPoly(light, [quad.astype(np.int32)], 1.0)
    return cv2.GaussianBlur(light, (0, 0), max(1.0, w * np.exp(rng.uniform(np.log(0.005), np.log(0.12)))))


def held_up(quad_from: np.ndarray, face_box: np.ndarray, face: float, centre, rng: np.random.Generator, turned: float = 1.0) -> np.ndarray:
    """The homography of a flat thing, turned about three axes (`turned` times as far as it might be), that brings its face to `centre` at height `face`."""
    scale = face / (face_box[3] - face_box[1])
    middle = np.array([(face_box[0] + face_box[2]) / 2, (face_box[1] + face_box[3]) / 2])
    roll = turned * np.radians(np.clip(rng.normal(0, 7), -25, 25))
    yaw, pitch = turned * np.radians(np.clip(rng.normal(0, 16, 2), -45, 45))
    rotation = cv2.Rodrigues(np.array([0, 0, roll]))[0] @ cv2.Rodrigues(np.array([0, yaw, 0]))[0] @ cv2.Rodrigues(np.array([pitch, 0, 0]))[0]
    distance = face * rng.uniform(3.0, 9.0)
    corners = np.column_stack([(quad_from - middle) * scale, np.zeros(4)]) @ rotation.T
    depth = np.maximum(distance + corners[:, 2:], distance * 0.3)
    target = corners[:, :2] * distance / depth + centre
    return cv2.getPerspectiveTransform(quad_from.astype(np.float32), target.astype(np.float32))


def through(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return cv2.perspectiveTransform(points.reshape(-1, 1, 2).astype(np.float32), matrix.astype(np.float32))[:, 0]


def flat_warp(x: np.ndarray, matrix: np.ndarray, size: tuple[int, int], scale: float) -> np.ndarray:
    """A perspective warp, averaged where it shrinks."""
    if scale < 0.75:
        h, w = x.shape[:2]
        small = (max(2, round(w * scale)), max(2, round(h * scale)))
        x = cv2.resize(x, small, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([w / small[0], h / small[1], 1.0])
    return cv2.warpPerspective(x, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def background(material: Material, rng: np.random.Generator, width: int, height: int, face: float) -> np.ndarray:
    """What is behind: a place, or a person who holds the thing, larger than the face that is shown."""
    if rng.random() < 0.5:
        back = material.patch(rng, width, height)
        if rng.random() < 0.3:
            clutter(back, material, rng, face)
        return back
    # The holder's own face may be in view, beside or above.
    size = face * np.exp(rng.uniform(np.log(0.6), np.log(2.2)))
    scene, _, _ = content(material, rng, size, np.maximum(0.5, rng.uniform(0.2, 1.0, 4) * max(width, height) / size))
    return cv2.resize(scene, (width, height), interpolation=cv2.INTER_AREA if scene.shape[0] > height else cv2.INTER_LINEAR) if min(scene.shape[:2]) >= 0.6 * min(width, height) else material.patch(rng, width, height)


def bend(x: np.ndarray, alpha: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rolls a sheet a little: rows or columns move along a bow, and the light goes with it."""
    h, w = x.shape[:2]
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    if rng.random() < 0.6:
        t, amount = xx / w - rng.uniform(0.3, 0.7), h * rng.uniform(-0.1, 0.1)
        yy = yy + amount * (t * t * 4 - 0.5)
    else:
        t, amount = yy / h - rng.uniform(0.3, 0.7), w * rng.uniform(-0.1, 0.1)
        xx = xx + amount * (t * t * 4 - 0.5)
    shade = 1 + rng.uniform(-0.35, 0.35) * t[..., None]
    x = cv2.remap(x, xx, yy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return x * shade, cv2.remap(alpha, xx, yy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def canvas_of(rng: np.random.Generator, face: float) -> tuple[int, int, np.ndarray]:
    """Size of the part of the frame around the face, and where its middle is."""
    left, up, right, down = wide(rng)
    return max(24, round((left + right) * face)), max(24, round((up + down) * face)), np.array([left * face, up * face])


def shown_reach(kind: str, rng: np.random.Generator) -> np.ndarray:
    """How much of the picture the medium shows around the face, in face heights: small means that its edge is in view."""
    if kind in SCREENS:
        # Four in ten fill the view: no edge in sight, only the light of the screen.
        if rng.random() < 0.4:
            return rng.uniform(1.35, 2.2, 4)
        high = {"phone": (0.55, 1.5), "tablet": (0.7, 1.9), "monitor": (0.8, 2.6)}[kind]
        return rng.uniform(*high, 4)
    if kind == "card":
        return rng.uniform(0.55, 0.95, 4)
    return np.full(4, 1.6) if rng.random() < 0.1 else rng.uniform(0.55, 1.9, 4)


def attack_scene(kind: str, material: Material, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A scene with the attack of a kind, and the box of the face that is shown."""
    face = face_height(rng)
    if kind in DRAWINGS:
        if rng.random() < 0.55:
            return drawn_scene(kind, material, rng, face)
        medium_kind = str(rng.choice(["paper", "paper", "phone"]))
    else:
        medium_kind = kind
    if kind == "mask":
        return mask_scene(material, rng, face)
    if medium_kind in SCREENS and kind not in DRAWINGS and rng.random() < FILLS_THE_VIEW:
        return filling_scene(kind, material, rng, face)
    width, height, centre = canvas_of(rng, face)
    # The content at a resolution of its own: a print or a file may hold less than the camera sees.
    detail = face * rng.uniform(0.7, 1.25)
    picture, box, _ = content(material, rng, detail, shown_reach(medium_kind, rng))
    if kind in DRAWINGS:
        picture = DRAW[kind](picture, rng).astype(np.float32)
    if rng.random() < 0.5:  # it was a JPEG file before
        quality = int(rng.integers(40, 95))
        picture = cv2.imdecode(cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR).astype(np.float32)
    back = background(material, rng, width, height, face)
    if medium_kind in SCREENS:
        return screen_scene(medium_kind, picture, box, back, face, centre, material, rng)
    return print_scene(medium_kind, picture, box, back, face, centre, rng)


def filling_scene(kind: str, material: Material, rng: np.random.Generator, face: float) -> tuple[np.ndarray, np.ndarray]:
    """A screen so near that the picture on it fills the view: no edge but perhaps one, no grid, no hand. What is left is a picture that
    was taken before, smaller than the camera would see the place, and colours as a display makes them."""
    picture, box, _ = content(material, rng, face * rng.uniform(0.4, 0.9), np.full(4, rng.uniform(1.5, 2.6)))
    if rng.random() < 0.6:
        quality = int(rng.integers(50, 95))
        picture = cv2.imdecode(cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR).astype(np.float32)
    unit = box[3] - box[1]
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    h, w = picture.shape[:2]
    reach = np.minimum(np.array([cx, cy, w - cx, h - cy]) / unit * 0.97, 1.42)
    if rng.random() < 0.35:
        reach[rng.integers(4)] += rng.uniform(0.05, 0.5)
    left, up, right, down = reach
    width, height = max(24, round((left + right) * face)), max(24, round((up + down) * face))
    back = background(material, rng, width, height, face)
    return screen_scene(kind, picture, box, back, face, np.array([left * face, up * face]), material, rng, fills=True)


def print_scene(kind, picture, box, back, face, centre, rng) -> tuple[np.ndarray, np.ndarray]:
    unit = box[3] - box[1]
    printed, (x0, y0) = sheet(kind, picture, rng, unit)
    box = box + np.array([x0, y0, x0, y0], np.float32)
    h, w = printed.shape[:2]
    alpha = np.ones((h, w), np.float32)
    printed = printed * (1 + rng.uniform(0, 0.03) * noise((h, w), rng, rng.uniform(1, 5))[..., None])
    if rng.random() < 0.5:
        # Room to bend into.
        pad = int(0.1 * max(h, w)) + 2
        printed, alpha = cv2.copyMakeBorder(printed, pad, pad, pad, pad, cv2.BORDER_REPLICATE), cv2.copyMakeBorder(alpha, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
        box = box + pad
        printed, alpha = bend(printed, alpha, rng)
        h, w = printed.shape[:2]
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    matrix = held_up(corners, box, face, centre, rng)
    size = (back.shape[1], back.shape[0])
    scale = face / unit
    # Paper is lit by the place: about as bright as what is behind, or by a lamp of its own.
    lit = np.float32(np.exp(rng.normal(-0.12, 0.22)))
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    ramp = 1 + rng.normal(0, 0.15) * (xx / w - 0.5) + rng.normal(0, 0.15) * (yy / h - 0.5)
    printed = printed * (lit * ramp[..., None])
    gloss = {"glossy": 1.0, "card": 0.5}.get(kind, 0.08)
    if rng.random() < gloss:
        light = glare((h, w), rng)[..., None] * np.float32(rng.uniform(0.1, 0.9))
        printed = printed * (1 - 0.6 * light) + 250 * light
    if kind == "glossy" and rng.random() < 0.4:
        mirror = cv2.resize(back[::-1, ::-1], (w, h))
        printed = printed * 0.92 + cv2.GaussianBlur(mirror, (0, 0), 2 + w * 0.02) * rng.uniform(0.04, 0.2)
    return combine(printed, alpha, matrix, size, scale, back, box, face, rng)


def combine(x, alpha, matrix, size, scale, back, box, face, rng) -> tuple[np.ndarray, np.ndarray]:
    warped = flat_warp(x, matrix, size, scale)
    cover = cv2.warpPerspective(alpha, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    if rng.random() < 0.5:  # the shadow that it throws
        shift = np.float32([[1, 0, rng.uniform(-0.12, 0.12) * face], [0, 1, rng.uniform(-0.02, 0.15) * face]])
        shadow = cv2.GaussianBlur(cv2.warpAffine(cover, shift, size), (0, 0), max(1.0, face * rng.uniform(0.02, 0.12)))
        back = back * (1 - shadow[..., None] * rng.uniform(0.1, 0.6))
    soft = cv2.GaussianBlur(cover, (0, 0), 0.6)[..., None]
    scene = back * (1 - soft) + warped * soft
    quad = through(np.array([[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]]), matrix)
    low, high = quad.min(0), quad.max(0)
    middle, half = (low + high) / 2, (high - low) / 2 * np.array([0.97, 0.97])
    result = np.concatenate([middle - half, middle + half])
    if rng.random() < 0.55:
        h, w = x.shape[:2]
        side = rng.integers(4)
        t = rng.uniform(0.2, 1.0)
        spot = {0: [w * t, h], 1: [0, h * t], 2: [w, h * t], 3: [w * t, h]}[int(side)]
        x0, y0 = through(np.array([spot]), matrix)[0]
        toward = np.array([(result[0] + result[2]) / 2 - x0, (result[1] + result[3]) / 2 - y0])
        hand(scene, rng, face, x0, y0, float(np.arctan2(toward[0], -toward[1])) + rng.normal(0, 0.4), only_thumb=bool(rng.random() < 0.5))
    return scene, result


def screen_scene(kind, picture, box, back, face, centre, material, rng, fills: bool = False) -> tuple[np.ndarray, np.ndarray]:
    unit = box[3] - box[1]
    picture, bar, bezel = panel(kind, picture, rng, unit, fills)
    box = box + np.array([0, bar, 0, bar], np.float32)
    h, w = picture.shape[:2]
    left, top, right, bottom = (max(1, int(v)) for v in bezel)
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    matrix = held_up(corners, box, face, centre, rng, 0.35 if fills else 1.0)
    size = (back.shape[1], back.shape[0])
    big = (size[0] * 2, size[1] * 2)
    double = np.diag([2.0, 2.0, 1.0]) @ matrix
    warped = flat_warp(picture, double, big, 2 * face / unit)
    # Each sample's place on the display, in its pixels. How many of them a face has: a phone near the lens, a monitor far off.
    across = face * np.exp(rng.uniform(np.log(0.6), np.log(5.0))) if kind != "monitor" else face * np.exp(rng.uniform(np.log(0.3), np.log(1.6)))
    inverse = np.linalg.inv(double) * 1.0
    yy, xx = np.mgrid[0 : big[1], 0 : big[0]].astype(np.float32)
    denominator = inverse[2, 0] * xx + inverse[2, 1] * yy + inverse[2, 2]
    density = across / unit
    columns = ((inverse[0, 0] * xx + inverse[0, 1] * yy + inverse[0, 2]) / denominator * density).astype(np.float32)
    rows = ((inverse[1, 0] * xx + inverse[1, 1] * yy + inverse[1, 2]) / denominator * density).astype(np.float32)
    # A grid finer than the lens resolves is weak, and weaker yet behind a protective film.
    per_pixel = across / face
    depth = float(rng.uniform(0.3, 1.0) * np.exp(-0.35 * max(0.0, per_pixel - 0.7)))
    if fills or rng.random() < 0.45:  # nothing to see of it, as in most real frames of phones
        depth *= rng.uniform(0.0, 0.3)
    warped = gridded(warped, rng, rows, columns, depth)
    warped = cv2.resize(warped, size, interpolation=cv2.INTER_AREA)
    # Near the lens a phone is out of focus, and what is behind is dark: the exposure follows the bright screen.
    if rng.random() < (0.8 if fills else 0.55):
        warped = cv2.GaussianBlur(warped, (0, 0), rng.uniform(0.5, 1.9))
    if rng.random() < 0.3:
        rows_on = np.arange(size[1], dtype=np.float32)
        if rng.random() < 0.5:
            band = 1 + rng.uniform(0.04, 0.25) * np.sin(rows_on / (size[1] * rng.uniform(0.04, 0.5)) + rng.uniform(0, 6))
        else:
            band = 1 - rng.uniform(0.1, 0.5) * (np.abs(rows_on / size[1] - rng.uniform(0, 1)) < rng.uniform(0.03, 0.25))
        warped = warped * band.astype(np.float32)[:, None, None]
    yy, xx = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    warped = warped * (1 + rng.normal(0, 0.12) * (xx / size[0] - 0.5) + rng.normal(0, 0.12) * (yy / size[1] - 0.5))[..., None]
    if rng.random() < (0.12 if fills else 0.45):
        light = glare((size[1], size[0]), rng)[..., None] * np.float32(rng.uniform(0.04, 0.6))
        warped = warped + 240 * light
    if rng.random() < (0.1 if fills else 0.35):
        mirror = cv2.GaussianBlur(back[:, ::-1], (0, 0), 1 + face * 0.03)
        warped = warped + mirror * rng.uniform(0.02, 0.15)
    dark = np.float32(rng.uniform(0.05, 1.0) if rng.random() < 0.6 else 1.0)
    back = back * dark
    # Bezel and body.
    body = np.array([[-left, -top], [w + right, -top], [w + right, h + bottom], [-left, h + bottom]], np.float32)
    cover = np.zeros((size[1], size[0]), np.float32)
    cv2.fillConvexPoly(cover, np.round(through(body, matrix) * 16).astype(np.int32), 1.0, cv2.LINE_AA, 4)
    glass = np.zeros((size[1], size[0]), np.float32)
    cv2.fillConvexPoly(glass, np.round(through(corners, matrix) * 16).astype(np.int32), 1.0, cv2.LINE_AA, 4)
    colour = np.float32(rng.uniform(4, 40) if rng.random() < 0.75 else rng.uniform(150, 245)) * dark
    sharp = rng.uniform(0.5, 1.6)
    cover, glass = cv2.GaussianBlur(cover, (0, 0), sharp)[..., None], cv2.GaussianBlur(glass, (0, 0), sharp)[..., None]
    scene = back * (1 - cover) + colour * cover
    scene = scene * (1 - glass) + warped * glass
    if rng.random() < 0.5:  # glow around
        scene = scene + cv2.GaussianBlur(warped * glass, (0, 0), face * rng.uniform(0.08, 0.3)) * rng.uniform(0.02, 0.12)
    quad = through(np.array([[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]]), matrix)
    low, high = quad.min(0), quad.max(0)
    if rng.random() < (0.1 if fills else 0.5) and kind != "monitor":
        t = rng.uniform(0.1, 1.0)
        spot = [[-left, h * t], [w + right, h * t], [w * t, h + bottom]][rng.integers(3)]
        x0, y0 = through(np.array([spot]), matrix)[0]
        toward = (low + high) / 2 - [x0, y0]
        hand(scene, rng, face, x0, y0, float(np.arctan2(toward[0], -toward[1])) + rng.normal(0, 0.4), only_thumb=bool(rng.random() < 0.6))
    return scene, np.concatenate([low, high])


def drawn_scene(kind: str, material: Material, rng: np.random.Generator, face: float) -> tuple[np.ndarray, np.ndarray]:
    """A figure in the place of a person: the head, or all of it, drawn; the place is real."""
    scene, box, alpha = content(material, rng, face, wide(rng))
    drawn = DRAW[kind](np.ascontiguousarray(scene), rng).astype(np.float32)
    h, w = scene.shape[:2]
    if alpha is None or rng.random() < 0.4:
        cover = np.zeros((h, w), np.float32)
        centre, unit = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), box[3] - box[1]
        if rng.random() < 0.6:
            cv2.ellipse(cover, (int(centre[0]), int(centre[1])), (int(unit * rng.uniform(0.42, 0.7)), int(unit * rng.uniform(0.52, 0.85))), 0, 0, 360, 1.0, -1)
        else:
            half = unit * rng.uniform(0.5, 0.9)
            cover[max(0, int(centre[1] - half)) : int(centre[1] + half), max(0, int(centre[0] - half)) : int(centre[0] + half)] = 1
        cover = cv2.GaussianBlur(cover, (0, 0), max(0.5, unit * rng.uniform(0.002, 0.05)))
    else:
        cover = alpha
    cover = cover[..., None]
    return scene * (1 - cover) + drawn * cover, box


def mask_scene(material: Material, rng: np.random.Generator, face: float) -> tuple[np.ndarray, np.ndarray]:
    """A face cut out of a print, before somebody's head: flat, often with a white rim and holes for the eyes."""
    scene, own, _ = content(material, rng, face * rng.uniform(0.75, 1.05), wide(rng)) if rng.random() < 0.75 else (None, None, None)
    if scene is None:
        width, height, centre = canvas_of(rng, face)
        scene = material.patch(rng, width, height)
    else:
        centre = np.array([(own[0] + own[2]) / 2, (own[1] + own[3]) / 2])
    picture, box, alpha = content(material, rng, face * rng.uniform(0.8, 1.2), [0.8, 0.95, 0.8, 0.95])
    h, w = picture.shape[:2]
    unit = box[3] - box[1]
    middle = (int((box[0] + box[2]) / 2), int((box[1] + box[3]) / 2))
    if alpha is None or rng.random() < 0.6:
        alpha = np.zeros((h, w), np.float32)
        cv2.ellipse(alpha, middle, (int(unit * rng.uniform(0.38, 0.55)), int(unit * rng.uniform(0.48, 0.65))), 0, 0, 360, 1.0, -1)
    printed = ink(picture, rng) * np.float32(np.exp(rng.normal(-0.1, 0.2)))
    rim = int(unit * rng.uniform(0.01, 0.06)) if rng.random() < 0.6 else 0
    if rim:
        hard = (alpha > 0.5).astype(np.uint8)
        outer = cv2.dilate(hard, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))).astype(np.float32)
        printed = printed * hard[..., None] + np.float32(rng.uniform(190, 250)) * (1 - hard[..., None])
        alpha = outer
    alpha = (alpha > 0.5).astype(np.float32)
    if rng.random() < 0.55:
        for sign in (-1, 1):
            eye = (int(middle[0] + sign * unit * 0.19), int(middle[1] - unit * 0.12))
            cv2.ellipse(alpha, eye, (max(1, int(unit * rng.uniform(0.05, 0.1))), max(1, int(unit * rng.uniform(0.03, 0.06)))), 0, 0, 360, 0.0, -1)
    printed = printed * (1 + rng.uniform(0, 0.03) * noise((h, w), rng, 2)[..., None])
    if rng.random() < 0.6:
        printed, alpha = bend(printed, alpha, rng)
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    matrix = held_up(corners, box, face, centre, rng)
    return combine(printed, alpha, matrix, (scene.shape[1], scene.shape[0]), face / unit, scene, box, face, rng)
