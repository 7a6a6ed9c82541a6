"""Frames as a camera sends them that does not compress: YU12, BT.601 with limited range, in a Y4M clip. Shared by the scripts that
measure what a frame costs."""

import io

import numpy as np
from PIL import Image


def planes(jpeg: bytes) -> tuple[bytes, tuple[int, int]]:
    """The planes of a picture, and its size."""
    y, cb, cr = (np.asarray(plane, dtype=np.float32) for plane in Image.open(io.BytesIO(jpeg)).convert("YCbCr").split())
    quarter = lambda plane: plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2).mean(axis=(1, 3))
    values = [16 + y * 219 / 255, *(128 + (quarter(plane) - 128) * 224 / 255 for plane in (cb, cr))]
    return b"".join(np.rint(plane).clip(0, 255).astype(np.uint8).tobytes() for plane in values), y.shape[::-1]


def clip(jpegs: list[bytes], rate: int = 10) -> bytes:
    """A clip of these pictures, all of one size."""
    made = {jpeg: planes(jpeg) for jpeg in set(jpegs)}
    width, height = made[jpegs[0]][1]
    head = f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420\n".encode()
    return head + b"".join(b"FRAME\n" + made[jpeg][0] for jpeg in jpegs)
