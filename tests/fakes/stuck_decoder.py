"""What a decoder may be made to do by a picture, for what no real one does any more."""

import os
import signal
import time

import numpy as np

from pipeline.picture_bytes import Picture, UnreadablePicture


def work(data: bytes, _: int) -> Picture:
    """What the bytes say."""
    what = data.partition(b"-")[0]
    if what == b"sleep":
        time.sleep(60)
    while what == b"busy":
        sum(range(100_000))
    if what == b"memory":
        np.ones(2**33, dtype=np.uint8)
    if what == b"die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == b"lie":
        return np.zeros((3, 5), dtype=np.uint8)
    if what == b"cut":
        raise UnreadablePicture("truncated")
    return np.full((4, 6, 3), 7, dtype=np.uint8)
