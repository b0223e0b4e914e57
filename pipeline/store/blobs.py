"""Picture bytes by their digest: `blobs/<kind>/<2 hex>/<sha256>`, written beside and renamed, removed by unlink."""

import os
import tempfile
from pathlib import Path
from typing import Literal

from pipeline.store.digests import bytes_digest

Kind = Literal["original", "clean"]


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, flush it to the disk and rename: a reader sees the old file or the whole new one.

    Raises:
        OSError: the disk is full or read-only; the message names the path and the bytes needed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    except OSError as error:
        raise OSError(error.errno, f"cannot write {len(data)} bytes to {path}: {error.strerror}") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {len(data)} bytes to {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


class Blobs:
    """A content-addressed folder of pictures."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, kind: Kind, digest: str) -> Path:
        """Where the picture of this digest lies, whether it is there or not."""
        return self._folder / kind / digest[:2] / digest

    def put(self, kind: Kind, data: bytes) -> str:
        """Store `data` once and return its sha256."""
        digest = bytes_digest(data)
        path = self.path(kind, digest)
        if not path.exists():
            write_atomically(path, data)
        return digest

    def get(self, kind: Kind, digest: str) -> bytes:
        """The bytes of a picture. Raises FileNotFoundError where it was removed."""
        return self.path(kind, digest).read_bytes()

    def remove(self, kind: Kind, digest: str) -> None:
        """Forget a picture; nothing happens where it is gone already."""
        self.path(kind, digest).unlink(missing_ok=True)
