"""Small JSON files that we keep for ourselves: records of stages, sums of tables, what was compared or counted.

Law: each carries its own digest. One that is cut, changed or of another shape counts as none: that is logged once, and
whoever writes it next puts a whole one in its place. One of an older version, without a digest, is read by its shape.
"""

import json
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pipeline.store.digests import with_digest, without_digest
from pipeline.store.files import write_atomically

SHAPES = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading a file of another shape ends in."""

ReadT = TypeVar("ReadT")

log = logging.getLogger("mrlf")


def write_kept(path: Path, content: dict[str, Any]) -> None:
    """Put `content` in place of what the file has; the order of its keys stays."""
    write_atomically(path, json.dumps(with_digest(content), indent=1, ensure_ascii=False).encode())


def remember_kept(path: Path, content: dict[str, Any]) -> None:
    """The same for what only saves work: a disk that is full or read only costs that work, and no more."""
    try:
        write_kept(path, content)
    except OSError as error:
        log.debug("not remembered: %s", error)


def read_kept(path: Path, read: Callable[[Any], ReadT]) -> ReadT | None:
    """What `read` makes of the content; None where there is no file, or one that is not whole."""
    try:
        return read(without_digest(json.loads(path.read_bytes())))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (*SHAPES, IsADirectoryError) as error:
        _say(path, type(error).__name__)
        return None


@cache
def _say(path: Path, why: str) -> None:
    log.warning("%s is damaged (%s): it counts for nothing, and the next run makes it again", path, why)
