"""Reads the tensors of a TorchScript archive (torch.jit.save) by attribute path, without executing anything in it.

The archive is a zip: `data.pkl` describes the module's attributes as a pickle, `data/<number>` hold the numbers, and
`code/` the program, which is never opened. The pickle is read by a machine that knows no function of Python and only
the instructions that TorchScript writes: classes `__torch__.*` become inert records, tensors are rebuilt here, and
every other name is refused. It is Python's slow reader: the fast one reserves memory for whatever a file claims.
Guarded: code in the pickle, archives that unpack to more than they weigh, tensors outside their storage, endless or
exploding structures. Not guarded: numbers that make a bad network; its own strict check and the file's digest do that.
"""

import pickle
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, ClassVar

from pipeline.weights.kinds import MAX_DESCRIPTION_BYTES, PackedFileError, check_unpacked

if TYPE_CHECKING:
    from torch import Tensor

MAX_TENSOR_BYTES = 4_000_000_000
MAX_ATTRIBUTES = 1_000_000
MAX_DEPTH = 64
STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
INSTRUCTIONS = frozenset(
    {
        "PROTO",
        "FRAME",
        "MEMOIZE",
        "STOP",
        "MARK",
        "GLOBAL",
        "STACK_GLOBAL",
        "NEWOBJ",
        "BUILD",
        "REDUCE",
        "BINPERSID",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "EMPTY_LIST",
        "APPEND",
        "APPENDS",
        "EMPTY_DICT",
        "SETITEM",
        "SETITEMS",
        "BINGET",
        "LONG_BINGET",
        "BINPUT",
        "LONG_BINPUT",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINFLOAT",
        "BINUNICODE",
        "SHORT_BINUNICODE",
    }
)
LISTS = frozenset({"build_intlist", "build_doublelist", "build_boollist", "build_tensorlist"})


class TorchScriptFileError(ValueError):
    """The file is no TorchScript archive whose tensors can be read safely."""


def read_torchscript(path: Path) -> "dict[str, Tensor]":
    """Attribute path (`model.generator.model.1.bn_l.weight`) -> tensor, in the order of the file.

    Raises:
        TorchScriptFileError: the file is damaged, of another kind, or asks for code to be run; nothing was run.
    """
    try:
        check_unpacked(path)
        with zipfile.ZipFile(path) as archive:
            reader = _Archive(archive, path)
            return dict(_tensors(reader.description(), path))
    except (TorchScriptFileError, PackedFileError):
        raise
    except (zipfile.BadZipFile, zlib.error, pickle.UnpicklingError, EOFError) as error:
        raise TorchScriptFileError(f"{path} cannot be read as TorchScript ({error}): fetch it again") from error
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:  # what a forged pickle makes the machine stumble over
        what = f"{type(error).__name__}: {error}"
        raise TorchScriptFileError(f"{path} is no well-formed TorchScript file ({what}): fetch it again") from error


class _Record:
    """An object of the archive: attributes and nothing else."""

    attributes: dict[str, Any]

    def __new__(cls) -> "_Record":  # a pickle makes objects without calling __init__
        record = super().__new__(cls)
        record.attributes = {}
        return record


@dataclass(frozen=True)
class _Storage:
    """The name of a tensor type as it stands in the pickle."""

    dtype: str


