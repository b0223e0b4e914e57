"""Locks between processes, held by one or shared by many; the system frees them when their holder dies."""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_S = 0.05

log = logging.getLogger("mrlf")


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
