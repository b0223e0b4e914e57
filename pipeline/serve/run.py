"""The server's life: one process on one address, until Ctrl-C or SIGTERM; what is in work is finished first.

Its log goes through Python's logging: what `pipeline.serve.envelope` tells of each request, and faults without their
messages and tracebacks' values (fault N5): an error's text may hold what was asked.
"""

import logging
import socket
import traceback

import uvicorn
from fastapi import FastAPI

from pipeline.serve.limits import Limits
from pipeline.serve.protocol import ImpatientProtocol

FINISH_WITHIN_S = 10
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


def listen(host: str, port: int) -> socket.socket:
    """A socket on this address; port 0 takes a free one.

    Raises:
        ValueError: it cannot be had.
    """
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
    return uvicorn.Server(
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
