"""How far a download is: a bar in a terminal, else a line now and then."""

import logging
import time
from typing import Self

from tqdm import tqdm

LINE_EVERY_S = 15.0
log = logging.getLogger("mrlf")


class Progress:
    """Counts the bytes of one file; use it as a context."""

    def __init__(self, name: str, num_bytes: int | None) -> None:
        self._name, self._num_bytes = name, num_bytes
        self._bar = tqdm(total=num_bytes, unit="B", unit_scale=True, desc=name, disable=None, leave=False)
        self._next_line = time.monotonic() + LINE_EVERY_S

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
        self._next_line = time.monotonic() + LINE_EVERY_S
        of = f" of {told_bytes(self._num_bytes)}" if self._num_bytes else ""
        log.info("%s: %s%s", self._name, told_bytes(self._bar.n), of)


def told_bytes(num_bytes: float) -> str:
    """A size as people read it: 176.0 MB, 232.6 kB."""
    for unit in ("bytes", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "bytes" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} GB"
