"""Files that are used as they were published: each is looked at, and what is none of its kind is refused at once."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from pipeline.weights.kinds import file_kind
from pipeline.weights.registry import YUNET


def check_yunet(path: Path) -> None:
    """A face detector that OpenCV reads.

    Raises:
        ValueError: it cannot.
    """
    import cv2

    if file_kind(path) != "onnx":
        raise ValueError(f"{path.name} is not ONNX, and OpenCV reads YuNet from ONNX only: take the published file")
    try:
        cv2.FaceDetectorYN.create(str(path), "", (320, 320))
    except cv2.error as error:
        what = " ".join(error.err.split()).lstrip("> ")
        raise ValueError(f"{path.name} is not a network that OpenCV can read as YuNet: {what}") from error


def check_safetensors(path: Path) -> None:
    """Tensors whose header is whole; their numbers are not read.

    Raises:
        ValueError: it is another format, cut or damaged.
    """
    from safetensors import SafetensorError, safe_open

    if file_kind(path) != "safetensors":
        raise ValueError(f"{path.name} is not safetensors: take the published file")
    try:
        with safe_open(path, "numpy") as content:
            content.keys()
    except SafetensorError as error:
        raise ValueError(f"{path.name} is cut or damaged: {error}") from error


def check_tokenizer(path: Path) -> None:
    """A vocabulary in the JSON of Hugging Face's tokenizers.

    Raises:
        ValueError: it is none.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not JSON ({error}): take the published file") from error
    if not isinstance(content, dict) or "model" not in content:
        raise ValueError(f"{path.name} is JSON, but no tokenizer: take the published file")


AS_PUBLISHED: Mapping[str, Callable[[Path], None]] = MappingProxyType(
    {
        YUNET: check_yunet,
        "minilm": check_safetensors,
        "minilm_tokenizer": check_tokenizer,
    }
)
"""by architecture"""
