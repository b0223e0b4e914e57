"""A lock that many may share, or one may have alone; the system frees it when its holder dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_S = 0.05


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock beside others; who has it alone has it for a moment only, and is waited for."""
    with _open(path) as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock while nobody else does.

    Raises:
        TimeoutError: others have held it for longer than `timeout_s` seconds.
    """
    end = time.monotonic() + timeout_s
    with _open(path) as handle:
        while not _is_taken(handle):
            if time.monotonic() >= end:
                raise TimeoutError(f"others hold {path}")
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
