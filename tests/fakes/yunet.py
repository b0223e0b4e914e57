"""A network with YuNet's inputs and outputs, for `cv2.FaceDetectorYN`, that takes whatever is pure green for a face.

Its outputs are those of OpenCV's face_detection_yunet_2023mar.onnx: for the strides 8, 16 and 32 a class score, an
objectness, a box (middle as shares of a cell, logarithms of width and height in cells) and five points per cell. Only
the coarsest scale ever answers: a box around each green cell of 32 pixels.
"""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper

STRIDES = (8, 16, 32)
BOX_SIDE_PX = 32


def yunet_bytes() -> bytes:
    """The ONNX file."""
    green_bgr = np.array([-1, 1, -1], dtype=np.float32).reshape(1, 3, 1, 1) / 255
    constants = {"green": green_bgr, "per_cell": np.array([1, -1, 1]), "per_box": np.array([1, -1, 4])}
    constants |= {"per_points": np.array([1, -1, 10])}
    nodes = [helper.make_node("Conv", ["input", "green"], ["greenness"])]
    outputs = []
    for stride in STRIDES:
        nodes += _head(stride, constants)
        outputs += [(f"{name}_{stride}", width) for name, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))]
    outputs.sort(key=lambda output: ("cls", "obj", "bbox", "kps").index(output[0].split("_")[0]))
    graph = helper.make_graph(
        nodes,
        "yunet",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 640, 640])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, width]) for name, width in outputs],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 7
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _head(stride: int, constants: dict[str, np.ndarray]) -> list[onnx.NodeProto]:
    """The four outputs of one scale; a cell is a face where it is green, at the coarsest scale alone."""
    bias = -0.5 if stride == max(STRIDES) else -9.0
    log_side = math.log(BOX_SIDE_PX / stride)
    constants[f"steep_{stride}"] = np.array([20], dtype=np.float32).reshape(1, 1, 1, 1)
    constants[f"bias_{stride}"] = np.array([20 * bias], dtype=np.float32)
    constants[f"none_box_{stride}"] = np.zeros((4, 1, 1, 1), dtype=np.float32)
    constants[f"box_{stride}"] = np.array([0.5, 0.5, log_side, log_side], dtype=np.float32)
    constants[f"none_points_{stride}"] = np.zeros((10, 1, 1, 1), dtype=np.float32)

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> onnx.NodeProto:
        return helper.make_node(kind, inputs, [f"{output}_{stride}"], **attributes)

    cell = f"cell_{stride}"
    return [
        node("AveragePool", ["greenness"], "cell", kernel_shape=[stride, stride], strides=[stride, stride]),
        node("Conv", [cell, f"steep_{stride}", f"bias_{stride}"], "logit"),
        node("Sigmoid", [f"logit_{stride}"], "score"),
        node("Reshape", [f"score_{stride}", "per_cell"], "cls"),
        node("Sigmoid", [f"logit_{stride}"], "score2"),
        node("Reshape", [f"score2_{stride}", "per_cell"], "obj"),
        node("Conv", [cell, f"none_box_{stride}", f"box_{stride}"], "boxes"),
        node("Transpose", [f"boxes_{stride}"], "boxes_last", perm=[0, 2, 3, 1]),
        node("Reshape", [f"boxes_last_{stride}", "per_box"], "bbox"),
        node("Conv", [cell, f"none_points_{stride}"], "points"),
        node("Transpose", [f"points_{stride}"], "points_last", perm=[0, 2, 3, 1]),
        node("Reshape", [f"points_last_{stride}", "per_points"], "kps"),
    ]
