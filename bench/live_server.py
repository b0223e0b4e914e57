"""The fake Instagram in a process of its own, for benchmarks: server and client share no interpreter lock.

`LiveServer` stands in for `FakeInstagram` where a `LiveTown` is built: its `world` makes the same calls over a pipe.
"""

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import pytest

from pipeline.store import Store
from tests.fakes.http_server import Answer, Fault
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown

PHOTOS_ONLY = {"carousel": 0.0, "video": 0.0}
MEDIA_PATH = "/media/"
RADIUS_KM = 1_000.0


@dataclass
class RemoteWorld:
    """The world inside the other process."""

    server: "LiveServer"

    @property
    def places(self) -> set[str]:
        """The ids of its places."""
        return set(self.server.ask(_places))

    def add_location(self, *args: Any, **changes: Any) -> None:
        """As `World.add_location`."""
        self.server.ask(_add_location, args, changes)

    def cookies(self) -> dict[str, str]:
        """As `World.cookies`."""
        return self.server.ask(_cookies)


class LiveServer:
    """Runs until it is closed; `ask` calls a function of this module, or another importable one, inside it."""

    def __init__(self, page_size: int = 24) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, page_size), daemon=True)
        self.world = RemoteWorld(self)

    def __enter__(self) -> Self:
        self._process.start()
        self.url: str = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(None)
        self._process.join()

    def ask(self, function: Callable[..., Any], *args: Any) -> Any:
        """What `function(server, *args)` returns there; the server goes on serving meanwhile."""
        self._pipe.send((function, args))
        return self._pipe.recv()

    def add_posts(self, location_id: str, num_posts: int) -> None:
        """Put new posts on top of a place."""
        self.ask(_add_posts, location_id, num_posts)

    def seen(self) -> "Seen":
        """What was asked since the last `forget`."""
        return self.ask(_seen)

    def num_requests(self) -> int:
        """How many requests there were since the last `forget`."""
        return int(self.ask(_num_requests))

    def forget(self) -> None:
        """Count anew."""
        self.ask(_forget)

    def pks(self) -> list[int]:
        """The ids of all posts, one for each."""
        return list(self.ask(_pks))

    def trouble(self, **fields: Any) -> None:
        """Script a `Trouble`."""
        self.ask(_trouble, fields)

    def num_failed(self) -> Counter[str]:
        """Answers that the troubles spoiled, by path."""
        return Counter(self.ask(_num_failed))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Requests by kind. pages: how often each page of each place was asked for, by its place and cursor."""

    num_pictures: int
    num_others: int
    pages: Counter[tuple[str, str]]

    @property
    def num_pages_again(self) -> int:
        """Requests for a page beyond the first for it."""
        return self.pages.total() - len(self.pages)


SPOILED = (
    {"status": 500, "body": b"oops"},
    {"status": 503, "body": b""},
    {"ending": "reset"},
    {"ending": "cut"},
    {"ending": "cut_chunks"},
)


@dataclass(kw_only=True)
class Trouble(Fault):
    """One answer of `every` fails, each in the next way; of `12 * every` requests half of the failures come at once.

    Failures that stand alone are mended by a second try; those in a row make a client leave the thing for later.
    """

    times: int | None = None
    every: int = 20
    num_in_a_row: int = 6
    ways: list[dict[str, Any]] = field(default_factory=lambda: list(SPOILED))

    def takes(self, target: str) -> bool:
        """Whether this request fails."""
        if not re.search(self.path, target):
            return False
        self.num_matched += 1
        number = self.num_matched % (2 * self.num_in_a_row * self.every)
        is_one = number >= self.num_in_a_row and number % (2 * self.every) == self.every
        is_one = is_one or number < self.num_in_a_row
        self.num_used += is_one
        return is_one

    def of(self, answer: Callable[[], Answer]) -> Answer:
        """The world's answer, spoiled."""
        return replace(answer(), **self.ways[self.num_used % len(self.ways)])


@contextmanager
def bench_town(server: LiveServer, **changes: Any) -> Iterator[LiveTown]:
    """A town of the server's world with a store in a new folder; `changes` as of `LiveTown`."""
    with tempfile.TemporaryDirectory(prefix="mrlf-bench-") as name, pytest.MonkeyPatch.context() as monkeypatch:
        folder = Path(name)
        monkeypatch.setenv("MRLF_PSEUDONYM_KEY", "5a" * 32)
        town = LiveTown(Store(folder / "data"), folder, server, monkeypatch, **changes)  # type: ignore[arg-type]
        town.city = town.city.model_copy(update={"radius_km": RADIUS_KM})
        yield town


def empty_town(town: LiveTown) -> None:
    """Take the town's store away and put a new one in its place."""
    shutil.rmtree(town.store.root)
    town.store = Store(town.store.root)


def _serve(pipe: Connection, page_size: int) -> None:
    with FakeInstagram() as server:
        server.world.page_size = page_size
        pipe.send(server.url)
        while (asked := pipe.recv()) is not None:
            function, args = asked
            pipe.send(function(server, *args))


def _add_location(server: FakeInstagram, args: tuple[Any, ...], changes: dict[str, Any]) -> None:
    server.world.add_location(*args, **changes)


def _places(server: FakeInstagram) -> list[str]:
    return list(server.world.places)


def _cookies(server: FakeInstagram) -> dict[str, str]:
    return server.world.cookies()


def _add_posts(server: FakeInstagram, location_id: str, num_posts: int) -> None:
    for _ in range(num_posts):
        server.world.add_post(location_id)


def _seen(server: FakeInstagram) -> Seen:
    requests = server.seen()
    num_pictures = sum(request.path.startswith(MEDIA_PATH) for request in requests)
    pages: Counter[tuple[str, str]] = Counter()
    for request in requests:
        if request.path.endswith("/web_info/"):
            pages[request.query["location_id"], ""] += 1
        elif request.path.endswith("/sections/"):
            pages[request.path.split("/")[-3], request.form.get("max_id", "")] += 1
    return Seen(num_pictures=num_pictures, num_others=len(requests) - num_pictures, pages=pages)


def _num_requests(server: FakeInstagram) -> int:
    return len(server.requests)


def _forget(server: FakeInstagram) -> None:
    server.requests.clear()


def _pks(server: FakeInstagram) -> list[int]:
    return [pk for place in server.world.places.values() for pk in place.pks]


def _trouble(server: FakeInstagram, fields: dict[str, Any]) -> None:
    server.faults.append(Trouble(**fields))


def _num_failed(server: FakeInstagram) -> dict[str, int]:
    return {fault.path: fault.num_used for fault in server.faults}
