"""Progress of a long loop: a bar in a terminal, a plain line now and then in a log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

LOG_EVERY_S = 15.0

ItemT = TypeVar("ItemT")
log = logging.getLogger("mrlf")


def progress(items: Iterable[ItemT], title: str, total: int | None = None) -> Iterator[ItemT]:
    """The items as they are, while telling how many have passed."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        yield from tqdm(items, desc=title, total=total)
        return
    told_at = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - told_at >= LOG_EVERY_S:
            told_at = time.monotonic()
            log.info("%s: %d of %s", title, number, total if total is not None else "?")
