"""The engine's worker processes: none of them, and nothing of theirs, outlives the stream that they work for.

The engine ends its workers in threads of its own, when it comes to it. A thread that is still in Python when the
interpreter goes aborts the process; a worker that dies before it answers for the first time is waited for without an
end; and what was handed to a worker that dies stays in the machine's memory.
Law: after `ended_workers` no worker of it runs, no thread of the engine is at work with one, no socket and no picture
of it is left; where a worker died, the stream has raised who and why.
Not covered: workers of a cluster, which its own service ends; two streams at once in one process.
"""

import asyncio
import atexit
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker, shared_memory
from typing import Any

from daft.event_loop import get_or_init_event_loop
from daft.execution import udf

from pipeline.errors import StageError
from pipeline.progress import lead_nowhere, open_terminals

WAIT_S, POLL_S = 20.0, 0.01
_made: "list[WorkerHandle]" = []
"""The handles of the stream that runs."""


def quieten_engine() -> None:
    """Leave it to us what is shown and said of the engine's work."""
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")  # one bar is enough: ours counts what is committed
    logging.getLogger("daft_local_execution").setLevel(logging.CRITICAL)  # what it says there, it raises too


@contextmanager
def ended_workers(stream: Generator[Any]) -> Iterator[Iterator[Any]]:
    """The stream, closed at the end, when its workers have ended too; where it raises they leave what they are at."""
    resource_tracker.ensure_running()  # where it starts, a signal that is to be heard by nobody is heard again
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    udf.UdfHandle = WorkerHandle  # type: ignore[assignment,misc]
    _made.clear()
    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(finalizer=lambda generator: None)  # none broken off by Ctrl-C closes itself, loudly
    try:
        with _ended_by_signals():
            yield stream
    except BaseException:
        for handle in _made:
            handle.stop()
        raise
    finally:
        stream.close()
        sys.set_asyncgen_hooks(*before)
        get_or_init_event_loop().run(_idle())  # Ctrl-C leaves it at work
        end = time.monotonic() + WAIT_S
        while not all(handle.is_down for handle in _made) and time.monotonic() < end:
            time.sleep(POLL_S)
        for handle in _made:
            handle.kill()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and a terminal that closes end the work as Ctrl-C does, where they would end the process alone.

    Raises:
        SystemExit: 128 + the signal's number.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    terminals = open_terminals()

    def leave(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one does not wait
        if number == signal.SIGHUP:
            lead_nowhere(terminals)
        raise SystemExit(128 + number)

    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


async def _idle() -> None:
    """Until the loop has nothing else to do."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=WAIT_S)


def release_at_exit() -> None:
    """In a worker: remove at its end the last result, where nobody has taken it since its run was killed."""
    names, write = [""], udf.SharedMemoryTransport.write_and_close

    def remembering(transport: udf.SharedMemoryTransport, data: bytes) -> tuple[str, int]:
        names[0], size = write(transport, data)
        return names[0], size

    udf.SharedMemoryTransport.write_and_close = remembering  # type: ignore[assignment, method-assign]
    atexit.register(lambda: _release(names[0]))


def _release(name: str) -> None:
    """Remove what lies under this name in the machine's memory, if it is still there."""
    if not name:
        return
    with suppress(FileNotFoundError):
        memory = shared_memory.SharedMemory(name=name)
        memory.close()
        memory.unlink()


class _Transport(udf.SharedMemoryTransport):
    """Knows what it put into the machine's memory last, for a worker to take."""

    name = ""

    def write_and_close(self, data: bytes) -> tuple[str, int]:
        self.name, size = super().write_and_close(data)
        return self.name, size

    def release(self) -> None:
        """Remove it where no worker has taken it."""
        _release(self.name)


class WorkerHandle(udf.UdfHandle):
    """A worker process that is ended whatever becomes of it."""

    is_there = is_down = False

    def __init__(self, expression: Any) -> None:
        _made.append(self)
        threading.Thread(target=self._watch_start, daemon=True).start()
        try:
            super().__init__(expression)
        except (EOFError, OSError, RuntimeError) as error:
            self.is_down = True
            if not hasattr(self, "process"):
                raise StageError(f"no worker process can be started ({error}): look at TMPDIR") from None
            raise self._died() from None
        self.is_there = True
        self.listener.close()  # with its file: the one worker is connected
        self.transport = _Transport()

    def _watch_start(self) -> None:
        """Knock in place of a worker that died before it could: the engine would wait for it for ever."""
        while not hasattr(self, "process") or self.process.poll() is None:
            if self.is_there or self.is_down:
                return
            time.sleep(POLL_S)
        with suppress(OSError), socket.socket(socket.AF_UNIX) as knocking:
            knocking.connect(self.socket_path)

    def eval_input(self, batch: Any) -> Any:
        try:
            return super().eval_input(batch)
        except (EOFError, OSError, RuntimeError) as error:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(WAIT_S / 4)
            if self.process.returncode is None or "traceback" in str(error):  # the worker has told what is wrong
                raise
            raise self._died() from None

    def stop(self) -> None:
        """Let the worker leave what it is at."""
        if hasattr(self, "process"):
            self.process.terminate()

    def kill(self) -> None:
        """End a worker that the engine has not ended."""
        if not self.is_down and hasattr(self, "process"):
            self.process.kill()

    def teardown(self, timeout: float = WAIT_S / 2) -> None:
        try:
            super().teardown(timeout)
        except (EOFError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        finally:
            if isinstance(self.transport, _Transport):
                self.transport.release()
            self.is_down = True

    def _died(self) -> StageError:
        status = self.process.poll() or 0
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else "ended"
        return StageError(
            f"a worker process {how}, as happens when the machine has no memory left: what is done is kept, and "
            "another run goes on; if it happens again, lower num_workers or batch_size of the stage"
        )
