"""Pictures are decoded in processes of their own, so that whatever a picture does to its decoder has an end.

A thread cannot be ended while a library is at work in it. A process can: it is killed when an answer's time is over or
the server ends, and the system ends it where one picture takes more time of a core or more memory than pictures need.
Law: what comes back from such a process is bytes and checked, since its picture may have taken it over.
"""

import importlib
import multiprocessing
import os
import queue
import resource
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection

import numpy as np

from pipeline.own_process import command, environment
from pipeline.picture_bytes import LIMITS, Decode, Picture, UnreadablePicture, decode_picture

UNDECODABLE = "undecodable"
MAX_MEMORY_BYTES = 3 * 2**30
"""of one process; the largest picture within the limits of pixels, transparent, took 1.0 GiB, a profile adds 0.4"""
_SIDES = struct.Struct(">II")
_DONE = b"\0"


class Decoders:
    """So many processes that decode, each started when it is needed; `decode` may be called from many threads.

    cpu_s: so long may a core be at one picture. work: what a process does with a picture; it must be importable there.
    """

    def __init__(self, number: int, cpu_s: float, work: Decode = decode_picture) -> None:
        self._all = [_Decoder(cpu_s, work) for _ in range(number)]
        self._free: queue.SimpleQueue[_Decoder] = queue.SimpleQueue()
        for decoder in self._all:
            self._free.put(decoder)

    @property
    def num_busy(self) -> int:
        """How many of them are at a picture."""
        return len(self._all) - self._free.qsize()

    def decode(self, data: bytes, min_side_px: int, until: float) -> Picture:
        """As `decode_picture` does it, by a time of `time.monotonic`.

        Raises:
            UnreadablePicture: a reason of `decode_picture`, or `undecodable`: it took too much time or memory, or the
                process was lost over it.
            TimeoutError: the time is over.
        """
        try:
            decoder = self._free.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise TimeoutError from None
        try:
            return decoder.decode(data, min_side_px, until)
        finally:
            self._free.put(decoder)

    def stop(self) -> None:
        """End all of them, whatever they are at; who waits for one hears that its picture is `undecodable`."""
        for decoder in self._all:
            decoder.stop()


class _Decoder:
    """One process, made anew after it was lost."""

    def __init__(self, cpu_s: float, work: Decode) -> None:
        self._words = [str(cpu_s), work.__module__, work.__name__]
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def decode(self, data: bytes, min_side_px: int, until: float) -> Picture:
        try:
            connection = self._ready()
            connection.send_bytes(_SIDES.pack(min_side_px, 0) + data)
            if not connection.poll(max(0.0, until - time.monotonic())):
                raise TimeoutError
            reply = connection.recv_bytes(1 + _SIDES.size + 3 * LIMITS.max_pixels)
            if reply.startswith(_DONE):
                return _pixels(reply)
            reason = reply.decode("ascii")
        except TimeoutError:
            self._lose()
            raise
        except (OSError, EOFError, ValueError, struct.error):
            self._lose()
            raise UnreadablePicture(UNDECODABLE) from None
        raise UnreadablePicture(reason)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _lose(self) -> None:
        if self._process is not None and self._connection is not None:
            self._connection.close()
            self._process.kill()
            self._process.wait()
        self._process = self._connection = None

    def _ready(self) -> Connection:
        if self._connection is not None and self._process is not None and self._process.poll() is None:
            return self._connection
        self._lose()
        self._connection, theirs = multiprocessing.Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 (our own program)
                command(__name__, str(theirs.fileno()), *self._words), pass_fds=[theirs.fileno()], env=environment()
            )
        return self._connection


def _pixels(reply: bytes) -> Picture:
    height, width = _SIDES.unpack_from(reply, 1)
    return np.frombuffer(reply, np.uint8, offset=1 + _SIDES.size).reshape(height, width, 3)


def main(file_number: str, cpu_s: str, module: str, function: str) -> None:
    """The process: pictures in, pixels or reasons out, until nobody asks any more."""
    for number in (signal.SIGINT, signal.SIGHUP):  # what a terminal sends reaches it, too; it ends with the server
        signal.signal(number, signal.SIG_IGN)
    work: Decode = getattr(importlib.import_module(module), function)
    connection = Connection(int(file_number))
    with suppress(OSError, ValueError):  # the system allows less
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    with suppress(EOFError, OSError):
        while True:
            request = connection.recv_bytes()
            signal.setitimer(signal.ITIMER_PROF, float(cpu_s))  # SIGPROF ends the process, also within a library
            reply = _reply(request, work)
            signal.setitimer(signal.ITIMER_PROF, 0)
            connection.send_bytes(reply)


def _reply(request: bytes, work: Decode) -> bytes:
    min_side_px, _ = _SIDES.unpack_from(request)
    try:
        picture = work(request[_SIDES.size :], min_side_px)
    except UnreadablePicture as unreadable:
        return unreadable.reason.encode("ascii")
    except MemoryError:
        os._exit(1)
    height, width = picture.shape[:2]
    return _DONE + _SIDES.pack(height, width) + picture.tobytes()


if __name__ == "__main__":
    main(*sys.argv[1:])
