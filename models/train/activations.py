"""Scales of the activations, for running a net in integers: what a step of each rectified map means.

A map after a rectifier is stored in a byte, 0 to 255, and 255 steps span what it usually holds. The span of least squared
error over pictures of the training set is taken, as for the weights in `export.py`: a few large values are cut rather than all
small ones made coarse. The order is that of the convolutions in the file.
"""

import numpy as np
import torch
from torch import nn

import age_net

BINS = 4096


def rectified(module: nn.Module) -> list[nn.Module]:
    """Every module whose output is a rectified map, in the order of its convolution in the file."""
    if isinstance(module, age_net.Residual):
        return [*rectified(module.body[0]), module]
    if isinstance(module, nn.Sequential) and isinstance(module[0], nn.Conv2d):
        return [module] if len(module) > 2 else []
    if isinstance(module, nn.Conv2d):
        return []
    return [found for child in module for found in rectified(child)]


@torch.no_grad()
def scales(net: nn.Module, modules: list[nn.Module], pictures: torch.Tensor, batch: int = 64) -> list[float]:
    """`pictures` is normalised as the net wants it."""
    peaks = dict.fromkeys(modules, 0.0)
    counts = {module: torch.zeros(BINS) for module in modules}
    learning = True

    def look(module, _inputs, output):
        if learning:
            peaks[module] = max(peaks[module], float(output.max()))
        else:
            counts[module].add_(torch.histc(output.float(), BINS, 0.0, max(peaks[module], 1e-6)))

    hooks = [module.register_forward_hook(look) for module in modules]
    for learning in (True, False):
        for part in pictures.split(batch):
            net(part)
    for hook in hooks:
        hook.remove()
    return [_best(max(peaks[module], 1e-6), counts[module].numpy()) for module in modules]


def _best(peak: float, counts: np.ndarray) -> float:
    centres = (np.arange(BINS) + 0.5) * peak / BINS
    # What is exactly 0 has no error whatever the step.
    counts = counts.copy()
    counts[0] = 0
    best, chosen = np.inf, peak / 255
    for share in np.geomspace(0.15, 1.0, 60):
        step = peak * share / 255
        error = float((counts * (np.minimum(np.round(centres / step), 255) * step - centres) ** 2).sum())
        if error < best:
            best, chosen = error, step
    return float(chosen)
