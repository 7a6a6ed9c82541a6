"""Starts a training from a shipped ONNX file: checkpoints stay on the machine that made them, the file is where the work goes on.

The file holds folded int8 weights. Each convolution gets them back, and its batch normalisation is set to what it would have
been: mean and variance are measured on a batch of training pictures, scale and shift so chosen that the net computes the same.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn

import age_net


def convolutions(module: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    """Every convolution with its normalisation, in the order in which `export.py` writes them."""
    if isinstance(module, age_net.Residual):
        yield from convolutions(module.body[0])
        yield from convolutions(module.body[1])
    elif isinstance(module, nn.Conv2d):
        yield module, None
    elif isinstance(module, nn.Sequential) and isinstance(module[0], nn.Conv2d):
        yield module[0], module[1]
    else:
        for child in module:
            yield from convolutions(child)


def constants(path: Path) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Weight and bias of every int8 convolution of a file, in its order."""
    values = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in onnx.load(path).graph.initializer}
    names = [n[: -len(".int8")] for n in values if n.endswith(".int8")]
    return [(values[n + ".int8"].float() * values[n + ".scale"].view(-1, 1, 1, 1), values[n + ".bias"]) for n in names]


@torch.no_grad()
def load(model: nn.Module, layers: Iterable[tuple[nn.Conv2d, nn.BatchNorm2d | None]], path: Path, batch: torch.Tensor, first: int | None = None) -> None:
    """Puts the weights of `path` (only its first `first` convolutions) into `layers`; `batch` is a normalised batch of training pictures."""
    stored, layers = constants(path)[:first], list(layers)
    if [tuple(w.shape) for w, _ in stored] != [tuple(c.weight.shape) for c, _ in layers]:
        raise ValueError(f"{path}: not the same layers as the net to be trained")
    moments: dict[nn.Module, tuple[torch.Tensor, torch.Tensor]] = {}
    hooks = []
    for (conv, norm), (weight, bias) in zip(layers, stored):
        conv.weight.copy_(weight)
        if norm is None:
            conv.bias.copy_(bias)
            continue
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.fill_(1)
        norm.bias.copy_(bias)
        hooks.append(conv.register_forward_hook(lambda conv, _in, out: moments.__setitem__(conv, (out.mean((0, 2, 3)), out.var((0, 2, 3))))))
    model.eval()(batch)
    for hook in hooks:
        hook.remove()
    for (conv, norm), (_, bias) in zip(layers, stored):
        if norm is not None:
            mean, variance = moments[conv]
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_(torch.sqrt(variance + norm.eps))
            norm.bias.copy_(bias + mean)
