"""The teacher of `../shared/data` as a torch module, so that a GPU can be asked for its opinion.

A MobileNet (Howard et al., 2017) up to its 1,024 pooled features; the scales and shifts after each convolution are folded into it.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn

SEEN = 224


class Teacher(nn.Module):
    """RGB chips `[N, 3, S, S]` in 0..255, enlarged to 224, to features `[N, 1024]`."""

    def __init__(self, path: Path):
        super().__init__()
        graph = onnx.load(path).graph
        values = {t.name: numpy_helper.to_array(t).astype(np.float32) for t in graph.initializer}
        for node in graph.node:
            if node.op_type == "Cast" and node.input[0] in values:
                values[node.output[0]] = values[node.input[0]]
        self.register_buffer("mean", torch.from_numpy(values["t_mean"]).view(1, 3, 1, 1))
        layers = []
        for node in graph.node:
            if node.op_type == "Conv":
                weight = torch.from_numpy(values[node.input[1]].copy())
                attributes = {a.name: a for a in node.attribute}
                layers.append([weight, torch.zeros(len(weight)), attributes["strides"].ints[0], attributes["group"].i if "group" in attributes else 1])
            elif node.op_type in ("Mul", "Add") and layers and node.input[1] in values:
                vector = torch.from_numpy(values[node.input[1]].ravel().copy())
                if len(vector) != len(layers[-1][0]):
                    break  # the heads
                if node.op_type == "Mul":
                    layers[-1][0] *= vector.view(-1, 1, 1, 1)
                    layers[-1][1] *= vector
                else:
                    layers[-1][1] += vector
            elif node.op_type == "ReduceMean":
                break
        self.weights = nn.ParameterList(nn.Parameter(w, requires_grad=False) for w, _, _, _ in layers)
        self.biases = nn.ParameterList(nn.Parameter(b, requires_grad=False) for _, b, _, _ in layers)
        self.shape = [(stride, group) for _, _, stride, group in layers]

    @torch.no_grad()
    def forward(self, chips: torch.Tensor) -> torch.Tensor:
        x = F.interpolate(chips, size=(SEEN, SEEN), mode="bilinear").flip(1) - self.mean
        x = x.to(self.weights[0].dtype).contiguous(memory_format=torch.channels_last)
        for weight, bias, (stride, group) in zip(self.weights, self.biases, self.shape):
            if weight.shape[-1] > 1:
                x = F.pad(x, (0, 1, 0, 1)) if stride == 2 else F.pad(x, (1, 1, 1, 1))
            x = F.conv2d(x, weight, bias, stride, 0, 1, group).clamp_(0, 6)
        return x.mean((2, 3)).float()
