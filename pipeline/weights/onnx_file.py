"""The convolutions of an ONNX file in the order of its graph: how weights without names find their places.

rembg's files of U²-Net have batch norm folded into the convolutions and numbers for names. Exporters write the nodes
in the order in which the network ran them; the names are used only to find a node's own tensors.
The file is parsed and nothing of it is run; tensors in a second file are never followed.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.vision.u2net_weights import Convolution

PLAIN: dict[str, Any] = {"group": 1, "strides": [1, 1], "auto_pad": b"NOTSET"}
"""what ONNX means where a node says nothing, and what all convolutions of U²-Net are"""


def read_convolutions(path: Path) -> "list[Convolution]":
    """Weight, bias and dilation of every Conv node, in graph order.

    Raises:
        ValueError: the file is damaged or no ONNX graph, or a convolution has no float32 weights and biases of its
            own, or is not a plain one (group 1, stride 1, padded to equal size).
    """
    from models.vision.u2net_weights import Convolution

    graph = _read_graph(path)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    constants = [node for node in graph.node if node.op_type == "Constant"]
    tensors |= {node.output[0]: item.t for node in constants for item in node.attribute if item.name == "value"}
    arrays: dict[str, NDArray[np.float32]] = {}
    convolutions: list[Convolution] = []
    for node in graph.node:
        if node.op_type == "Conv":
            origin = f"{path.name}, convolution number {len(convolutions) + 1}"
            weight, bias = _weight_and_bias(node, tensors, arrays, origin)
            convolutions.append(Convolution(weight, bias, _dilation(node, weight.shape, origin)))
    if not convolutions:
        raise ValueError(f"{path.name} holds no convolution with weights: it is not U²-Net, or it was cut short")
    return convolutions


def _read_graph(path: Path) -> Any:
    """The graph, without tensors that stand in other files."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        return onnx.load(path, load_external_data=False).graph
    except DecodeError as error:
        raise ValueError(
            f"{path.name} cannot be read as ONNX ({error}): it is damaged or something else. Download it again"
        ) from error


def _weight_and_bias(
    node: Any, tensors: dict[str, Any], arrays: "dict[str, NDArray[np.float32]]", origin: str
) -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
    """Those of a node; what many nodes name is read once, into `arrays`."""
    if len(node.input) != 3:
        raise ValueError(
            f"{origin} has no bias: U²-Net with batch norm folded in has one everywhere. Take rembg's file"
        )
    for name in node.input[1:]:
        if name not in arrays:
            arrays[name] = _array(tensors.get(name), origin)
    weight, bias = (arrays[name] for name in node.input[1:])
    if weight.ndim != 4 or bias.shape != weight.shape[:1]:
        raise ValueError(
            f"{origin} has weights of shape {weight.shape} and biases of shape {bias.shape}, not (out, in, k, k) and "
            "(out)"
        )
    return weight, bias


def _array(tensor: Any, origin: str) -> "NDArray[np.float32]":
    """A tensor's numbers, a copy that may be written to."""
    from onnx import TensorProto, numpy_helper

    if tensor is None:
        raise ValueError(f"{origin} computes its weights instead of holding them: it is no exported U²-Net")
    if tensor.data_location == TensorProto.EXTERNAL:
        raise ValueError(f"{origin} keeps its weights in another file, which is not followed. Take rembg's file")
    if tensor.data_type != TensorProto.FLOAT:
        found = TensorProto.DataType.Name(tensor.data_type)
        raise ValueError(f"{origin} has weights of type {found}, not FLOAT (32 bits)")
    try:
        return numpy_helper.to_array(tensor).copy()
    except ValueError as error:
        raise ValueError(f"{origin} is damaged ({error}). Download the file again") from error


def _dilation(node: Any, shape: tuple[int, ...], origin: str) -> int:
    """The dilation of a convolution that is otherwise plain."""
    from onnx.helper import get_attribute_value

    square = list(shape[2:])
    found: dict[str, Any] = {"kernel_shape": square, "dilations": [1, 1], "pads": [0] * 4, **PLAIN}
    found |= {item.name: get_attribute_value(item) for item in node.attribute}
    dilation = found["dilations"][0]
    plain: dict[str, Any] = {"kernel_shape": square[:1] * 2, "dilations": [dilation] * 2, **PLAIN}
    plain["pads"] = [dilation * (square[0] // 2)] * 4
    if found != plain:
        different = [name for name in found if found[name] != plain.get(name)]
        raise ValueError(
            f"{origin} has {', '.join(f'{name} {found[name]}' for name in different)}, not "
            f"{', '.join(f'{name} {plain.get(name)}' for name in different)}: it is not of U²-Net"
        )
    return int(dilation)
