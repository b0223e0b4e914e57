"""A town that is collected live from the fake Instagram, through the real stages, at a clock that a test moves."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cities import City
from pipeline.collect.instagram.live import Runtime
from pipeline.collect.instagram.terms import PRIVACY_VERSION
from pipeline.collect.places import PlacesSettings, build_places
from pipeline.collect.pois import PoisSettings, build_pois
from pipeline.collect.posts import PostsSettings, build_posts
from pipeline.collect.waiting import Waiting, what_waits
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.retries import Retries
from pipeline.privacy.pseudonyms import load_pseudonyms
from pipeline.stage import StageReport
from pipeline.store import Store
from tests.fakes.clock import FakeClock
from tests.fakes.instagram_server import FakeInstagram

LIVE = {
    "purpose": "tests of this pipeline",
    "legal_basis": "synthetic data",
    "contact": "nobody@example.org",
    "reads_per_minute": 1_000_000,
    "reads_per_hour": 1_000_000,
}
CENTRE = (12.0, -30.0)
VOLATILE = ("retrieved_utc",)


def write_cookies(path: Path, cookies: dict[str, str]) -> Path:
    """A cookie file as a browser's extension exports it."""
    path.write_text(json.dumps([{"name": k, "value": v, "domain": ".instagram.com"} for k, v in cookies.items()]))
    path.chmod(0o600)
    return path


def environment(server: FakeInstagram, cookies: Path | None) -> dict[str, str]:
    """The variables that lead a collector to the fake."""
    always = {"MRLF_INSTAGRAM_URL": server.url, "I_HAVE_READ_PRIVACY_MD": PRIVACY_VERSION}
    return always | ({"MRLF_INSTAGRAM_COOKIES": str(cookies)} if cookies else {})


class LiveTown:
    """A town of `num_places` places with `num_posts` posts each; changes of `live` replace its settings."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        server: FakeInstagram,
        monkeypatch: pytest.MonkeyPatch,
        *,
        num_places: int = 2,
        num_posts: int = 20,
        is_signed_in: bool = True,
        clock: Clock | None = None,
        place: dict[str, Any] | None = None,
        city_key: str = "town",
        **live: Any,
    ) -> None:
        self.store, self.folder, self.server = store, folder, server
        self.clock = clock or FakeClock()
        folder.mkdir(parents=True, exist_ok=True)
        self.city = City(
            key=city_key, name="Town", latitude=CENTRE[0], longitude=CENTRE[1], radius_km=50, live={**LIVE, **live}
        )
        self.pois = []
        for number in range(num_places):
            self.add_place(number, num_posts, **(place or {}))
        cookies = write_cookies(folder / "cookies.json", server.world.cookies()) if is_signed_in else None
        for name in ("MRLF_INSTAGRAM_COOKIES", "MRLF_INSTAGRAM_URL", "I_HAVE_READ_PRIVACY_MD"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment(server, cookies).items():
            monkeypatch.setenv(name, value)

    @staticmethod
    def settings() -> dict[str, Any]:
        """The section `live:` of a town."""
        return dict(LIVE)

    def add_place(self, number: int, num_posts: int, **changes: Any) -> str:
        """A POI with its location and posts; the location's id."""
        name, latitude = f"{NAMES[number % len(NAMES)]} {number}", CENTRE[0] + 0.01 * number
        location_id = str(1000 + number)
        if location_id not in self.server.world.places:
            self.server.world.add_location(location_id, name, latitude, CENTRE[1], num_posts=num_posts, **changes)
        self.pois.append({"poi_id": f"p{number}", "name": name, "latitude": latitude, "longitude": CENTRE[1]})
        return location_id

    @property
    def runtime(self) -> Runtime:
        return Runtime(clock=self.clock, retries=Retries(first_s=0.01, longest_s=0.02))

    def find(self, **settings: Any) -> StageReport:
        """The stages pois and places."""
        path = self.folder / "pois.json"
        path.write_text(json.dumps(self.pois))
        build_pois(self.store, self.city, PoisSettings(file=path))
        return build_places(self.store, self.city, PlacesSettings(**settings), self.runtime)

    def collect(self, **settings: Any) -> StageReport:
        """The stage posts, found places taken for granted."""
        return build_posts(self.store, self.city, PostsSettings(**settings), self.runtime)

    def build(self, **settings: Any) -> StageReport:
        """All stages up to posts."""
        self.find(**{name: value for name, value in settings.items() if name == "archive"})
        return self.collect(**settings)

    def key(self, pk: int) -> str:
        return load_pseudonyms(self.store, self.city).post_key(str(pk))

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self.store.tables.read(self.city.key, table).to_pylist()

    def posts(self) -> dict[str, dict[str, Any]]:
        return {row["post_key"]: row for row in self.rows("posts")}

    def reasons(self, table: str = "drops") -> dict[str, str]:
        return {row["post_key"]: row["reason"] for row in self.rows(table)}

    def all_keys(self) -> set[str]:
        """The posts of the world, whatever became of them."""
        world = self.server.world
        return {self.key(pk) for place in world.places.values() for pk in world.shown(place.location_id)}

    def seen_keys(self) -> set[str]:
        """The posts of the tables and the ledger, each once and with all its pictures."""
        rows = self.rows("posts")
        keys = [row["post_key"] for row in rows]
        assert len(keys) == len(set(keys)), "a post stands twice in posts"
        assert not set(keys) & set(self.reasons()), "a dropped post stands in posts"
        shown = {digest for row in rows for digest in row["image_digests"]}
        assert shown <= {row["digest"] for row in self.rows("images")}, "a picture stands in posts and not in images"
        assert all(self.store.blobs.path("original", digest).is_file() for digest in shown)
        return {*keys, *self.reasons()}

    def kept_keys(self) -> set[str]:
        """The posts that are there with their pictures."""
        return {key for key, row in self.posts().items() if row["state"] == "active" and row["image_digests"]}

    def is_whole(self) -> bool:
        """Whether everything is there and nothing is deferred."""
        return self.seen_keys() == self.all_keys() and not self.reasons("deferred")

    def assert_complete(self, report: StageReport) -> None:
        """Every post of the world is kept, and nothing waits."""
        assert self.kept_keys() == self.all_keys()
        assert (self.reasons(), self.reasons("deferred")) == ({}, {})
        assert self.waiting().is_nothing and report.record.notes == []

    def waiting(self) -> Waiting:
        """What waits for another run."""
        return what_waits(self.store, self.city, self.clock.now())

    def digests(self) -> dict[str, str]:
        """The content of every table that collecting writes."""
        tables = ("places", "posts", "images", "drops", "deferred")
        return {name: self.store.tables.digest(self.city.key, name) for name in tables}

    def api_requests(self) -> int:
        """Requests that are not for a picture."""
        return sum(not request.path.startswith("/media/") for request in self.server.requests)


NAMES = ("Lighthouse", "Harbour Museum", "Fish Market", "Botanic Garden", "Old Theatre", "Castle", "Observatory")
