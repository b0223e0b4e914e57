"""A user who may do what the rights of files say: root may not either, while a test runs."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

VERSION_3 = 0x20080522
OVERRIDE = 0b1110
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER."""


@contextmanager
def plain_user() -> Iterator[None]:
    """Without root's right to pass over rights, in this thread."""
    if os.geteuid():
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, before, without = ((ctypes.c_uint32 * size)() for size in (2, 6, 6))
    header[0] = VERSION_3
    assert libc.capget(header, before) == 0
    without[:] = before
    without[0] &= ~OVERRIDE & 0xFFFFFFFF
    assert libc.capset(header, without) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0
