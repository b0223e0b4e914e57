"""A crawl that is killed anywhere ends like one that was not: the store is copied at every boundary of writing, as a
kill would leave it, and another run goes on from each copy with nothing in memory.
"""

import copy
import hashlib
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from pipeline.cities import City
from pipeline.collect.instagram import live
from pipeline.collect.instagram.client import InstagramClient
from pipeline.collect.instagram.journal import Journal
from pipeline.collect.instagram.journal.disk import Disk
from pipeline.collect.instagram.live import Runtime, open_journal
from pipeline.collect.instagram.media import photos
from pipeline.collect.places import PlacesSettings, build_places
from pipeline.collect.pois import PoisSettings, build_pois
from pipeline.collect.posts import PostsSettings, build_posts
from pipeline.collect.web.retries import Retries
from pipeline.privacy.pseudonyms import PrivateIds
from pipeline.store import Store
from pipeline.store.blobs import Blobs
from pipeline.store.tables import Tables
from tests.fakes.clock import START, FakeClock
from tests.fakes.http_server import Answer, Request, changed
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown

pytestmark = pytest.mark.slow

PAGE_SIZE = 2
NUM_POSTS = 5
NUM_PARTS = 6
PHOTOS = {"carousel": 0.0, "video": 0.0}
EXPIRED = Answer(status=403, body=b"URL signature expired")
WRITES = {
    "answer": [(InstagramClient, "_body")],
    "picture": [(Blobs, "put")],
    "ids": [(PrivateIds, "add")],
    "journal": [(Disk, "transaction"), (Journal, "set_note")],
    "table": [(Tables, "_write"), (Tables, "merge"), (Tables, "replace"), (Tables, "delete")],
    "record": [(Store, "write_stage_record")],
}
"""What changes the disk, and answers, which are lost where they are not written down."""


Page: TypeAlias = tuple[str, str]
"""A place and the cursor of one of its pages, "" for the first."""


@dataclass
class Kill:
    """The store as it was just after something, its content, and what had been asked by then."""

    after: str
    root: Path
    content: str
    num_requests: int


@dataclass
class Copying:
    """Copies a town's store after every write, while nothing else happens."""

    town: LiveTown
    folder: Path
    kills: list[Kill] = field(default_factory=list)

    def note(self, after: str) -> None:
        """Copy it now."""
        root = self.folder / f"{len(self.kills):03d}-{after}"
        shutil.copytree(self.town.store.root, root, ignore=shutil.ignore_patterns("*-shm"))  # it dies with the process
        self.kills.append(Kill(after, root, content_of(root), len(self.town.server.requests)))


def content_of(root: Path) -> str:
    """Changes with any byte of any file."""
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def after_every_write(monkeypatch: pytest.MonkeyPatch, note: Callable[[str], None]) -> None:
    """Call `note` after each of `WRITES`."""
    for kind, places in WRITES.items():
        for owner, name in places:
            make = _noted_context if name == "transaction" else _noted
            monkeypatch.setattr(owner, name, make(getattr(owner, name), kind, note))


def _noted(function: Callable[..., Any], kind: str, note: Callable[[str], None]) -> Callable[..., Any]:
    def wrapper(*args: Any, **options: Any) -> Any:
        result = function(*args, **options)
        note(kind)
        return result

    return wrapper


def _noted_context(function: Callable[..., Any], kind: str, note: Callable[[str], None]) -> Callable[..., Any]:
    @contextmanager
    def wrapper(*args: Any) -> Iterator[None]:
        with function(*args):
            yield
        note(kind)

    return wrapper


