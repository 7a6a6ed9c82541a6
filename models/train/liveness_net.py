"""The liveness net, and the crops that it looks at: a wide one for borders, hands and bezels, one of the head, and a tight one for what
the skin is made of.

At 2.7 times the face and 80 pixels a screen's grid is averaged away, so each scale has a stem of its own, and the stems meet where
both have become small. Dense 3x3 convolutions and ReLU only: see `age_net.py` for why.
"""

import cv2
import numpy as np
import torch
from torch import nn

from age_net import Residual, conv
from export import Graph

NAME = "agegate-liveness"
SIDE = 96
SCALES = (2.7, 1.5, 0.9)
MEAN, STD = 127.5, 64.0
# Weight of the peer's opinion in the exported logit: chosen among 0.5, 1 and 1.5, with the figures of `attacks-dev` in view;
# large enough to count, and small enough that simulated screens are told apart as well as without it.
PEER = 1.0


class LivenessNet(nn.Module):
    """Crops stacked along channels, `[N, 3 K, SIDE, SIDE]`, 0..255, to a logit `[N]`: larger is more alive.

    A second output `[N]` follows the opinion of the peer, which has seen real attacks. The exported logit is
    `live + PEER * peer`.
    """

    # The stem has the shape of the detector's first layers, whose weights it starts with: `train_liveness.py`.
    def __init__(self, scales=SCALES, stem=(16, 24, 32), trunk: int = 128, features: int = 128, dropout: float = 0.2):
        super().__init__()
        self.crops = len(scales)
        self.stems = nn.ModuleList(
            nn.Sequential(conv(3, stem[0], 2), conv(stem[0], stem[1], 2), conv(stem[1], stem[2], 2), Residual(stem[2])) for _ in scales
        )
        self.trunk = nn.Sequential(conv(stem[2] * self.crops, trunk, 2), Residual(trunk), conv(trunk, features, kernel=1))
        self.dropout = nn.Dropout(dropout)
        self.live, self.peer = nn.Linear(features, 1), nn.Linear(features, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = (x - MEAN) / STD
        parts = [stem(x[:, 3 * k : 3 * k + 3].contiguous(memory_format=torch.channels_last)) for k, stem in enumerate(self.stems)]
        pooled = self.dropout(self.trunk(torch.cat(parts, 1)).mean((2, 3)))
        return self.live(pooled).squeeze(1), self.peer(pooled).squeeze(1)

    def logit(self, x: torch.Tensor) -> torch.Tensor:
        live, peer = self(x)
        return live + PEER * peer


def square(box, scale: float, width: int, height: int) -> tuple[float, float, float]:
    """Left, top and side of a crop: `scale` times the larger side of the face box around its centre, shifted into the frame, and
    shrunk to the frame's shorter side where it is larger. The same arithmetic as in `src/vision/`."""
    x0, y0, x1, y1 = box
    side = min(scale * max(x1 - x0, y1 - y0), width, height)
    left = min(max((x0 + x1 - side) / 2, 0), width - side)
    top = min(max((y0 + y1 - side) / 2, 0), height - side)
    return left, top, side


def crop(image: np.ndarray, box, scale: float, side: int = SIDE) -> np.ndarray:
    height, width = image.shape[:2]
    left, top, edge = square(box, scale, width, height)
    x, y, whole = round(left), round(top), max(2, round(edge))
    x, y = min(x, width - min(whole, width)), min(y, height - min(whole, height))
    part = image[y : y + whole, x : x + whole]
    return cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA if whole > side else cv2.INTER_LINEAR)


def graph_of(net: LivenessNet, int8: bool, side: int, metadata: dict, gain: float = 1.0, offset: float = 0.0):
    """The ONNX file, for crops that are normalised already; the two outputs summed into the logit `gain * (live + PEER * peer) + offset`."""
    graph = Graph(int8)
    axes = graph.constant("axes", np.array([1], np.int64))
    parts = []
    for k, stem in enumerate(net.stems):
        bounds = [graph.constant(f"channel{3 * k + n}.{k}", np.array([3 * k + n], np.int64)) for n in (0, 3)]
        parts.append(graph.block(stem, graph.node("Slice", ["image", *bounds, axes])))
    joined = parts[0] if len(parts) == 1 else graph.node("Concat", parts, axis=1)
    # The mean over places as a convolution of one weight for each channel: what the gate runs in integers knows that.
    places, features = side // 16, net.live.in_features
    mean = graph.constant("places", np.full((features, 1, places, places), 1 / places**2, np.float32))
    pooled = graph.node("Conv", [graph.block(net.trunk, joined), mean], group=features, kernel_shape=[places, places])
    weight, bias = net.live.weight + PEER * net.peer.weight, net.live.bias + PEER * net.peer.bias
    head = graph.conv(pooled, (gain * weight).detach().numpy()[:, :, None, None], (gain * bias + offset).detach().numpy())
    graph.rename(graph.node("Flatten", [head]), "live")
    return graph.model((side, side), [("live", [1, 1])], metadata, channels=3 * net.crops)
