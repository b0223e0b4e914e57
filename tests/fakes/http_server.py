"""A web server in a thread that answers what a world says, except where a fault is scripted.

Real HTTP over a real socket of 127.0.0.1: keep-alive, chunks, cut bodies, resets, delays, redirects.
"""

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

Ending = Literal["whole", "cut", "cut_chunks", "cut_without_length", "reset", "endless"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as the server saw it: `query` and `form` hold the last value of each name."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer and how it ends.

    ending: `cut` sends half of the stated length; `cut_chunks` half of the chunks and no end; `cut_without_length`
        half a body with neither length nor chunks; `reset` resets the connection before a byte; `endless` never stops.
    delay_s: before the first byte. drip_s: between single bytes.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    ending: Ending = "whole"
    delay_s: float = 0.0
    drip_s: float = 0.0

    @classmethod
    def json(cls, value: object, status: int = 200, **changes: Any) -> "Answer":
        """A JSON body."""
        headers = {"Content-Type": "application/json; charset=utf-8", **changes.pop("headers", {})}
        return cls(status=status, body=json.dumps(value).encode(), headers=headers, **changes)

    @classmethod
    def html(cls, text: str, status: int = 200, **changes: Any) -> "Answer":
        """A web page."""
        return cls(status=status, body=text.encode(), headers={"Content-Type": "text/html; charset=utf-8"}, **changes)

    @classmethod
    def redirect(cls, to: str, status: int = 302) -> "Answer":
        """Sends the client elsewhere."""
        return cls(status=status, headers={"Location": to})


@dataclass(kw_only=True)
class Fault:
    """Answers in place of the world: after letting `skip` matching requests through, the next `times` ones.

    path: a regular expression searched in path and query. change: made of the world's own answer, if not `answer`.
    times: None for ever. every: of the matching requests only each n-th.
    """

    path: str = ""
    answer: Answer | None = None
    change: Callable[[Answer], Answer] | None = None
    skip: int = 0
    times: int | None = 1
    every: int = 1
    num_matched: int = 0
    num_used: int = 0

    def takes(self, target: str) -> bool:
        """Whether this request gets the fault; counts it."""
        if not re.search(self.path, target) or (self.times is not None and self.num_used >= self.times):
            return False
        self.num_matched += 1
        if self.num_matched <= self.skip or (self.num_matched - self.skip) % self.every:
            return False
        self.num_used += 1
        return True

    def of(self, answer: Callable[[], Answer]) -> Answer:
        """The faulty answer."""
        if self.answer is not None:
            return self.answer
        assert self.change is not None, "a fault has an answer or a change"
        return self.change(answer())


class FakeServer:
    """Serves `answer(request)` on a free port of 127.0.0.1 while it is open; `requests` are all it saw."""

    def __init__(self, answer: Callable[[Request], Answer], port: int = 0) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """The base address, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fail(self, path: str = "", answer: Answer | None = None, **changes: Any) -> Fault:
        """Script a fault; faults are asked in the order they were scripted."""
        fault = Fault(path=path, answer=answer, **changes)
        self.faults.append(fault)
        return fault

    def count(self, path: str = "") -> int:
        """How many requests with this in their path were seen."""
        return len(self.seen(path))

    def seen(self, path: str = "") -> list[Request]:
        """The requests whose path holds this regular expression."""
        with self._lock:
            return [request for request in self.requests if re.search(path, request.path)]

    def respond(self, request: Request, target: str) -> Answer:
        """What this request gets."""
        with self._lock:
            self.requests.append(request)
            fault = next((fault for fault in self.faults if fault.takes(target)), None)
        return fault.of(lambda: self._answer(request)) if fault else self._answer(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], fake: FakeServer) -> None:
        self.fake = fake
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of a test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    fields: dict[str, str]

    def parse_request(self) -> bool:
        """The request line and its headers, read with little work where they are as clients send them."""
        line = self.raw_requestline.decode("iso-8859-1").rstrip("\r\n")
        if not re.fullmatch(r"[A-Z]+ \S+ HTTP/1\.1", line):
            return super().parse_request()
        self.requestline = line
        self.command, self.path, self.request_version = line.split(" ")
        lines = iter(lambda: self.rfile.readline().decode("iso-8859-1").rstrip("\r\n"), "")
        self.fields = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.close_connection = self.fields.get("Connection", "").lower() == "close"
        return True

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, *_: Any) -> None:
        """Silence."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.fields.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            form=dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)),
            headers=self.fields,
            body=body,
        )
        answer = self.server.fake.respond(request, self.path)
        time.sleep(answer.delay_s)
        if answer.ending == "reset":
            self._reset()
        else:
            self._send(answer)

    def _reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.ending == "cut_chunks":
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.ending in ("cut_without_length", "endless"):
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        for piece in _pieces(answer):
            self.wfile.write(piece)
            if answer.drip_s:
                self.wfile.flush()
                time.sleep(answer.drip_s)
        self.close_connection = self.close_connection or answer.ending != "whole"


def _pieces(answer: Answer) -> Iterator[bytes]:
    half = answer.body[: len(answer.body) // 2]
    match answer.ending:
        case "endless":
            while True:
                yield answer.body or b"\0" * 65536
        case "cut_chunks":
            yield b"%x\r\n%s\r\n" % (len(half), half)
        case "whole" if not answer.drip_s:
            yield answer.body
        case "whole":
            yield from (answer.body[n : n + 1] for n in range(len(answer.body)))
        case _:
            yield half


def changed(**fields: Any) -> Callable[[Answer], Answer]:
    """A change of the world's answer: other status, headers, ending, delay."""
    return lambda answer: replace(answer, **fields)
