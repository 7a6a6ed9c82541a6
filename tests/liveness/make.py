"""Makes `bluish.onnx`, a liveness net for tests that anybody can foresee: what is bluish, as the light of a screen is, is no living face.

Its logit is 0.2 for each step by which red lies above blue in the mean of its crop, and 6. Needs onnx (models/train/requirements.txt).
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 32


def main() -> None:
    weight = numpy_helper.from_array(np.array([0.2, 0, -0.2], np.float32).reshape(1, 3, 1, 1), "weight")
    bias = numpy_helper.from_array(np.array([6], np.float32), "bias")
    nodes = [
        helper.make_node("Conv", ["image", "weight", "bias"], ["map"]),
        helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["live"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])]
    outputs = [helper.make_tensor_value_info("live", TensorProto.FLOAT, [1, 1])]
    graph = helper.make_graph(nodes, "agegate-liveness", inputs, outputs, [weight, bias])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="agegate tests/liveness/make.py")
    model.ir_version = 9
    metadata = {"name": "agegate-liveness", "version": "test", "layout": "NCHW", "colour": "RGB", "input_width": SIDE,
                "input_height": SIDE, "mean": 0, "std": 1, "scales": "2.7"}
    helper.set_model_props(model, {k: str(v) for k, v in metadata.items()})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, pathlib.Path(__file__).parent / "bluish.onnx")


if __name__ == "__main__":
    main()
