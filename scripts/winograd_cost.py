"""Counts the ARM instructions of the nets' 3x3 layers done in other ways than the one shipped, for a core without dot product:
directly in floats, after Winograd in floats, and after Winograd in integers of 16 bits.

`sh scripts/cross.sh arm64`, which brings tools and compiler, then `python3 scripts/winograd_cost.py` (needs what `arm_cost.py` needs):
builds the example `winograd` of `kernels/` for ARM, which holds every result against a plain convolution or the shipped bytes, runs it
with the weights of the shipped models and writes the table of docs/measurements.md. Instructions, not time: see `arm_cost.py`.
"""

import os
import subprocess

import numpy as np
import onnx

from arm_cost import ROOT, WORK, multiply_adds, run
from readme import replace_block

PROGRAM = ROOT / "target/cross/aarch64-unknown-linux-gnu/release/examples/winograd"
CPU = "cortex-a53"
NETS = {"face-detector": "detector", "age-estimator": "age"}
# Variant of the program: words, bytes of a 3x3 window of weights.
VARIANTS = {
    "direct": ("direct float", 9 * 4),
    "winograd": ("Winograd float", 16 * 4),
    "exact": ("Winograd in 16 bits, same bytes", 16 * 2),
    "integer": ("integers as shipped", 9),
}


def layers(stem: str) -> dict[str, list[np.ndarray]]:
    """Weights of a model's 3x3 convolutions of stride 1 with as many outputs as inputs, by `CHANNELSxWIDTHxHEIGHT`."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(ROOT / f"models/{stem}.onnx")).graph
    tensors = {t.name: t for t in graph.initializer}
    weights = {n.output[0]: tensors[n.input[0]] for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in tensors}
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in [*graph.value_info, *graph.output]}
    found: dict[str, list[np.ndarray]] = {}
    for node in graph.node:
        tensor = weights.get(node.input[1]) if node.op_type == "Conv" else None
        strides = next((list(a.ints) for a in node.attribute if a.name == "strides"), [1, 1])
        if tensor is None or strides != [1, 1] or list(tensor.dims[2:]) != [3, 3] or tensor.dims[0] != tensor.dims[1]:
            continue
        _, channels, height, width = shapes[node.output[0]]
        found.setdefault(f"{channels}x{width}x{height}", []).append(onnx.numpy_helper.to_array(tensor).astype(np.int8))
    return found


def main() -> None:
    cross = ["sh", "scripts/cross.sh", "arm64", "--offline", "--package", "agegate-kernels", "--example", "winograd"]
    subprocess.run(cross, cwd=ROOT, env=os.environ | {"CROSS_COMMAND": "build"}, check=True)
    WORK.mkdir(parents=True, exist_ok=True)
    file = WORK / "weights.bin"
    lines = ["| instructions for each multiply-add of the plain convolution | " + " | ".join(words for words, _ in VARIANTS.values()) + " |"]
    lines.append("|---" * (1 + len(VARIANTS)) + "|")
    # In instructions, products and bytes of weights, over all layers.
    total, size, products = dict.fromkeys(VARIANTS, 0.0), dict.fromkeys(VARIANTS, 0), 0
    off = dict.fromkeys(("direct", "winograd"), 0.0)
    price = {"winograd": "", "exact": ""}
    cheap_saved = cheap_size = 0.0
    for stem, net in NETS.items():
        for shape, all_weights in layers(stem).items():
            channels, width, height = (int(n) for n in shape.split("x"))
            each, counts = channels**2 * 9 * width * height, dict.fromkeys(VARIANTS, 0.0)
            for weights in all_weights:
                file.write_bytes(weights.tobytes())
                for variant in VARIANTS:
                    (few, _), (many, said) = (run(CPU, [PROGRAM, variant, shape, str(repeats), file]) for repeats in (1, 3))
                    counts[variant] += (many - few) / 2
                    if variant in off:
                        off[variant] = max(off[variant], float(said.split()[-1]))
            cells = " | ".join(f"{counts[v] / each / len(all_weights):.3f}" for v in VARIANTS)
            lines.append(f"| {net}: {len(all_weights)} layers of {channels} channels, {width}x{height} pixels | {cells} |")
            print(lines[-1], flush=True)
            for variant, (_, window) in VARIANTS.items():
                total[variant] += counts[variant]
                size[variant] += len(all_weights) * channels**2 * window
            for variant in price:
                more = len(all_weights) * channels**2 * (VARIANTS[variant][1] - VARIANTS["integer"][1])
                saved = counts["integer"] - counts[variant]
                price[variant] += f"{', ' if price[variant] else ''}{more / saved:.1f}"
                if variant == "exact" and more < saved:
                    cheap_saved, cheap_size = cheap_saved + saved, cheap_size + more
            products += each * len(all_weights)
    share = products / sum(multiply_adds(stem) for stem in NETS)
    lines.append(f"| all of them, {share * 100:.0f} % of both nets' multiply-adds | " + " | ".join(f"{total[v] / products:.3f}" for v in VARIANTS) + " |")
    lines.append("| millions of instructions for a frame with a face | " + " | ".join(f"{total[v] / 1e6:.1f}" for v in VARIANTS) + " |")
    lines.append("| their weights, which every such frame reads, in megabytes | " + " | ".join(f"{size[v] / 1e6:.1f}" for v in VARIANTS) + " |")
    lines.append("")
    lines.append(
        f"Largest difference from the plain convolution, in parts of its largest value: {off['direct']:.1e} directly, {off['winograd']:.1e} after Winograd in floats; "
        "after Winograd in 16 bits every byte is the shipped one. Bytes of weights that are read more for each instruction saved, layer by layer as in the table: "
        f"Winograd in floats {price['winograd']}; in 16 bits {price['exact']}. Where that is less "
        f"than one, Winograd in 16 bits saves {cheap_saved / 1e6:.1f} million instructions of a frame with a face, for {cheap_size / 1e6:.1f} MB more of weights."
    )
    replace_block("winograd cost", "scripts/winograd_cost.py", "\n".join(lines))


if __name__ == "__main__":
    main()
