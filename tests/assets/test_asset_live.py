"""A live city in Dagster: the same crawl as on the command line, and what a person sees of it there."""

import json

import pytest

from assets.collect.places import places
from assets.collect.pois import pois
from assets.collect.posts import posts
from tests.assets.helpers import checks, failures, materialize, metadata, write_cities
from tests.fakes.http_server import Answer
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown

WAIT = {"message": "Please wait a few minutes before you try again.", "status": "fail"}


@pytest.fixture
def instagram():
    """A fake Instagram."""
    with FakeInstagram() as server:
        yield server


@pytest.fixture
def town(store, tmp_path, instagram, monkeypatch, cities) -> LiveTown:
    """A city of the file that is collected live; no rest of it takes long."""
    town = LiveTown(store, tmp_path / "town", instagram, monkeypatch, city_key="melbourne", cool_downs_s=(0.01, 0.02))
    file = tmp_path / "pois.json"
    file.write_text(json.dumps(town.pois))
    place = {"name": "Town", "latitude": 12.0, "longitude": -30.0, "radius_km": 50.0}
    write_cities({"melbourne": {**place, "live": dict(town.city.live), "pois": {"file": str(file)}}})
    return town


@pytest.fixture
def run(store, town):
    """One run of the room collect."""
    return lambda: materialize(store, pois, places, posts, city="melbourne")


def test_a_person_sees_how_far_the_crawl_came(run, town, instagram):
    result = run()
    assert result.success, failures(result)
    told = metadata(result, "posts")
    assert (told["places"], told["new_posts"], told["seen"]) == ("2 of 2", "120", 120)
    assert checks(result)["nothing_waits"]


def test_what_waits_is_a_warning_and_what_there_is_goes_on(run, town, instagram):
    instagram.fail("sections", Answer.json(WAIT, 429), skip=1, times=None)
    result = run()
    assert result.success, failures(result)
    told = metadata(result, "posts")
    assert "incomplete: " in told["notes"] and "please_wait" in told["notes"]
    assert not checks(result)["nothing_waits"]
    assert told["dagster/row_count"] > 0


def test_what_only_a_person_can_mend_is_told_without_a_second_try(run, town, instagram):
    instagram.fail("api/v1", Answer.json({"message": "checkpoint_required", "status": "fail"}, 400), times=None)
    result = run()
    assert not result.success
    assert "checkpoint" in failures(result)
    assert "Traceback" not in failures(result)
    assert instagram.count() == 1
