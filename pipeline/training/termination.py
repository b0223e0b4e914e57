"""Graceful termination: SIGTERM, Ctrl-C and a terminal that closes set a flag that training checks between two steps.

Law: the signal is lost nowhere. Whoever handled it before (Python's Ctrl-C, Dagster's "terminate") is called once the
work has put its state away; where nobody did, IncompleteError is raised. A second signal ends the process at once.
Signals reach the main thread only: elsewhere, and where they are ignored (nohup), nothing is changed.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pipeline.errors import IncompleteError
from pipeline.progress import lead_nowhere, open_terminals

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""SIGQUIT (Ctrl-\\) is not among them: it ends what no longer listens, at once."""


@contextmanager
def asked_to_end(what: str) -> Iterator[Callable[[], bool]]:
    """Gives a question: was this process asked to end? `what` names the work in the message.

    Raises:
        IncompleteError: afterwards, it was, and nobody else handles the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []
    terminals = open_terminals()
    before: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}

    def receive(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGHUP:
            lead_nowhere(terminals)
        if len(received) > 1:
            _restore(before)
            signal.raise_signal(number)

    for number, handler in before.items():
        if handler not in (signal.SIG_IGN, None):
            signal.signal(number, receive)
    try:
        yield lambda: bool(received)
    finally:
        _restore(before)
        if received and callable(before[received[0]]):
            before[received[0]](received[0], None)
    if received:
        raise IncompleteError(f"{what} was asked to end", reason="terminated")


def _restore(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None:
            signal.signal(number, handler)
