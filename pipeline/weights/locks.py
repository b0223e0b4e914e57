"""One process at a time at a file of weights; the system frees the lock when its holder dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import StageError
from pipeline.progress import log


@contextmanager
def one_at_a_time(path: Path, *, longest_s: float) -> Iterator[None]:
    """Hold the lock `path`; wait for another process up to `longest_s` seconds, aloud.

    Raises:
        StageError: the other process was at it for longer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(str(path))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another process is at %s, waiting for it", path.stem)
        _wait(lock, path, longest_s)
    try:
        yield
    finally:
        lock.release()


def _wait(lock: FileLock, path: Path, longest_s: float) -> None:
    try:
        lock.acquire(timeout=longest_s)
    except Timeout:
        raise StageError(
            f"another process has been at {path.stem} for more than {longest_s:.0f} s: stop it and try again"
        ) from None
