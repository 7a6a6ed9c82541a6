"""The one camera through which living people and attacks are seen: lens, sensor, a webcam's processing, YUYV and JPEG.

It does not know what it looks at. Whatever it does to a picture can tell the net nothing about the class.
"""

import cv2
import numpy as np

from living import grey


def _lens(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.04:  # out of focus, or in motion
        if rng.random() < 0.5:
            x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.9, 1.8))
        else:
            length = int(rng.integers(3, 8))
            kernel = np.zeros((length, length), np.float32)
            angle = rng.uniform(0, np.pi)
            end = np.array([np.cos(angle), np.sin(angle)]) * length / 2
            cv2.line(kernel, tuple((length / 2 - end).astype(int).tolist()), tuple((length / 2 + end).astype(int).tolist()), 1.0, 1)
            x = cv2.filter2D(x, -1, kernel / max(1.0, kernel.sum()), borderType=cv2.BORDER_REFLECT)
    sigma = rng.uniform(0.0, 0.65)
    return cv2.GaussianBlur(x, (0, 0), sigma) if sigma > 0.3 else x


def _light(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x = np.clip(x, 0, 400) * np.float32(1 / 255)
    x = cv2.pow(x, float(np.exp(rng.normal(0, 0.2))))
    x *= np.exp(rng.normal(-0.04, 0.14)) * np.exp(rng.normal(0, 0.05, 3)).astype(np.float32)
    mean = float(np.mean(cv2.mean(x)[:3]))
    x = (x - mean) * np.float32(np.exp(rng.normal(0, 0.15))) + np.float32(mean)
    if rng.random() < 0.12:  # against the light, or under a lamp
        x *= np.float32(np.exp(rng.uniform(-0.9, 0.35)))
    if rng.random() < 0.05:
        x *= np.exp(rng.uniform(-0.3, 0.2, 3)).astype(np.float32)
    if rng.random() < 0.3:  # light from one side, and the lens's own falling off
        h, w = x.shape[:2]
        ramp = np.linspace(-1, 1, w, dtype=np.float32)[None, :, None] if rng.random() < 0.7 else np.linspace(-1, 1, h, dtype=np.float32)[:, None, None]
        x *= 1 + np.float32(rng.uniform(-0.35, 0.35)) * ramp
    pale = grey(x)[..., None]
    colour = np.float32(0.0 if rng.random() < 0.04 else np.clip(rng.normal(1.0, 0.16), 0.4, 1.5))
    x = pale + (x - pale) * colour
    if rng.random() < 0.04:  # lamps that flicker
        x *= 1 + np.float32(rng.uniform(0.03, 0.12)) * np.sin(np.arange(len(x), dtype=np.float32) / rng.uniform(8, 50) + rng.uniform(0, 6))[:, None, None]
    return x * 255


def _sensor(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = np.exp(rng.uniform(np.log(0.5), np.log(6.0)))
    h, w = x.shape[:2]
    if rng.random() < 0.55:  # one colour per pixel, the other two guessed
        flat = np.empty((h, w), np.float32)
        flat[0::2, 0::2], flat[1::2, 1::2] = x[0::2, 0::2, 0], x[1::2, 1::2, 2]
        flat[0::2, 1::2], flat[1::2, 0::2] = x[0::2, 1::2, 1], x[1::2, 0::2, 1]
        flat += cv2.randn(np.empty((h, w), np.float32), 0, noise)
        # OpenCV names the pattern by its second row: this one begins with red.
        return cv2.cvtColor(np.clip(flat, 0, 255).astype(np.uint8), cv2.COLOR_BayerBG2RGB).astype(np.float32)
    return x + cv2.randn(np.empty((h, w, 3), np.float32), (0, 0, 0), (noise, noise, noise))


def photograph(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A scene in RGB, float, 0..255 or a little more, to the frame that the gate gets, uint8."""
    cv2.setRNGSeed(int(rng.integers(2**31)))
    h, w = x.shape[:2]
    half = rng.random() < 0.05 and min(h, w) > 120
    if half:
        x = cv2.resize(x, (w // 2, h // 2), interpolation=cv2.INTER_AREA)
    x = _sensor(_light(_lens(x, rng), rng), rng)
    kind = rng.random()
    if kind < 0.15:  # a webcam's noise filter
        x = cv2.bilateralFilter(np.clip(x, 0, 255).astype(np.uint8), 5, rng.uniform(8, 35), 2).astype(np.float32)
    elif kind < 0.2:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.5, 0.9))
    if rng.random() < 0.5:
        x = x + np.float32(rng.uniform(0.2, 1.3)) * (x - cv2.GaussianBlur(x, (0, 0), rng.uniform(0.7, 1.6)))
    frame = np.clip(x + 0.5, 0, 255).astype(np.uint8)
    if half:
        frame = cv2.resize(frame, (w, h), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.4:  # YUYV: half the colours in a row
        yuv = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV)
        w2 = frame.shape[1] // 2 * 2
        yuv[:, 1:w2:2, 1:] = yuv[:, 0:w2:2, 1:]
        frame = cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB)
    if rng.random() < 0.65:
        quality = int(np.clip(rng.normal(78, 16), 25, 97))
        frame = cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    return frame
