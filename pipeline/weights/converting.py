"""A published file of weights turned into safetensors with the names of our module, in a step of its own.

No code of the file is run: torch's files are read with `weights_only`, TorchScript's tensors without its program, ONNX
as a graph. The state is checked strictly before anything is written. What other programs read is kept as it is.
"""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import StageError
from pipeline.store.files import replacing
from pipeline.weights.as_published import AS_PUBLISHED
from pipeline.weights.kinds import PackedFileError, check_unpacked, file_kind

if TYPE_CHECKING:
    from torch import Tensor, nn

CONVERTER_VERSION = "1"
"""to be raised when the same file is converted into something else"""
ONNX_ARCHITECTURES = frozenset({"u2net", "u2netp"})
MAX_MESSAGE = 200
"""characters of torch's own message"""
FORBIDDEN = re.compile(r"GLOBAL (\S+)")
"""how torch names what a file would have called"""


def known_architectures() -> list[str]:
    """The names that a file can be of."""
    from models.vision.architectures import ARCHITECTURES

    return list(dict.fromkeys((*ARCHITECTURES, *AS_PUBLISHED)))


def convert(source: Path, architecture: str, target: Path) -> Path:
    """The file to load: `target`, written from `source`; `source` itself where it is used as it was published.

    Raises:
        ValueError: the file cannot be read without running it, or is of another architecture.
    """
    import torch

    from models.vision.architectures import ARCHITECTURES

    if architecture not in ARCHITECTURES and architecture in AS_PUBLISHED:
        AS_PUBLISHED[architecture](source)
        return source
    if architecture not in ARCHITECTURES:
        raise StageError(f"there is no architecture {architecture!r}: take one of {', '.join(known_architectures())}")
    try:
        state = ARCHITECTURES[architecture].check_state(read_state(source, architecture), source.name)
        _check_finite(state, source.name)
        state = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    except (RuntimeError, MemoryError, TypeError) as error:  # sparse, without numbers, or more than there is memory
        raise ValueError(f"{source.name} is not read as weights: {_what_is_wrong(error)}") from error
    _save(state, architecture, target)
    return target


def read_state(path: Path, architecture: str) -> "Mapping[str, object]":
    """The tensors of a file under the names it has for them; those of an ONNX file under the official ones.

    Raises:
        ValueError: the file is damaged, of an unknown format, or cannot be read without running code of it.
    """
    match file_kind(path):
        case "safetensors":
            return _read_safetensors(path)
        case "torch":
            return read_torch_file(path)
        case "torchscript":
            from pipeline.weights.torchscript_file import read_torchscript

            return read_torchscript(path)
        case "onnx":
            return _read_onnx(path, architecture)


def read_torch_file(path: Path) -> Mapping[str, object]:
    """The state dict that `torch.save` wrote, read with `weights_only`: no class or function of the file is run.

    Raises:
        ValueError: it is damaged, holds something else than tensors, or names code to run; it is not read otherwise.
    """
    import torch

    try:
        check_unpacked(path)
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, PackedFileError):
        raise
    except Exception as error:  # a damaged file can fail in any way, and all mean the same
        raise ValueError(
            f"{path.name} is not read as weights: {_what_is_wrong(error)}; nothing of it is run. Take the published "
            "file, or save its state dict as safetensors"
        ) from error
    if not isinstance(stored, Mapping):
        raise ValueError(f"{path.name} holds a {type(stored).__name__}, not a state dict (names with tensors)")
    return stored


def build_network(path: Path, architecture: str) -> "nn.Module":
    """The network of a converted file, evaluating; the state is checked once more while it is loaded."""
    from safetensors.torch import load_file

    from models.vision.architectures import ARCHITECTURES

    return ARCHITECTURES[architecture].build(load_file(path))


def _read_safetensors(path: Path) -> "dict[str, Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise ValueError(f"{path.name} is cut or damaged: {error}") from error


def _read_onnx(path: Path, architecture: str) -> "dict[str, Tensor]":
    if architecture not in ONNX_ARCHITECTURES:
        raise ValueError(f"{path.name} is ONNX, and {architecture} is not read from ONNX: take its published file")
    from models.vision.u2net_weights import from_folded
    from pipeline.weights.onnx_file import read_convolutions

    return from_folded(read_convolutions(path), architecture, path.name)


def _what_is_wrong(error: Exception) -> str:
    """In our words: torch's own advise reading the file with all rights."""
    message = " ".join(str(error).split())
    if named := FORBIDDEN.search(message):
        return f"it names {named[1]}, which reading it would call"
    if isinstance(error, MemoryError) or "allocate memory" in message:
        return "it describes more than there is memory for"
    if isinstance(error, pickle.UnpicklingError):
        return "it holds more than tensors, or is damaged"
    return f"it is damaged ({type(error).__name__}: {message[:MAX_MESSAGE]})"


def _check_finite(state: "Mapping[str, Tensor]", origin: str) -> None:
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{origin} has {name} with numbers that are not finite: the file is damaged")


def _save(state: "Mapping[str, Tensor]", architecture: str, target: Path) -> None:
    """Written beside and renamed; the same state gives the same bytes."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with replacing(target) as path:
            save_file({key: state[key] for key in sorted(state)}, path, {"architecture": architecture})
    except (OSError, SafetensorError) as error:
        raise StageError(f"{target} cannot be written: {error}") from error
