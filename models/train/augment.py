"""Batched augmentation of chips: what a door camera and an imperfect detector do to a face."""

import math

import torch
import torch.nn.functional as F


def similarity(count: int, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Random maps `[count, 2, 3]` from output to input coordinates (both -1..1): turn, scale, shift, mirror."""
    normal = lambda: torch.randn(count, generator=generator, device=generator.device)
    angle = normal() * math.radians(6) * strength
    scale = torch.exp(normal() * 0.06 * strength)
    stretch = torch.exp(normal() * 0.025 * strength)
    mirror = torch.where(torch.rand(count, generator=generator, device=generator.device) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.zeros(count, 2, 3, device=generator.device)
    theta[:, 0, 0], theta[:, 0, 1] = cos * mirror * stretch, -sin
    theta[:, 1, 0], theta[:, 1, 1] = sin * mirror, cos / stretch
    theta[:, 0, 2], theta[:, 1, 2] = normal() * 0.06 * strength, normal() * 0.06 * strength
    return theta


def hide(x: torch.Tensor, rows: torch.Tensor, most: float, light: float, generator: torch.Generator) -> torch.Tensor:
    """Something before the faces `rows` of `[N, 3, S, S]`: a rectangle of one colour up to `light`, a tenth of the side or more in
    width and height, and up to `most` of it."""
    side, count = x.shape[-1], len(rows)
    uniform = lambda *shape: torch.rand(*shape, generator=generator, device=generator.device)
    extent = (side * (0.1 + (most - 0.1) * uniform(2, count))).floor()
    start = (uniform(2, count) * (side - extent)).floor()
    place = torch.arange(side, device=x.device)
    down, across = ((place >= a[:, None]) & (place < (a + b)[:, None]) for a, b in zip(start, extent))
    covered = (down[:, None, :, None] & across[:, None, None, :])
    x[rows] = torch.where(covered, light * uniform(count, 3, 1, 1), x[rows])
    return x


def chips(pixels: torch.Tensor, side: int, strength: float, generator: torch.Generator, cast: bool = False) -> torch.Tensor:
    """Augments `[N, 3, S, S]` chips in 0..255 to `[N, 3, side, side]`, still in 0..255. With `cast`, some stand in coloured
    or far too bright light. Pixels and generator are on one device."""
    count = len(pixels)
    uniform = lambda *shape: torch.rand(*shape, generator=generator, device=generator.device)
    grid = F.affine_grid(similarity(count, strength, generator), [count, 3, side, side], align_corners=False)
    x = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)

    # Light: gain, gamma, contrast, colour temperature; sometimes grey.
    x = x / 255
    gamma = torch.exp((uniform(count, 1, 1, 1) - 0.5) * 0.8 * strength)
    x = x.clamp(1e-4, 1) ** gamma
    mean = x.mean((1, 2, 3), keepdim=True)
    contrast = torch.exp((uniform(count, 1, 1, 1) - 0.5) * 0.7 * strength)
    gain = torch.exp((uniform(count, 1, 1, 1) - 0.5) * 0.6 * strength)
    tint = torch.exp((uniform(count, 3, 1, 1) - 0.5) * 0.3 * strength)
    x = ((x - mean) * contrast + mean) * gain * tint
    grey = (uniform(count, 1, 1, 1) < 0.12).float()
    x = x * (1 - grey) + x.mean(1, keepdim=True) * grey
    if cast:
        odd = (uniform(count, 1, 1, 1) < 0.25).float()
        x = x * (1 + odd * (torch.exp((uniform(count, 3, 1, 1) - 0.5) * 1.4 * strength) - 1))
        bright = (uniform(count, 1, 1, 1) < 0.15).float()
        x = x * (1 + bright * (0.3 + 0.6 * uniform(count, 1, 1, 1)))
    side_light = (uniform(count, 1, 1, 1) < 0.2).float() * (uniform(count, 1, 1, 1) - 0.5) * 0.8
    x = x * (1 + side_light * torch.linspace(-1, 1, side, device=x.device).view(1, 1, 1, side))

    # Distance and focus: a part of the batch goes through a small picture and back, or through a blur.
    order = torch.randperm(count, generator=generator, device=generator.device)
    eighth = count // 8
    for k, part in enumerate(order[: eighth * 2].split(max(1, eighth))):
        if k == 0:
            blurred = F.avg_pool2d(F.pad(x[part], (1, 1, 1, 1), mode="replicate"), 3, 1)
        else:
            small = int(side * (0.35 + 0.5 * float(uniform(1))))
            blurred = F.interpolate(x[part], size=(small, small), mode="bilinear", antialias=True)
            blurred = F.interpolate(blurred, size=(side, side), mode="bilinear")
        x[part] = blurred
    noisy = order[eighth * 1 : eighth * 3]
    x[noisy] += torch.randn(x[noisy].shape, generator=generator, device=x.device) * (uniform(len(noisy), 1, 1, 1) * 0.06)

    # Something before the face: a mask, a hand, a cap's shadow.
    hide(x, order[eighth * 4 : eighth * 6], 0.4, 1.0, generator)
    return x.clamp(0, 1) * 255
