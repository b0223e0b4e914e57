"""A server of large files: ranges, `If-Range`, strong tags; what else can go wrong is scripted as everywhere."""

import hashlib
import re
from dataclasses import dataclass

from tests.fakes.http_server import Answer, FakeServer, Request


@dataclass(kw_only=True)
class Served:
    """A file and how it is served; without a tag no download can go on."""

    body: bytes
    has_ranges: bool = True
    has_tag: bool = True
    states_length: bool = True
    tag: str = ""

    def __post_init__(self) -> None:
        """A strong tag: it changes with the bytes."""
        self.tag = f'"{hashlib.sha256(self.body).hexdigest()[:16]}"'


class WeightsServer(FakeServer):
    """Serves `files` by their path; everything else is 404."""

    def __init__(self, **files: bytes) -> None:
        super().__init__(self._answer_file)
        self.files = {f"/{name}": Served(body=body) for name, body in files.items()}

    def put(self, path: str, body: bytes, **fields: bool) -> str:
        """Serve a file; its address."""
        self.files[path] = Served(body=body, **fields)
        return f"{self.url}{path}"

    def ranges(self, path: str = "") -> list[str | None]:
        """What each request for this path asked for: None for the whole file."""
        return [request.headers.get("Range") for request in self.seen(path)]

    def _answer_file(self, request: Request) -> Answer:
        served = self.files.get(request.path)
        if served is None:
            return Answer.html("<html><title>Not found</title></html>", status=404)
        headers = {"Content-Type": "application/octet-stream"}
        if served.has_tag:
            headers["ETag"] = served.tag
        offset = _offset(request, served)
        ending = "whole" if served.states_length else "cut_without_length"
        if offset is None:
            body = served.body if served.states_length else served.body * 2  # that ending sends half of it
            return Answer(body=body, headers=headers, ending=ending)
        if offset >= len(served.body):
            return Answer(status=416)
        headers["Content-Range"] = f"bytes {offset}-{len(served.body) - 1}/{len(served.body)}"
        return Answer(status=206, body=served.body[offset:], headers=headers)


def _offset(request: Request, served: Served) -> int | None:
    wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    is_same = request.headers.get("If-Range", served.tag) == served.tag
    return int(wanted[1]) if wanted and is_same and served.has_ranges else None
