"""The streams of a command: what becomes of its words where nobody reads them or the terminal lacks their letters.

Law: what a caller closed is open and leads nowhere, so that no file of ours gets the number of an output; a reader
that went away (`mrlf status demo | head`) ends a command quietly, with the status that a shell gives for that.
"""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal, TextIO

READER_GONE = 141
"""The exit status of a process that SIGPIPE ended: 128 + 13."""


@contextmanager
def streams_of_a_command() -> Iterator[None]:
    """Open what is closed before a command; after it write out what it said.

    Raises:
        SystemExit: READER_GONE where the reader went away, 1 where what was said could not be written.
    """
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # of a test or a notebook
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        yield
    finally:
        _write_out()


def is_reader_gone() -> bool:
    """Whether an output is a pipe that nobody reads any more."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)  # an error is told without being asked for
    return any(event & select.POLLERR for _, event in poll.poll(0))


def lead_nowhere() -> None:
    """Let standard output lead nowhere, for what is still to be written into it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _open_closed() -> None:
    """The lowest number that is free is taken first: open until one is no stream's."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or _stream(0, "r")
    sys.stdout = sys.stdout or _stream(1, "w")
    sys.stderr = sys.stderr or _stream(2, "w")


def _stream(descriptor: int, mode: Literal["r", "w"]) -> TextIO:
    return open(descriptor, mode, encoding="utf-8", closefd=False)


def _write_out() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        lead_nowhere()
        raise SystemExit(READER_GONE) from None
    except OSError as error:
        lead_nowhere()
        print(f"mrlf: the output could not be written: {error.strerror}", file=sys.stderr)
        raise SystemExit(1) from None