class _Archive:
    """The entries of the zip that are read, each checked before its bytes are."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive, self._path = archive, path
        descriptions = [name for name in archive.namelist() if PurePosixPath(name).parts[1:] == ("data.pkl",)]
        if len(descriptions) != 1:
            raise TorchScriptFileError(
                f"{path} is a zip without a TorchScript module in it: take the file as published"
            )
        self._root = descriptions[0].removesuffix("/data.pkl")
        self._storages: dict[str, Tensor] = {}
        self._num_bytes_read = 0
        if f"{self._root}/byteorder" in archive.namelist() and self._read("byteorder", 16) != b"little":
            raise TorchScriptFileError(f"{path} was written on a big-endian machine: take the file as published")

    def description(self) -> object:
        """The module as a tree of records, containers and tensors."""
        with self._open("data.pkl", MAX_DESCRIPTION_BYTES) as stream:
            return _Machine(stream, self._storage, self._path).load()

    def _storage(self, kind: object, key: object, num_items: object) -> "Tensor":
        import torch

        if not (isinstance(kind, _Storage) and isinstance(key, str) and key.isdigit() and isinstance(num_items, int)):
            raise TypeError(f"a tensor's numbers are described as {kind!r}, {key!r}, {num_items!r}")
        dtype: torch.dtype = getattr(torch, kind.dtype)
        num_bytes = num_items * dtype.itemsize
        if key not in self._storages:
            self._num_bytes_read += num_bytes
            if self._num_bytes_read > MAX_TENSOR_BYTES:
                raise TorchScriptFileError(f"{self._path} describes more than {MAX_TENSOR_BYTES:,} bytes of tensors")
            data = self._read(f"data/{key}", num_bytes)
            if len(data) != num_bytes:
                raise TorchScriptFileError(f"{self._path} is damaged: data/{key} lacks {num_bytes - len(data)} bytes")
            self._storages[key] = (
                torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)
            )
        return self._storages[key]

    def _read(self, name: str, max_bytes: int) -> bytes:
        with self._open(name, max_bytes) as stream:
            return stream.read(max_bytes)

    def _open(self, name: str, max_bytes: int) -> IO[bytes]:
        entry = self._archive.getinfo(f"{self._root}/{name}")
        if entry.file_size > max_bytes:
            what = f"{name} of {entry.file_size:,} bytes, where {max_bytes:,} are expected at most"
            raise TorchScriptFileError(f"{self._path} holds {what}: not read")
        return self._archive.open(entry)


class _Machine(pickle._Unpickler):
    """Python's own reader of pickles, with few instructions and without any name of Python's."""

    stack: list[Any]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        ord(opcode.code): pickle._Unpickler.dispatch[ord(opcode.code)]
        for opcode in pickletools.opcodes
        if opcode.name in INSTRUCTIONS
    }

    def __init__(self, stream: IO[bytes], storage: "Callable[[object, object, object], Tensor]", path: Path) -> None:
        super().__init__(stream)
        self._storage, self._path = storage, path

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name of the archive."""
        if module == "__torch__" or module.startswith("__torch__."):
            return _Record
        if module == "collections" and name == "OrderedDict":
            return dict
        if module == "torch" and name in STORAGES:
            return _Storage(STORAGES[name])
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return _rebuilt
        if module == "torch.jit._pickle" and name in LISTS:
            return _as_list
        if module == "torch.jit._pickle" and name == "restore_type_tag":
            return _without_tag
        raise TorchScriptFileError(
            f"{self._path} asks for {module}.{name}, which no TorchScript module needs: it may run code when it is "
            "loaded. Nothing of it was run, and it is not loaded in any other way: take the file as published"
        )

    def persistent_load(self, pid: Any) -> "Tensor":
        """The numbers that a tensor of the pickle points to."""
        _, kind, key, _, num_items = pid
        return self._storage(kind, key, num_items)

    def load_build(self) -> None:
        """Give a record its attributes: nothing else in here has any."""
        attributes = self.stack.pop()
        record = self.stack[-1]
        if not isinstance(record, _Record) or not isinstance(attributes, dict):
            raise TypeError(f"a {type(record).__name__} cannot have a {type(attributes).__name__} as attributes")
        record.attributes = attributes

    dispatch[pickle.BUILD[0]] = load_build


def _rebuilt(storage: "Tensor", offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> "Tensor":
    """A view: a copy for each mention would make gigabytes of a few numbers.

    Strides that would show a number twice are not those of a parameter.
    """
    num_items = 1
    for side in size:
        num_items *= side
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    is_inside = min((offset, *size, *stride), default=0) >= 0 and (num_items == 0 or last < storage.numel())
    if not is_inside or num_items > storage.numel():
        raise ValueError(f"a tensor of shape {size} reaches beyond its {storage.numel()} numbers")
    return storage.as_strided(size, stride, offset)


def _as_list(values: list[object]) -> list[object]:
    return values


def _without_tag(value: object, _: object) -> object:
    return value


def _tensors(root: object, path: Path) -> "Iterator[tuple[str, Tensor]]":
    """All tensors below `root` with their attribute paths, without calls that grow with the depth."""
    import torch

    todo: list[tuple[str, object, int]] = [("", root, 0)]
    num_seen = 0
    while todo:
        name, value, depth = todo.pop()
        num_seen += 1
        if num_seen > MAX_ATTRIBUTES or depth > MAX_DEPTH:
            raise TorchScriptFileError(f"{path} describes more than a network: too many or too deep attributes")
        if isinstance(value, torch.Tensor):
            yield name, value
        children = value.attributes if isinstance(value, _Record) else value if isinstance(value, dict) else {}
        prefix = f"{name}." if name else ""
        todo += [(f"{prefix}{key}", child, depth + 1) for key, child in reversed(children.items())]
