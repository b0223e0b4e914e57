"""Temporary files and folders: what is being written lies beside its place, locked by its writer, until it is whole.

Law: the lock of a temporary is held from before its first byte until it has its place or is removed, and the system
frees it when the writer dies; what nobody holds is of a writer that was killed and is removed, however young it is. A
writer whose temporary was taken for such a one between its making and its lock makes another.
Covered: SIGKILL, out of memory, a machine that went down. Not covered: a file system without locks.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".writing-"


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
