"""Picture bytes by their digest: `blobs/<kind>/<2 hex>/<sha256>`, written beside and renamed, removed by unlink.

Law: bytes that leave here are those that were stored: a picture of another digest than its name is removed.
"""

import logging
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pipeline.store.digests import bytes_digest
from pipeline.store.files import PREFIX, write_atomically
from pipeline.store.out_of_place import set_aside

Kind = Literal["original", "clean"]
_AGAIN = "`mrlf run` of its city makes it again"
DIGEST = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger("mrlf")


class LostPictureError(FileNotFoundError):
    """A picture is gone, or was damaged and is removed."""


class Blobs:
    """A content-addressed folder of pictures."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, kind: Kind, digest: str) -> Path:
        """Where the picture of this digest lies, whether it is there or not."""
        return self._folder / kind / digest[:2] / digest

    def put(self, kind: Kind, data: bytes) -> str:
        """Store `data` once, also in place of a cut file, and return its sha256."""
        digest = bytes_digest(data)
        path = self.path(kind, digest)
        if not path.is_file() or path.stat().st_size != len(data):
            _make_room(path)
            write_atomically(path, data)
        return digest

    def get(self, kind: Kind, digest: str) -> bytes:
        """The bytes of a picture.

        Raises:
            LostPictureError: it is not there, or was damaged.
        """
        path = self.path(kind, digest)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            _make_room(path)
            raise LostPictureError(f"the {kind} picture {path} is not there: {_AGAIN}") from None
        if bytes_digest(data) != digest:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:  # the disk is read only, or another user's: it is handed to nobody all the same
                raise LostPictureError(
                    f"the {kind} picture {path} is damaged and cannot be removed ({os.strerror(error.errno or 0)})"
                ) from None
            raise LostPictureError(f"the {kind} picture {path} was damaged and is removed: {_AGAIN}")
        return data

    def remove_damaged(self, kind: Kind, digest: str) -> bool:
        """Remove a picture if it is there and is not what its name says, if the disk lets us; whether it was so."""
        try:
            self.get(kind, digest)
        except LostPictureError:
            return True
        return False

    def folders(self, kind: Kind) -> list[Path]:
        """The folders that hold the pictures of a kind."""
        parent = self._folder / kind
        return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []

    def listed(self, kind: Kind) -> tuple[set[str], list[Path]]:
        """What is on disk: the digests of the pictures, and the temporaries of writers that live or were killed."""
        digests, temporaries = set[str](), list[Path]()
        for folder in self.folders(kind):
            names = os.listdir(folder)
            digests.update(name for name in names if DIGEST.fullmatch(name))
            temporaries.extend(folder / name for name in names if name.startswith(PREFIX))
        return digests, temporaries

    def remove(self, kind: Kind, digest: str) -> None:
        """Forget a picture; nothing happens where it is gone already."""
        self.path(kind, digest).unlink(missing_ok=True)


def _make_room(path: Path) -> None:
    """Set a folder in the place of a picture aside, if the disk lets us."""
    if path.is_dir():
        with suppress(OSError):
            log.warning("%s", set_aside(path))
