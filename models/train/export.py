"""Writes the two ONNX files: batch normalisation folded, weights int8 per channel, metadata inside, checked.

`python export.py age|detector [--checkpoint NAME]`. The graph is written node by node: Conv, Relu, Add,
Flatten, Softmax, Sigmoid, and one DequantizeLinear for each weight. A runtime folds the latter at
load, so the quantized file costs the same to run as the float one, which is written beside the checkpoint for
comparison. Rounding is checked in ONNX Runtime against the PyTorch net before the file is put in place.
"""

import argparse
import json
import os
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import activations
import age_net
import detector_net
from common import ROOT, SEED, WORK, dataset_hash, load_chips, near_duplicate_groups, split

OPSET = 17


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[np.ndarray, np.ndarray]:
    weight = conv.weight.detach().double()
    bias = conv.bias.detach().double() if conv.bias is not None else torch.zeros(len(weight), dtype=torch.double)
    if norm is not None:
        factor = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
        weight, bias = weight * factor[:, None, None, None], (bias - norm.running_mean.double()) * factor + norm.bias.detach().double()
    return weight.float().numpy(), bias.float().numpy()


def quantized(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 weights and one scale per output channel: the scale of least squared error, not just the largest weight."""
    flat = weight.reshape(len(weight), -1)
    peak = np.maximum(np.abs(flat).max(1), 1e-8)
    best, scale = np.full(len(flat), np.inf), peak / 127
    for share in np.linspace(0.7, 1.0, 31):
        candidate = peak * share / 127
        error = ((np.clip(np.round(flat / candidate[:, None]), -127, 127) * candidate[:, None] - flat) ** 2).sum(1)
        scale = np.where(error < best, candidate, scale)
        best = np.minimum(best, error)
    whole = np.clip(np.round(flat / scale[:, None]), -127, 127).astype(np.int8)
    return whole.reshape(weight.shape), scale.astype(np.float32)


class Graph:
    def __init__(self, int8: bool):
        self.int8, self.nodes, self.constants, self.count = int8, [], [], 0

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], **attributes) -> str:
        out = self.name(kind.lower())
        self.nodes.append(helper.make_node(kind, inputs, [out], out, **attributes))
        return out

    def conv(self, x: str, weight: np.ndarray, bias: np.ndarray, stride: int = 1, pad: int | None = None) -> str:
        base = self.name("weight")
        if self.int8:
            whole, scale = quantized(weight)
            inputs = [self.constant(base + ".int8", whole), self.constant(base + ".scale", scale), self.constant(base + ".zero", np.zeros(len(scale), np.int8))]
            w = self.node("DequantizeLinear", inputs, axis=0)
        else:
            w = self.constant(base, weight)
        pad = weight.shape[2] // 2 if pad is None else pad
        return self.node("Conv", [x, w, self.constant(base + ".bias", bias)], strides=[stride, stride], pads=[pad] * 4, kernel_shape=list(weight.shape[2:]))

    def pool(self, x: str, weight: np.ndarray) -> str:
        """A weighted mean over places, one set of weights for each feature: left in float, it is 12 kB."""
        w = self.constant(self.name("weight"), weight)
        return self.node("Conv", [x, w], kernel_shape=list(weight.shape[2:]), group=len(weight))

    def block(self, module: nn.Module, x: str) -> str:
        """One of the three building bricks: Conv+BN(+ReLU), a residual pair, or a bare convolution."""
        if isinstance(module, age_net.Residual):
            y = self.block(module.body[1], self.block(module.body[0], x))
            return self.node("Relu", [self.node("Add", [x, y])])
        if isinstance(module, nn.Conv2d):
            return self.conv(x, *folded(module, None), stride=module.stride[0])
        if isinstance(module, nn.Sequential) and isinstance(module[0], nn.Conv2d):
            y = self.conv(x, *folded(module[0], module[1]), stride=module[0].stride[0])
            return self.node("Relu", [y]) if len(module) > 2 else y
        for child in module:
            x = self.block(child, x)
        return x

    def rename(self, old: str, new: str) -> None:
        for node in self.nodes:
            node.output[:] = [new if o == old else o for o in node.output]

    def model(self, side: tuple[int, int], outputs: list, metadata: dict, channels: int = 3) -> onnx.ModelProto:
        inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, channels, side[1], side[0]])]
        values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in outputs]
        graph = helper.make_graph(self.nodes, metadata["name"], inputs, values, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="agegate models/train/export.py")
        model.ir_version = 9
        helper.set_model_props(model, {k: str(v) for k, v in metadata.items()})
        onnx.checker.check_model(model, full_check=True)
        return model


def age_model(net: age_net.AgeNet, covers: dict, int8: bool, side: int, metadata: dict) -> onnx.ModelProto:
    graph = Graph(int8)
    last = graph.block(net.trunk, "image")
    x = graph.pool(last, net.pool.weight.detach().numpy())
    hidden = graph.conv(last, covers["weight"].numpy(), covers["bias"].numpy(), pad=0)
    linear = lambda layer: graph.conv(x, layer.weight.detach().numpy()[:, :, None, None], layer.bias.detach().numpy())
    age = graph.node("Softmax", [graph.node("Flatten", [linear(net.age)])], axis=1)
    gender = graph.node("Sigmoid", [graph.node("Flatten", [linear(net.gender)])])
    graph.rename(age, "age")
    graph.rename(gender, "female")
    graph.rename(graph.node("Sigmoid", [graph.node("Flatten", [hidden])]), "covered")
    return graph.model((side, side), [("age", [1, 101]), ("female", [1, 1]), ("covered", [1, 2])], metadata)


def detector_model(net: detector_net.DetectorNet, int8: bool, metadata: dict) -> onnx.ModelProto:
    graph = Graph(int8)
    outputs, x = [], "image"
    rows = detector_net.HEIGHT // 8
    for stride, part, head in zip(detector_net.STRIDES, (net.level8, net.level16, net.level32), net.heads):
        x = graph.block(part, x)
        graph.rename(graph.block(head, x), f"level{stride}")
        outputs.append((f"level{stride}", [1, detector_net.CHANNELS, rows, detector_net.WIDTH // stride]))
        rows = (rows + 1) // 2
    return graph.model((detector_net.WIDTH, detector_net.HEIGHT), outputs, metadata)


def run(model: onnx.ModelProto, images: np.ndarray) -> list[np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    results = [session.run(None, {"image": image[None]}) for image in images]
    return [np.concatenate([r[k] for r in results]) for k in range(len(results[0]))]


def steps(net: torch.nn.Module, modules: list, pictures: torch.Tensor) -> str:
    return ",".join(f"{s:.6g}" for s in activations.scales(net, modules, pictures))


def next_version(which: str) -> str:
    """Model versions count up: a policy made for another version is refused by name."""
    path = ROOT / "models" / ("age-estimator.onnx" if which == "age" else "face-detector.onnx")
    if not path.is_file():
        return "1"
    return str(int({p.key: p.value for p in onnx.load(path).metadata_props}["version"]) + 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("which", choices=["age", "detector"])
    parser.add_argument("--checkpoint")
    parser.add_argument("--version", help="default: one more than the shipped file's", default=None)
    parser.add_argument("--score", type=float, default=0.6, help="the detector's shipped score")
    args = parser.parse_args()
    names, labels, pixels = load_chips()
    train, held = split(labels, near_duplicate_groups(pixels))
    common = {
        "version": args.version or next_version(args.which),
        "training_data": dataset_hash([names[i] for i in train], pixels[train[:64]]),
        "seed": SEED,
        "layout": "NCHW",
        "colour": "RGB",
        "licence": "non-commercial research (UTKFace); see MODEL_CARD.md",
    }
    checkpoint = WORK / f"{args.checkpoint or args.which}.pt"
    if args.which == "age":
        net, side = age_net.load(checkpoint)
        from train_age import evaluation_chips, normalise
        learned = normalise(evaluation_chips(np.asarray(pixels[np.sort(train[:512])]), side)).contiguous()
        metadata = {"name": "agegate-age-estimator", **common, "input_width": side, "input_height": side,
                    "mean": age_net.MEAN, "std": age_net.STD, "activation_scales": steps(net, activations.rectified(net.trunk), learned),
                    "classes": "age: one class a year, 0 to 100; female: probability; covered: mouth, eyes, more than 0.5 is covered"}
        covers = torch.load(WORK / "covers.pt")
        build = lambda int8: age_model(net, covers, int8, side, metadata)
        probe = normalise(evaluation_chips(np.asarray(pixels[held[:200]]), side)).contiguous()
        with torch.no_grad():
            wanted = [torch.softmax(net(probe)[0], 1).numpy()]
        years = np.arange(101)
        error = lambda got: float(np.abs((got[0] - wanted[0]) @ years).max())
        limits, unit = (0.002, 3.0), "years"
    else:
        net = detector_net.DetectorNet().eval()
        net.load_state_dict(torch.load(checkpoint, map_location="cpu")["averaged"])
        import scenes
        from train_detector import letterbox, normalise
        paths = sorted((scenes.unpacked() / "scenes" / "faces").iterdir())
        rooms = sorted((scenes.unpacked() / "scenes" / "no-face").iterdir())[::40]
        learned = normalise(np.stack([letterbox(scenes.read(p))[0] for p in [*paths[1::4], *rooms]])).contiguous()
        order = [m for part in (net.level8, net.level16, net.level32) for m in activations.rectified(part)]
        metadata = {"name": "agegate-face-detector", **common, "input_width": detector_net.WIDTH, "input_height": detector_net.HEIGHT,
                    "mean": detector_net.MEAN, "std": detector_net.STD, "score": args.score,
                    "strides": ",".join(map(str, detector_net.STRIDES)), "units": ",".join(map(str, detector_net.UNITS)), "small_faces": ",".join(map(str, detector_net.SMALL_FACES)),
                    "activation_scales": steps(net, order, learned),
                    "classes": "per cell: face logit; left, top, right, bottom; 5 landmarks x, y; in units"}
        build = lambda int8: detector_model(net, int8, metadata)
        probe = normalise(np.stack([letterbox(scenes.read(p))[0] for p in paths[::10]])).contiguous()
        with torch.no_grad():
            wanted = [o.numpy() for o in net(probe)]
        error = lambda got: max(float(np.abs(g - w).max()) for g, w in zip(got, wanted))
        limits, unit = (0.005, 6.0), "units of the raw maps"
    for int8, limit in zip((False, True), limits):
        model = build(int8)
        worst = error(run(model, probe.numpy()))
        kind = "int8" if int8 else "float"
        size = len(model.SerializeToString())
        print(json.dumps({"model": metadata["name"], "weights": kind, "bytes": size, "images": len(probe), "largest difference to PyTorch": round(worst, 5), "unit": unit}))
        if worst > limit:
            sys.exit(f"{metadata['name']} ({kind}): differs from the PyTorch net by {worst:.4f} {unit}, more than {limit}; the file was not written")
        stem = "age-estimator" if args.which == "age" else "face-detector"
        target = ROOT / "models" / f"{stem}.onnx" if int8 else WORK / f"{stem}-float.onnx"
        temporary = target.with_suffix(".tmp")
        onnx.save(model, temporary)
        os.replace(temporary, target)


if __name__ == "__main__":
    main()
