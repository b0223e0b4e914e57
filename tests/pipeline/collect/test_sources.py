"""Sources: what a person names comes first, then the demo generator, then a message."""

from pathlib import Path

import pytest

from pipeline import demo
from pipeline.cities import City, CityError
from pipeline.collect.posts import PostsSettings
from pipeline.collect.sources import archive_folder, demo_city
from pipeline.demo import DemoCity
from pipeline.errors import StageError

CITY = City(key="town", name="Town", latitude=12, longitude=-30, radius_km=5, demo={"seed": 3})
PLAIN = CITY.model_copy(update={"demo": None})


@pytest.fixture
def calls(monkeypatch) -> list:
    """What the generator was asked for; it writes nothing."""
    calls = []

    def write(folder, settings, *, centre, radius_km) -> DemoCity:
        calls.append((folder, settings.seed, centre, radius_km))
        return DemoCity(archive=folder / "archive", pois_file=folder / "pois.csv")

    monkeypatch.setattr(demo, "write_demo_city", write)
    return calls


def test_the_generator_writes_into_the_store_with_the_citys_circle(store, calls):
    assert archive_folder(store, CITY, PostsSettings()) == store.root / "archives" / "town" / "archive"
    assert calls == [(store.root / "archives" / "town", 3, (12, -30), 5)]


def test_a_named_archive_comes_before_the_generator(store, calls, tmp_path):
    assert archive_folder(store, CITY, PostsSettings(archive=tmp_path)) == tmp_path
    for stage in ("posts", "places"):
        city = CITY.model_copy(update={"stages": {stage: {"archive": str(tmp_path)}}})
        assert archive_folder(store, city, PostsSettings()) == tmp_path
    assert calls == []


def test_home_is_expanded(store):
    assert archive_folder(store, PLAIN, PostsSettings(archive=Path("~/posts"))) == Path.home() / "posts"


def test_a_city_without_a_source_is_reported_what_to_write(store, calls):
    assert demo_city(store, PLAIN) is None
    with pytest.raises(StageError, match=r"no source of posts.*`posts: \{archive: path/to/folder\}`"):
        archive_folder(store, PLAIN, PostsSettings())


def test_wrong_demo_settings_are_named(store, calls):
    with pytest.raises(CityError, match="seed"):
        demo_city(store, CITY.model_copy(update={"demo": {"seed": "seven"}}))
