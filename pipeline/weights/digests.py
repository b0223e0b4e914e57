"""Digests of weights files, read once: the published ones are sha256 or md5, ours is sha256."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.store.digests import file_digest

PIECE_BYTES = 2**20
_known: dict[tuple[str, int, int, int], str] = {}
"""sha256 of files read before in this process, by path, inode, size and time of change"""


@dataclass(frozen=True, kw_only=True)
class FileDigests:
    """What a file is known by."""

    sha256: str
    md5: str
    num_bytes: int


def read_digests(path: Path) -> FileDigests:
    """Both digests of a file, in one reading."""
    with path.open("rb") as file:
        return digests_of(iter(lambda: file.read(PIECE_BYTES), b""))


def copy_with_digests(source: BinaryIO, target: BinaryIO) -> FileDigests:
    """Copy a file; the digests are of the bytes that were written."""

    def copied() -> Iterator[bytes]:
        while piece := source.read(PIECE_BYTES):
            target.write(piece)
            yield piece

    return digests_of(copied())


def digests_of(pieces: Iterator[bytes]) -> FileDigests:
    """Both digests of all pieces."""
    sha256, md5, num_bytes = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    for piece in pieces:
        sha256.update(piece)
        md5.update(piece)
        num_bytes += len(piece)
    return FileDigests(sha256=sha256.hexdigest(), md5=md5.hexdigest(), num_bytes=num_bytes)


def digest_once(path: Path) -> str:
    """sha256 of a file, read once in a process as long as its size, inode and time of change stay."""
    stat = path.stat()
    key = (str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns)
    if key not in _known:
        _known[key] = file_digest(path)
    return _known[key]
