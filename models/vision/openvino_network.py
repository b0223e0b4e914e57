"""A torch module through OpenVINO on the processor, one compiled network per shape of input; the last few are kept.

A module with `shape_constants` (LaMa: its Fourier matrices) is compiled once for all shapes and given these constants
as further inputs. For LaMa that costs 2.5 % of speed and saves a second and 150 MB per shape.
OpenVINO computes in bf16 by itself where it can, so the precision is pinned. Its threads are as many as torch's, not
bound to cores: bound, two processes share the first ones.
"""

import sys
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

NUM_SHAPES_KEPT = 4
HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""of what the network does not say itself; one in int8 says which of its layers are"""


@runtime_checkable
class AnyShape(Protocol):
    """A module of which one export serves every shape."""

    def shape_constants(self, *pictures: Tensor) -> tuple[Tensor, ...]:
        """What its forward needs after inputs of these shapes."""

    def smallest_inputs(self) -> tuple[Tensor, ...]:
        """Inputs to trace it with."""


class OpenvinoNetwork:
    """Calls like the module: CPU tensors in, one float32 CPU tensor out. A path: OpenVINO's own file of a network."""

    def __init__(self, module: nn.Module | Path, precision: str) -> None:
        self._module = module
        self._precision = precision
        self._by_shapes: OrderedDict[tuple[torch.Size, ...], Any] = OrderedDict()

    def __call__(self, inputs: tuple[Tensor, ...]) -> Tensor:
        if isinstance(self._module, AnyShape):
            inputs = (*inputs, *self._module.shape_constants(*inputs))
        compiled = self._compiled(inputs)
        result: np.ndarray = compiled([tensor.contiguous().numpy() for tensor in inputs])[0]
        return torch.from_numpy(result)

    def _compiled(self, inputs: tuple[Tensor, ...]) -> Any:
        shapes = () if isinstance(self._module, AnyShape) else tuple(tensor.shape for tensor in inputs)
        if shapes not in self._by_shapes:
            if len(self._by_shapes) == NUM_SHAPES_KEPT:
                self._by_shapes.popitem(last=False)
            self._by_shapes[shapes] = compile_network(self._module, inputs, self._precision)
        self._by_shapes.move_to_end(shapes)
        return self._by_shapes[shapes]


def compile_network(module: nn.Module | Path, inputs: tuple[Tensor, ...], precision: str) -> Any:
    """OpenVINO's compiled form of the module for inputs of these types and just these shapes, or any it can take."""
    openvino = import_openvino()
    if isinstance(module, Path):
        network = openvino.Core().read_model(module)
        network.reshape({axis: list(tensor.shape) for axis, tensor in enumerate(inputs)})
    else:
        network = converted(module, inputs)
    options = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "ENABLE_CPU_PINNING": False,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    return openvino.Core().compile_model(network, "CPU", options)


def converted(module: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    """The module as OpenVINO writes networks, for these inputs."""
    openvino = import_openvino()
    shapes = [openvino.PartialShape(list(tensor.shape)) for tensor in inputs]
    if isinstance(module, AnyShape):
        pictures = module.smallest_inputs()
        inputs = (*pictures, *module.shape_constants(*pictures))
        shapes = [_any_size(openvino, tensor) for tensor in inputs]
    with warnings.catch_warnings(), torch.no_grad():
        # OpenVINO traces with torch.jit, which torch calls deprecated, and tracing warns that sizes become constants
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.trace")
        warnings.filterwarnings("ignore", category=TracerWarning)
        # traced here, since OpenVINO's own call runs the network several times more to check the trace
        traced = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]
        return openvino.convert_model(traced, example_input=inputs, input=shapes)


def _any_size(openvino: Any, tensor: Tensor) -> Any:
    """Any shape of as many axes; pictures (N, C, H, W) keep their number of channels."""
    channels = {1: tensor.shape[1]} if tensor.ndim == 4 else {}
    return openvino.PartialShape([channels.get(axis, -1) for axis in range(tensor.ndim)])


def import_openvino() -> Any:
    """The package, kept from calling home: where its telemetry is installed, it reports each import and conversion."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # Python's way to say: not to be imported
    import openvino

    return openvino
