"""The format of a file of weights, by its first bytes and not by its name; nothing of it is loaded."""

import zipfile
from pathlib import Path
from typing import Literal

Kind = Literal["safetensors", "torch", "torchscript", "onnx"]
HEAD_BYTES = 512
MAX_SAFETENSORS_HEADER = 100_000_000
"""bytes, the limit of the format"""
MAX_DESCRIPTION_BYTES = 4_000_000
"""of the pickle in a zip; Big-LaMa's has a third of it, and each byte may become an object of 60 to 90"""
MAX_GROWTH = 4
ZIP, PICKLE, ONNX_VERSION_FIELD = b"PK\x03\x04", b"\x80\x02", 0x08
LFS_POINTER = b"version https://git-lfs"


class PackedFileError(ValueError):
    """A few bytes that become very many: no file of weights is that."""


def file_kind(path: Path) -> Kind:
    """The format of a file of weights.

    Raises:
        ValueError: it is none that can be read; the message says what it looks like.
    """
    if problem := wrong_kind(path):
        raise ValueError(f"{path.name} holds no weights: {problem}")
    head = _head(path)
    if head.startswith(ZIP):
        return "torchscript" if _has_code(path) else "torch"
    if head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") <= MAX_SAFETENSORS_HEADER:
        return "safetensors"
    if head.startswith(PICKLE):
        return "torch"
    if head[:1] == bytes([ONNX_VERSION_FIELD]) and path.suffix.lower() == ".onnx":
        return "onnx"
    raise ValueError(
        f"{path.name} is no file of weights that can be read (.safetensors, .pth, .pt or .onnx): it begins with "
        f"{head[:16]!r}"
    )


def check_unpacked(path: Path) -> None:
    """Nothing, where a zip unpacks to little more than it has, as weights do: their numbers cannot be packed.

    Raises:
        PackedFileError: it unpacks to more, or describes more than tensors do.
    """
    if not _head(path).startswith(ZIP):
        return
    with zipfile.ZipFile(path) as content:
        sizes = {entry.filename: entry.file_size for entry in content.infolist()}
        unpacked = sum(entry.file_size for entry in content.infolist())
    if unpacked > MAX_GROWTH * path.stat().st_size + MAX_DESCRIPTION_BYTES:
        raise PackedFileError(f"{path.name} unpacks to {unpacked:,} bytes, far more than weights do: not read")
    if any(size > MAX_DESCRIPTION_BYTES for name, size in sizes.items() if name.endswith(".pkl")):
        raise PackedFileError(
            f"{path.name} describes its tensors in more than {MAX_DESCRIPTION_BYTES:,} bytes: not read"
        )


def wrong_kind(path: Path) -> str | None:
    """What came where a file of weights was expected, None where it may be one."""
    head = _head(path)
    start = head.lstrip()[:100].lower()
    if not head:
        return "an empty file came"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page came in place of the file"
    if start.startswith((b'{"', b"[")) and b"\0" not in head:
        return "a message in JSON came in place of the file"
    if head.startswith(LFS_POINTER):
        return "a Git LFS pointer came in place of the file"
    return None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _has_code(path: Path) -> bool:
    """Whether a zip of torch's holds a program, as TorchScript does."""
    try:
        with zipfile.ZipFile(path) as content:
            return any("/code/" in name or name.endswith("/constants.pkl") for name in content.namelist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ValueError(f"{path.name} is cut or damaged: it begins as a zip of torch's and ends too early") from error
