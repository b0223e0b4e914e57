"""Signal handlers of a fresh process: an earlier test may have left a signal ignored, and children inherit that."""

import signal

import pytest


@pytest.fixture(autouse=True)
def fresh_signals():
    """SIGTERM ends a process and SIGINT raises KeyboardInterrupt; afterwards both are as before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
