"""The face detector: a small anchor-free net with three heads, one for each range of face sizes.

Every output cell says how sure it is that it lies in the middle of a face, where the four sides of the box are and
where the five landmarks are (FCOS, Tian et al. 2019, without its centre-ness branch). Dense 3x3 convolutions and
ReLU only: see `age_net.py` for why.
"""

import math

import torch
from torch import nn

from age_net import Residual, conv

WIDTH, HEIGHT = 320, 240
MEAN, STD = 127.5, 64.0
STRIDES = (8, 16, 32)
# Unit of the box and landmark offsets of each level, in pixels of the 320x240 input.
UNITS = (16.0, 40.0, 96.0)
# Heights of the faces that a level answers for; neighbours overlap so that no size falls between two levels.
RANGES = ((12.0, 50.0), (40.0, 112.0), (92.0, 320.0))
CHANNELS = 1 + 4 + 10


class DetectorNet(nn.Module):
    """RGB `[N, 3, 240, 320]`, normalised, to three maps `[N, 15, H/s, W/s]`: logit, left, top, right, bottom, 5 x (x, y)."""

    def __init__(self):
        super().__init__()
        self.level8 = nn.Sequential(conv(3, 16, 2), conv(16, 24, 2), conv(24, 32, 2), Residual(32), Residual(32))
        self.level16 = nn.Sequential(conv(32, 48, 2), Residual(48))
        self.level32 = nn.Sequential(conv(48, 48, 2), Residual(48))
        self.heads = nn.ModuleList(nn.Conv2d(width, CHANNELS, 3, padding=1) for width in (32, 48, 48))
        for head in self.heads:
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)
            nn.init.constant_(head.bias[:1], -4.6)
            nn.init.constant_(head.bias[1:5], 0.8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        a = self.level8(x)
        b = self.level16(a)
        c = self.level32(b)
        return self.heads[0](a), self.heads[1](b), self.heads[2](c)


# Up to which height in pixels of the input a face's logit is lifted as a whole, from which on not at all, and by how much: at 20 pixels
# a score of 0.4 finds as many faces as 0.6 does at 30. `robustness.py` counts what it finds then, false finds too.
SMALL_FACES = (22.0, 32.0, 0.81)


def decode(maps: list, threshold: float, small: tuple[float, float, float] = (0.0, 1.0, 0.0)) -> list[tuple[float, list[float], list[list[float]]]]:
    """Faces of one image, best first, in pixels of the 320x240 input; the same arithmetic as `src/vision/detector.rs`."""
    found = []
    whole, none, lift = small
    limit = -math.log(1 / threshold - 1)
    for level, stride, unit in zip(maps, STRIDES, UNITS):
        logit = level[0]
        for y, x in zip(*(logit + lift > limit).nonzero(as_tuple=True)):
            cell = level[:, y, x].tolist()
            cell[0] += lift * min(1.0, max(0.0, (none - (cell[2] + cell[4]) * unit) / (none - whole)))
            if cell[0] < limit:
                continue
            cx, cy = (int(x) + 0.5) * stride, (int(y) + 0.5) * stride
            score = 1 / (1 + 2.718281828459045 ** -cell[0])
            box = [cx - cell[1] * unit, cy - cell[2] * unit, cx + cell[3] * unit, cy + cell[4] * unit]
            points = [[cx + cell[5 + 2 * k] * unit, cy + cell[6 + 2 * k] * unit] for k in range(5)]
            found.append((score, box, points))
    found.sort(key=lambda f: -f[0])
    kept: list = []
    for face in found:
        if all(iou(face[1], other[1]) < 0.4 for other in kept):
            kept.append(face)
    return kept


def iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inner = width * height
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)
