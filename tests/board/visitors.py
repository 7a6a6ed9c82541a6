"""What the emulated camera shows: frames of the demonstration clip, whose visitors do not exist, as raw YUYV and as JPEG.

For each kind of visitor a handful of frames, 640x480: in one file, which `v4l2-ctl` plays again and again, and each in a file of
its own, which the camera's command writes one after the other.
"""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import demo_clip  # noqa: E402 - found by the line above

FRAMES = 3


def yuyv(image: Image.Image) -> bytes:
    """BT.601, limited range: what webcams deliver."""
    r, g, b = np.moveaxis(np.asarray(image, np.float32), 2, 0)
    y = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    u = 128 - 0.148 * r - 0.291 * g + 0.439 * b
    v = 128 + 0.439 * r - 0.368 * g - 0.071 * b
    out = np.empty((*y.shape, 2), np.float32)
    out[..., 0] = y
    out[:, 0::2, 1] = (u[:, 0::2] + u[:, 1::2]) / 2
    out[:, 1::2, 1] = (v[:, 0::2] + v[:, 1::2]) / 2
    return out.round().clip(0, 255).astype(np.uint8).tobytes()


def write(folder: Path) -> list[Path]:
    """Writes the files; where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    images, kinds, files = demo_clip.frames(), set(), []
    for visit in demo_clip.visits():
        kind = visit.visitor.replace(",", "").replace(" ", "-")
        if kind in kinds:
            continue
        chosen = images[max(visit.first, visit.middle - FRAMES // 2) :][:FRAMES]
        kinds.add(kind)
        contents = {f"{kind}.yuyv": b"".join(yuyv(Image.open(io.BytesIO(frame)).convert("RGB")) for frame in chosen)}
        contents |= {f"{kind}-{number}.jpg": frame for number, frame in enumerate(chosen)}
        for name, content in contents.items():
            files.append(folder / name)
            files[-1].write_bytes(content)
    return files
