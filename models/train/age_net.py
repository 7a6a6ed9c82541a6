"""The age network: a small residual net of dense 3x3 convolutions.

Dense rather than depthwise, because that is what tract runs well: on the same machine a depthwise net of a third of
the multiplications took longer. Batch normalisation folds into the convolutions at export, so only Conv, Add and
ReLU are left.
"""

from pathlib import Path

import torch
from torch import nn

SIDE = 80
MEAN, STD = 127.5, 64.0


def conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3, act: bool = True) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if act else nn.Sequential(*layers)


class Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(conv(width, width), conv(width, width, act=False))
        nn.init.zeros_(self.body[1][1].weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.body(x))


class AgeNet(nn.Module):
    """RGB chips `[N, 3, SIDE, SIDE]`, normalised, to logits `[N, 101]` over ages and `[N]` for P(female)."""

    def __init__(self, widths=(16, 32, 64, 128), depths=(1, 3, 2), features: int = 256, dropout: float = 0.2, grid: int = SIDE // 16, hints: int = 0):
        super().__init__()
        layers: list[nn.Module] = [conv(3, widths[0], 2)]
        for before, width, depth in zip(widths, widths[1:], depths):
            layers += [conv(before, width, 2), *[Residual(width) for _ in range(depth)]]
        self.trunk = nn.Sequential(*layers, conv(widths[-1], features, kernel=1))
        # Chips are aligned: what a feature says depends on where in the face it is. One weight for each feature and place
        # (the global depthwise convolution of MobileFaceNets, Chen et al. 2018), which begins as the plain mean.
        self.pool = nn.Conv2d(features, features, grid, groups=features, bias=False)
        nn.init.constant_(self.pool.weight, 1.0 / grid**2)
        self.dropout = nn.Dropout(dropout)
        self.age = nn.Linear(features, 101)
        self.gender = nn.Linear(features, 1)
        # Only in training: predicts the teacher's features from the pooled ones; not exported.
        self.hints = nn.Linear(features, hints) if hints else None

    def with_hints(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        pooled = self.pool(self.trunk(x)).flatten(1)
        dropped = self.dropout(pooled)
        return self.age(dropped), self.gender(dropped).squeeze(1), self.hints(pooled)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled = self.dropout(self.pool(self.trunk(x)).flatten(1))
        return self.age(pooled), self.gender(pooled).squeeze(1)


# Parameters in millions, multiplications at 80 pixels: 0.8, 47 M; 1.6, 88 M; 2.9, 148 M.
SIZES = {
    "small": dict(widths=(16, 32, 64, 112), depths=(1, 3, 2), features=192, dropout=0.2),
    "middle": dict(widths=(20, 40, 80, 144), depths=(1, 3, 3), features=288, dropout=0.2),
    "large": dict(widths=(24, 48, 96, 192), depths=(2, 3, 3), features=384, dropout=0.2),
}
SIZE = "large"


def load(path: Path) -> tuple[AgeNet, int]:
    """The averaged net of a checkpoint's file, and its side: see `averaged`."""
    state = torch.load(path, map_location="cpu")
    return averaged(state), state["side"]


def averaged(state: dict) -> AgeNet:
    """The averaged net of a checkpoint, to be asked and not trained: without what was there for training only."""
    net = AgeNet(**state["net"], grid=state["side"] // 16)
    net.load_state_dict({k: v for k, v in state["averaged"].items() if not k.startswith("hints.")})
    return net.eval()


def multiplications(model: nn.Module, side: int = SIDE) -> int:
    """Multiply-accumulates of one forward pass, counted by hooks."""
    total = 0

    def count(module, _inputs, output):
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output.numel() * module.weight[0].numel()
        else:
            total += module.weight.numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, side, side, device=next(model.parameters()).device))
    for hook in hooks:
        hook.remove()
    return total
