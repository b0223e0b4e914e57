"""Files and folders on disk: their owner's alone, locked by who works on them, and whole or not there.

Modes: libraries make most files of a store (tables and their logs, databases, shards), so the process's mask of modes
keeps all of them to their owner; workers that it starts have the same mask. What is written for a place outside the
store has the modes that the user's own mask gives.

Locks between processes are held by one or shared by many; the system frees them when their holder dies.

Temporary files and folders: what is being written lies beside its place, locked by its writer, until it is whole.
Law: the lock of a temporary is held from before its first byte until it has its place or is removed; what nobody holds
is of a writer that was killed and is removed, however young it is. A writer whose temporary was taken for such a one
between its making and its lock makes another.
Covered: SIGKILL, out of memory, a machine that went down. Not covered: a file system without locks.

Folders that are written once and never edited: releases and model runs, complete when their manifest is there.
Law: `manifest.json` is written last and names every other file with its sha256 and size, and its own digest. A folder
without one does not exist for a reader; the next writer of the same version takes what a killed one left or begins
anew. One of an older version, without a digest, is read by its shape.
"""

import errno
import fcntl
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.store.digests import file_digest, with_digest, without_digest

POLL_S = 0.05

log = logging.getLogger("mrlf")
PREFIX = ".writing-"
MANIFEST = "manifest.json"
_OF_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


OTHERS = 0o077
_given: list[int] = []
"""The mask that the process was started with, once it is known."""


def keep_private() -> None:
    """From here on this process makes files and folders for their owner alone."""
    mask = os.umask(OTHERS)
    _given[:] = _given or [mask]
    os.umask(mask | OTHERS)


@contextmanager
def modes_of_the_user() -> Iterator[None]:
    """Make files as the process was started to, for a place outside the store."""
    before = os.umask(_given[0]) if _given else None
    try:
        yield
    finally:
        if before is not None:
            os.umask(before)


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Hold the lock beside others; an exclusive holder has it for a moment only, and is waited for."""
    with _open(path) as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


@contextmanager
def exclusive_lock(
    path: Path, timeout_s: float = 0, *, busy: Callable[[float], Exception], waiting: str = ""
) -> Iterator[None]:
    """Hold the lock while no other process does.

    waiting: logged once where another process has it. busy: makes of the seconds waited the error that is raised when
    that is still so after `timeout_s` seconds.
    """
    started = time.monotonic()
    with _open(path) as handle:
        while not _is_taken(handle):
            waited_s = time.monotonic() - started
            if waited_s >= timeout_s:
                raise busy(waited_s)
            if waiting:
                log.info("%s", waiting)
                waiting = ""
            time.sleep(POLL_S)
        yield


@contextmanager
def _open(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def _is_taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def temporary_file(folder: Path) -> Iterator[tuple[int, Path]]:
    """A new file in `folder`, open for writing; removed at the end unless it was renamed before."""
    with _held(lambda: _made(*tempfile.mkstemp(dir=folder, prefix=PREFIX))) as (handle, path):
        try:
            yield handle, path
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` for the caller to write; at the end it is flushed to the disk and takes its place."""
    with temporary_file(path.parent) as (handle, temporary):
        yield temporary
        os.fsync(handle)
        temporary.replace(path)


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """A new folder in `folder`; removed at the end with what is left in it."""
    with _held(lambda: _opened(Path(tempfile.mkdtemp(dir=folder, prefix=PREFIX)))) as (_, path):
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def remove_dead(paths: Iterable[Path]) -> int:
    """Remove these temporaries, but for those whose writer lives; their number."""
    return sum(_is_removed(path) for path in paths)


def _is_removed(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, PermissionError):  # it has its place already, or is another user's
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(handle)
    return True


@contextmanager
def _held(make: Callable[[], tuple[int, Path]]) -> Iterator[tuple[int, Path]]:
    """What `make` makes, locked."""
    handle, path = make()
    fcntl.flock(handle, fcntl.LOCK_EX)
    while not path.exists():
        os.close(handle)
        handle, path = make()
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield handle, path
    finally:
        os.close(handle)


def _made(handle: int, name: str) -> tuple[int, Path]:
    return handle, Path(name)


def _opened(path: Path) -> tuple[int, Path]:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY), path


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, flush it to the disk and rename: a reader sees the old file or the whole new one.

    Raises:
        OSError: the disk is full or read-only; the message names the path and the bytes needed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {len(data)} bytes to {path}: {error.strerror}") from error


OLD_SHAPES = (
    {"cell"},
    {"city", "city_name", "is_synthetic", "version", "ledger", "num_classes", "splits", "notes", "passed"},
    {"city", "is_synthetic", "model", "run", "release", "backbone", "backbone_weights_sha256", "best_epoch", "scores"},
)
"""What an older version's manifest, which has no digest of its own, says of a cell of the study, a release, a run."""
AGAIN = "build this version again"


@contextmanager
def naming(folder: Path) -> Iterator[None]:
    """Name the folder in an error of the disk that says of no file that it cannot be written.

    Raises:
        OSError: the disk is full or read-only; the message names the path.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_DISK or error.filename is not None or os.sep in str(error):
            raise
        raise OSError(error.errno, f"cannot write to {folder}: {os.strerror(error.errno)}") from error


class IncompleteFolderError(ValueError):
    """A file that the manifest names is missing, cut or changed, or the manifest itself is."""


@dataclass(frozen=True)
class Manifest:
    """What a folder says of itself: `about` is the writer's, `files` maps names to sha256 and bytes.

    again: what makes the folder again, for a person.
    """

    folder: Path
    about: dict[str, Any]
    files: dict[str, dict[str, Any]]
    again: str = AGAIN

    def verify(self, names: Iterable[str] | None = None) -> None:
        """Compare these files with their digests, by default all.

        Raises:
            IncompleteFolderError: names the first file that is missing or differs.
        """
        for name in self.files if names is None else names:
            path = self.folder / name
            if not path.is_file():
                raise IncompleteFolderError(f"{path} is missing: {self.again}")
            if file_digest(path) != self.files[name]["sha256"]:
                raise IncompleteFolderError(f"{path} is not what its manifest states: {self.again}")


def seal(folder: Path, about: dict[str, Any], names: list[str]) -> Manifest:
    """Write the manifest of the files `names` (relative to `folder`), last of all."""
    files = {
        name: {"sha256": file_digest(folder / name), "num_bytes": (folder / name).stat().st_size}
        for name in sorted(names)
    }
    content = with_digest({"about": about, "files": files})
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    write_atomically(folder / MANIFEST, text.encode())
    return Manifest(folder, about, files)


def unseal(folder: Path, again: str = AGAIN) -> Manifest | None:
    """The manifest of a complete folder, None where there is none; `again` as of `Manifest`.

    Raises:
        IncompleteFolderError: it is there and cannot be read, or is not as it was written.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        written = json.loads(path.read_bytes())
        content = without_digest(written)
        about, files = content["about"], content["files"]
        names = {name: {"sha256": str(of["sha256"]), "num_bytes": of["num_bytes"]} for name, of in files.items()}
        is_old = content is written and any(needed <= about.keys() for needed in OLD_SHAPES)
        if content.keys() != {"about", "files"} or not isinstance(about, dict) or (content is written and not is_old):
            raise ValueError("it is no manifest")
        return Manifest(folder, about, names, again)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IncompleteFolderError(f"{path} is damaged ({error!r}): {again}") from error
