"""The server process: one process on one address, until Ctrl-C, SIGTERM or SIGHUP; requests under way may finish.

Its log goes through Python's logging: the line of `pipeline.serve.middleware` for each request, and errors without
their messages and the values of their tracebacks (fault N5): an error's text may hold what was asked.
HTTP is spoken by uvicorn's h11 protocol, which bounds the size of a request's head. It would wait for the head without
end: whoever connects and does not finish it is cut off here. The time for a body is `pipeline.serve.body`'s matter.
"""

import asyncio
import logging
import os
import signal
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.serve.limits import Limits

FINISH_WITHIN_S = 5
END_WITHIN_S = 9.0
"""from the signal to the end of the process, whatever its threads are at"""
LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")
LOGGERS = ("uvicorn.error", "asyncio", "concurrent.futures")


class FaultsWithoutWords(logging.Filter):
    """Of an exception a record keeps its type and where it was raised."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and keep it."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)
            where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "nowhere"
            record.msg, record.args = "%s at %s", (type(error).__name__, where)
            record.exc_info = record.exc_text = None
        return True


class EndingServer(uvicorn.Server):
    """A server that ends: soon after the first signal the process is over, also where a library does not return."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take a terminal that closes as SIGTERM, unless it is to be ignored (nohup)."""
        before = signal.getsignal(signal.SIGHUP)
        is_heard = threading.current_thread() is threading.main_thread() and before is not signal.SIG_IGN
        with super().capture_signals():  # which raises afterwards what was captured
            if is_heard:
                signal.signal(signal.SIGHUP, self.handle_exit)
            try:
                yield
            finally:
                if is_heard:
                    signal.signal(signal.SIGHUP, before)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        if not self.should_exit:
            last = threading.Timer(END_WITHIN_S, os._exit, (128 + sig,))
            last.daemon = True
            last.start()
        super().handle_exit(sig, frame)


class ImpatientProtocol(H11Protocol):
    """Looks at the connection now and then: one that is between requests, or closing, two times over is ended."""

    pause_s: float = Limits.pause_timeout_s

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._look(None)

    def _look(self, last: tuple[object, ...] | None) -> None:
        now = self._state()
        if now is not None and now == last:
            if self.transport.is_closing():
                self.transport.abort()  # nobody takes what is left to send
                return
            self.timeout_keep_alive_handler()
        self._timer = self.loop.call_later(self.pause_s, self._look, now)

    def _state(self) -> tuple[object, ...] | None:
        """Equal at two looks: nothing came of it meanwhile. None: a request is being answered."""
        if self.transport.is_closing():
            return ("closing",)
        is_between = self.cycle is None or self.cycle.response_complete
        return (self.cycle,) if is_between else None

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no longer."""
        self._timer.cancel()
        super().connection_lost(exc)


def listen(host: str, port: int) -> socket.socket:
    """A socket on this address; port 0 takes a free one.

    Raises:
        ValueError: it cannot be had.
    """
    if not host:  # of a script whose variable is empty: the system would take it for every address
        raise ValueError("--host is empty: name an address, or leave it out for this machine alone")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ValueError(
            f"{host}:{port} cannot be listened on ({error.strerror}): name another --port or --host"
        ) from error


def make_server(app: FastAPI, limits: Limits) -> uvicorn.Server:
    """A server to `run` on sockets of `listen`; uvicorn's own access log, which holds queries, is off."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, FaultsWithoutWords) for known in logger.filters):
            logger.addFilter(FaultsWithoutWords())
    protocol = type("Protocol", (ImpatientProtocol,), {"pause_s": limits.pause_timeout_s})
    return EndingServer(
        uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=limits.max_connections,
            timeout_keep_alive=int(limits.pause_timeout_s) or 1,
            timeout_graceful_shutdown=FINISH_WITHIN_S,
        )
    )
