"""A live city in Dagster: the same crawl as on the command line, and what a person sees of it there."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from assets.collect.places import places
from assets.collect.pois import pois
from assets.collect.posts import posts
from tests.assets.helpers import checks, dagster, failures, materialize, metadata, write_cities
from tests.fakes.http_server import Answer
from tests.fakes.instagram_media import media
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown, environment, write_cookies

pytestmark = pytest.mark.slow

WAIT = {"message": "Please wait a few minutes before you try again.", "status": "fail"}


@pytest.fixture
def instagram():
    """A fake Instagram."""
    with FakeInstagram() as server:
        yield server


@pytest.fixture
def town(store, tmp_path, instagram, monkeypatch, cities) -> LiveTown:
    """A city of the file that is collected live; no rest of it takes long."""
    town = LiveTown(
        store, tmp_path / "town", instagram, monkeypatch, num_posts=60, city_key="melbourne", cool_downs_s=(0.01, 0.02)
    )
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
    shown = metadata(result, "posts")
    assert (shown["places"], shown["new_posts"], shown["seen"]) == ("2 of 2", "120", 120)
    assert checks(result)["nothing_waits"]


def test_what_waits_is_a_warning_and_what_there_is_goes_on(run, town, instagram):
    instagram.fail("sections", Answer.json(WAIT, 429), skip=1, times=None)
    result = run()
    assert result.success, failures(result)
    shown = metadata(result, "posts")
    assert "incomplete: " in shown["notes"] and "please_wait" in shown["notes"]
    assert not checks(result)["nothing_waits"]
    assert shown["dagster/row_count"] > 0


def test_what_only_a_person_can_mend_is_reported_without_a_second_try(run, town, instagram):
    instagram.fail("api/v1", Answer.json({"message": "checkpoint_required", "status": "fail"}, 400), times=None)
    result = run()
    assert not result.success
    assert "checkpoint" in failures(result)
    assert "Traceback" not in failures(result)
    assert instagram.count() == 1


@pytest.mark.fault("P12")
def test_every_run_lets_go_of_what_foursquare_gave_of_any_city_when_its_time_is_over(store, town):
    poi = {
        **town.pois[0],
        "category_ids": [],
        "category_name": "",
        "semantic_label": "",
        "rank": 1,
        "popularity": None,
    }
    old = {**poi, "source": "foursquare", "retrieved_utc": town.clock.now()}
    for city in ("left-behind", "from-a-file"):
        (store.root / "crawl" / "foursquare" / city).mkdir(parents=True)
    store.tables.replace("left-behind", "pois", [old])
    store.tables.replace("from-a-file", "pois", [old | {"source": "file"}])
    (store.root.parent / "town" / "pois.json").write_text(json.dumps(town.pois))
    result = materialize(store, pois, city="melbourne")
    assert result.success, failures(result)
    names = [store.tables.read(city, "pois")["name"].to_pylist() for city in ("left-behind", "from-a-file")]
    assert names == [["p0"], [poi["name"]]]


CANARIES = ("canarykey", "canarysession", "canarytoken", "4242424242")


def text_of(path: Path) -> bytes:
    """The bytes of a file; of a Parquet file the values, since those are packed."""
    return repr(pq.read_table(path).to_pylist()).encode() if path.suffix == ".parquet" else path.read_bytes()


@pytest.mark.fault("D1")
@pytest.mark.parametrize("has_trouble", [False, True])
def test_no_secret_and_no_name_of_an_account_is_anywhere(town, instagram, dagster_home, tmp_path, has_trouble):
    world = instagram.world
    world.session_id, world.csrf_token, world.user_id = CANARIES[1:]
    cookies = write_cookies(tmp_path / "canary.json", world.cookies())
    if has_trouble:
        instagram.fail("sections", Answer.json({"message": "checkpoint_required", "status": "fail"}, 400), times=None)
    variables = environment(instagram, cookies) | {"FOURSQUARE_API_KEY": CANARIES[0]}
    variables["MRLF_CITIES"] = str(tmp_path / "cities.yaml")
    command = ["asset", "materialize", "--select", "*posts", "--partition", "melbourne"]
    completed = dagster({**dagster_home, **variables}, *command)
    assert (completed.returncode == 0) is not has_trouble
    users = [media(world, pk)["user"] for place in world.places.values() for pk in world.shown(place.location_id)]
    words = [*CANARIES, *{user["username"] for user in users}, *{user["full_name"] for user in users}]
    files = [path for root in ("data", "dagster") for path in (tmp_path / root).rglob("*") if path.is_file()]
    assert len(files) > 50 and instagram.count("sections") > 0
    texts = {path: text_of(path) for path in files} | {"output": (completed.stdout + completed.stderr).encode()}
    assert [(where, word) for where, text in texts.items() for word in words if word.encode() in text] == []
