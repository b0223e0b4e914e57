"""The crawl: all posts of all places once, whatever happens on the way."""

import pytest

from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown


@pytest.fixture
def instagram():
    """A fake Instagram."""
    with FakeInstagram() as server:
        yield server


@pytest.fixture
def town(store, tmp_path, instagram, monkeypatch) -> LiveTown:
    """Two places of 60 posts each."""
    return LiveTown(store, tmp_path / "town", instagram, monkeypatch)


def test_every_post_of_every_place_is_collected_once(town):
    report = town.build()
    print(report.counts, report.record.notes, report.record.about)
    posts = town.posts()
    assert report.counts["seen"] == 120
    assert len(posts) == 120 - len(town.reasons())