def in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pages, groups and batches out of few posts."""
    monkeypatch.setattr(live, "BATCH", 3)
    monkeypatch.setattr(photos, "GROUP", 2)
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # a kill is no power cut


def with_store(town: LiveTown, root: Path, clock: FakeClock) -> LiveTown:
    """The same town over another store, with nothing in memory."""
    other = copy.copy(town)
    other.store, other.clock = Store(root), clock
    return other


def content(town: LiveTown) -> dict[str, Any]:
    """What the tables hold, whatever the hour: the moment when a deferred post is asked for again hangs on it."""
    digests = {name: digest for name, digest in town.digests().items() if name != "deferred"}
    return {**digests, "deferred": town.reasons("deferred")}


def pages(requests: list[Request]) -> Counter[Page]:
    """How often each page of each place was asked for."""
    firsts = [(request.query["location_id"], "") for request in requests if request.path.endswith("/web_info/")]
    behind = [
        (request.path.split("/")[-3], request.form["max_id"])
        for request in requests
        if request.path.endswith("/sections/")
    ]
    return Counter([*firsts, *behind])


@contextmanager
def found_town(folder: Path, num_places: int = 2) -> Iterator[LiveTown]:
    """A place of several pages, whose posts have a video, a lapsed picture and a carousel among them, and one of a
    single page; they were found.
    """
    with FakeInstagram() as instagram, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("MRLF_PSEUDONYM_KEY", "5a" * 32)
        in_small_steps(monkeypatch)
        instagram.world.page_size = PAGE_SIZE
        town = LiveTown(
            Store(folder / "found"),
            folder,
            instagram,
            monkeypatch,
            num_places=1,
            num_posts=NUM_POSTS,
            place=PHOTOS,
            media_connections=1,
        )
        if num_places > 1:
            town.add_place(1, PAGE_SIZE, **PHOTOS)
        first = instagram.world.places["1000"].pks
        instagram.world.change(first[1], is_videos=(True,))
        instagram.world.change(first[3], is_videos=(False, False))
        instagram.fail(f"/media/{first[2]}_", EXPIRED, times=None)
        town.find()
        yield town


@dataclass
class Crawled:
    """A crawl that nobody disturbed, what it asked, and all the kills it could have met."""

    town: LiveTown
    kills: list[Kill]
    expected: dict[str, Any]
    pages: Counter[Page]
    settings: dict[str, Any]

    def different_kills(self, *after: str) -> list[Kill]:
        """Kills after these, by default after anything: one of those that left the same after the same questions."""
        kills = [kill for kill in self.kills if not after or kill.after in after]
        return list({(kill.content, kill.num_requests): kill for kill in kills}.values())

    def goes_on(self, kill: Kill) -> None:
        """Run on from a kill, an hour later: the same tables, and one page at most is asked a second time."""
        requests = self.town.server.requests
        asked, num_before = pages(requests[: kill.num_requests]), len(requests)
        town = with_store(self.town, kill.root, FakeClock(self.town.clock.now() + timedelta(hours=1)))
        looks = first_looks(town, self.town.clock.now())
        town.collect(**self.settings)
        asked += pages(requests[num_before:])
        del requests[num_before:]
        assert content(town) == self.expected, f"killed at {kill.root.name}"
        again = asked - self.pages - looks
        assert again.total() <= 1, f"killed at {kill.root.name}, asked again: {again}"
        shutil.rmtree(kill.root)


def crawl_and_copy(town: LiveTown, folder: Path, **settings: Any) -> Crawled:
    """Crawl to the end with a copy after every write."""
    town.server.requests.clear()
    copying = Copying(town, folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        after_every_write(monkeypatch, copying.note)
        town.collect(**settings)
    return Crawled(town, copying.kills, content(town), pages(town.server.requests), settings)


def first_looks(town: LiveTown, begun: datetime) -> Counter[Page]:
    """The first pages of places that were done in a run: the next one looks whether there is something new."""
    with open_journal(town.store, town.city.key) as journal:
        return Counter((walk.location_id, "") for walk in journal.walks.wanted() if walk.ended >= begun.timestamp())


@pytest.fixture(scope="module")
def first_crawl(tmp_path_factory) -> Iterator[Crawled]:
    """The first crawl over both places."""
    folder = tmp_path_factory.mktemp("first")
    with found_town(folder) as town:
        yield crawl_and_copy(town, folder / "kills")


@pytest.fixture(scope="module", params=[1, 31], ids=["what is new", "all once more"])
def later_crawl(request, tmp_path_factory) -> Iterator[Crawled]:
    """A crawl days later: new posts, posts that are gone, a lapsed picture that came back."""
    folder = tmp_path_factory.mktemp("later")
    with found_town(folder) as town:
        town.collect()
        world = town.server.world
        town.server.faults.clear()
        for location_id in world.places:
            world.remove(world.places[location_id].pks[-1])
        for _ in range(PAGE_SIZE + 1):
            world.add_post("1001")
        clock = FakeClock(START + timedelta(days=request.param))
        yield crawl_and_copy(with_store(town, town.store.root, clock), folder / "kills")


@pytest.mark.fault("I5")
@pytest.mark.fault("S1")
class TestKilledAnywhere:
    """Every place to be killed at, in a page and across pages; shared out to several tests."""

    @pytest.mark.parametrize("part", range(NUM_PARTS))
    def test_a_first_crawl_goes_on_and_ends_as_if_nothing_had_been(self, part, first_crawl):
        for kill in first_crawl.different_kills()[part::NUM_PARTS]:
            first_crawl.goes_on(kill)

    @pytest.mark.parametrize("part", range(NUM_PARTS // 2))
    def test_a_later_crawl_goes_on_and_ends_as_if_nothing_had_been(self, part, later_crawl):
        kills = later_crawl.different_kills("answer", "journal", "table")[::2]  # for time
        for kill in kills[part :: NUM_PARTS // 2]:
            later_crawl.goes_on(kill)

    def test_a_copy_is_there_for_every_post_page_and_batch(self, first_crawl):
        counted = Counter(kill.after for kill in first_crawl.kills)
        assert counted["picture"] == NUM_POSTS + PAGE_SIZE - 2 + 1  # a video, a lapsed one; two of a carousel
        assert counted["ids"] == counted["answer"] - 1 == 3 + 1  # pages; one more question for the lapsed picture
        assert counted["table"] >= 2 * 3  # more than one batch of the tables
        assert counted["record"] == 1

    def test_a_limit_of_posts_holds(self, tmp_path):
        with found_town(tmp_path, num_places=1) as town:
            crawled = crawl_and_copy(town, tmp_path / "kills", max_posts_per_place=PAGE_SIZE)
            for kill in crawled.different_kills("journal"):
                crawled.goes_on(kill)


def collect_alone(root: Path, city: City, file: Path) -> None:
    """All stages in a process of its own, at the machine's clock."""
    store, runtime = Store(root), Runtime(retries=Retries(first_s=0.01, longest_s=0.02))
    build_pois(store, city, PoisSettings(file=file))
    build_places(store, city, PlacesSettings(), runtime)
    build_posts(store, city, PostsSettings(), runtime)


@pytest.mark.fault("I5")
def test_processes_that_are_killed_leave_what_the_next_one_ends(tmp_path):
    with found_town(tmp_path) as town:
        town.collect()
        killed = Store(tmp_path / "killed")
        town.server.fail("^/media/", change=changed(delay_s=0.03), times=None)
        for num_requests in (6, 6):
            town.server.requests.clear()
            process = get_context("spawn").Process(
                target=collect_alone, args=(killed.root, town.city, tmp_path / "pois.json"), daemon=True
            )
            process.start()
            while process.is_alive() and len(town.server.requests) < num_requests:
                time.sleep(0.005)
            process.kill()
            process.join()
            assert process.exitcode == -signal.SIGKILL
        collect_alone(killed.root, town.city, tmp_path / "pois.json")
        assert content(with_store(town, killed.root, FakeClock())) == content(town)
