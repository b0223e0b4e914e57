"""Towns to collect live: two places whose posts a fake Instagram shows, found or collected before a test begins."""

import os

import pytest

from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown
from tests.fakes.ready_towns import ReadyTowns

PHOTOS = {"carousel": 0.0, "video": 0.0}


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch):
    """No test cuts the power, so nothing waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """The fake is reached directly: nobody looks through the environment for proxies at every request."""
    monkeypatch.setattr("requests.sessions.get_environ_proxies", lambda url, no_proxy=None: {})


@pytest.fixture
def instagram():
    """A fake Instagram whose pages hold 4 posts."""
    with FakeInstagram() as server:
        server.world.page_size = 4
        yield server


@pytest.fixture(scope="session")
def ready_towns(tmp_path_factory) -> ReadyTowns:
    """What towns were built to already."""
    return ReadyTowns(tmp_path_factory.mktemp("ready"))


@pytest.fixture
def town(store, tmp_path, instagram, monkeypatch, ready_towns) -> LiveTown:
    """Two places of 10 photos each, which were found."""
    return ready_towns.found(LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_posts=10, place=PHOTOS))


@pytest.fixture
def mixed_town(store, tmp_path, instagram, monkeypatch, ready_towns) -> LiveTown:
    """Two places of 10 posts each, photos, carousels and videos, which were found."""
    return ready_towns.found(LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_posts=10))


@pytest.fixture
def collected(town, ready_towns) -> LiveTown:
    """The town of the test after its first collection."""
    return ready_towns.collected(town)
