"""Progress of a long loop or a download: a bar in a terminal, a plain line now and then in a log."""

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Self, TypeVar

from tqdm import tqdm

LOG_EVERY_S = 15.0

ItemT = TypeVar("ItemT")
log = logging.getLogger("mrlf")


def progress(items: Iterable[ItemT], title: str, total: int | None = None) -> Iterator[ItemT]:
    """The items as they are, and log how many have passed."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        yield from tqdm(items, desc=title, total=total)
        return
    logged_at = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - logged_at >= LOG_EVERY_S:
            logged_at = time.monotonic()
            log.info("%s: %d of %s", title, number, total if total is not None else "?")


class ByteProgress:
    """Counts the bytes of one file; use it as a context."""

    def __init__(self, name: str, num_bytes: int | None) -> None:
        self._name, self._num_bytes = name, num_bytes
        self._bar = tqdm(total=num_bytes, unit="B", unit_scale=True, desc=name, disable=None, leave=False)
        self._next_line = time.monotonic() + LOG_EVERY_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def at(self, num_bytes: int) -> None:
        """So many bytes of the file are here now."""
        self._bar.update(num_bytes - self._bar.n)
        if self._bar.disable:
            self._bar.n = num_bytes
            self._line()

    def _line(self) -> None:
        if time.monotonic() < self._next_line:
            return
        self._next_line = time.monotonic() + LOG_EVERY_S
        of = f" of {format_bytes(self._num_bytes)}" if self._num_bytes else ""
        log.info("%s: %s%s", self._name, format_bytes(self._bar.n), of)


def format_bytes(num_bytes: float) -> str:
    """A size as people read it: 176.0 MB, 232.6 kB."""
    for unit in ("bytes", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "bytes" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} GB"


def open_terminals() -> list[int]:
    """The outputs of this process that are terminals."""
    return [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]


def lead_nowhere(descriptors: Iterable[int]) -> None:
    """Let what is still to be said there, as to a terminal that has closed, be no error that ends the work."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
