"""Damage in what the stages before curation keep: a plain rerun makes it again of the files that it was made of."""

import shutil
from pathlib import Path

import pytest

from pipeline.cli.verify import deep_lines
from pipeline.collect.posts import PostsSettings, build_posts
from pipeline.privacy.pseudonyms import ids_path, read_authors
from pipeline.store import Store
from pipeline.store.tables import DamagedTableError
from tests.fakes.town import CITY, Town

TABLES = ("pois", "places", "posts", "images", "drops", "deferred")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def rows_of(store: Store, table: str) -> Path:
    return min(store.tables.path("town", table).glob("*.parquet"))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Town:
    """A town with two good posts and one without its picture."""
    folder = tmp_path_factory.mktemp("town")
    town = Town(Store(folder / "data"), folder)
    for number in (1, 2, 3):
        town.archive.post(number)
    (town.archive.folder / "2021-06-01_000003.jpg").unlink()
    town.build()
    return town


@pytest.fixture
def town(built, tmp_path) -> Town:
    """A copy of its store that a test may spoil, and the same archive."""
    store = Store(shutil.copytree(built.store.root, tmp_path / "data"))
    town = Town(store, built.folder)
    return town


def digests(town: Town) -> dict[str, str]:
    return {name: town.store.tables.digest("town", name) for name in TABLES}


@pytest.mark.fault("S27")
@pytest.mark.parametrize("harm", [flip, Path.unlink])
@pytest.mark.parametrize("table", ["pois", "posts", "images", "deferred"])
def test_a_damaged_table_is_made_again_as_it_was(town, built, table, harm):
    harm(rows_of(town.store, table))
    with pytest.raises(DamagedTableError, match=f"{table} is damaged"):
        town.store.tables.read("town", table)
    town.build()
    assert digests(town) == digests(built)
    assert town.build().is_reused


@pytest.mark.fault("S27")
def test_a_log_that_is_gone_is_no_empty_table_and_is_made_again(town, built):
    shutil.rmtree(town.store.tables.path("town", "posts") / "_delta_log")
    assert not town.build().is_reused
    assert digests(town) == digests(built)


@pytest.mark.fault("S28")
def test_an_original_that_is_gone_is_taken_from_the_archive_again(town, built, caplog):
    digest = town.posts()[town.key(1)]["image_digests"][0]
    town.store.blobs.path("original", digest).unlink()
    assert not town.build().is_reused
    assert "original pictures are gone from the store: 1" in caplog.text
    assert town.store.blobs.get("original", digest)
    assert digests(town) == digests(built)
    assert town.build().is_reused


@pytest.mark.fault("S30")
def test_a_map_from_keys_to_authors_that_is_gone_is_made_again(town, built, caplog):
    ids_path(town.store, "town").unlink()
    assert not town.build().is_reused
    assert "town.ids.sqlite is gone: the archive is read again" in caplog.text
    assert read_authors(town.store, "town") == read_authors(built.store, "town") != {}
    assert digests(town) == digests(built)
    assert town.build().is_reused


@pytest.mark.fault("S28")
def test_an_original_that_the_archive_lost_too_defers_its_post(built, tmp_path):
    town = Town(Store(shutil.copytree(built.store.root, tmp_path / "data")), tmp_path)
    shutil.copytree(built.archive.folder, tmp_path / "archive", dirs_exist_ok=True)
    town.build()
    digest = town.posts()[town.key(1)]["image_digests"][0]
    town.store.blobs.path("original", digest).unlink()
    (tmp_path / "archive" / "2021-06-01_000001.jpg").unlink()
    build_posts(town.store, CITY, PostsSettings(archive=tmp_path / "archive"))
    assert town.reasons("deferred")[town.key(1)] == "image_missing"
    assert build_posts(town.store, CITY, PostsSettings(archive=tmp_path / "archive")).is_reused


@pytest.mark.fault("S27")
@pytest.mark.fault("S28")
@pytest.mark.fault("S30")
def test_a_deep_look_finds_everything_and_a_rerun_mends_it(town, built):
    assert list(deep_lines(town.store, "town")) == []
    flip(rows_of(town.store, "places"))
    blobs = sorted((town.store.root / "blobs" / "original").rglob("*/*"))
    flip(blobs[0])
    flip(town.store.root / "stages" / "town" / "pois.json")
    flip(town.store.root / "digests" / "town" / "deferred.json")
    lines = list(deep_lines(town.store, "town"))
    assert len(lines) == 4 and all("`mrlf run town`" in line for line in lines)
    for name in ("places is damaged", blobs[0].name, "stages/town/pois.json", "digests/town/deferred.json"):
        assert any(name in line for line in lines), name
    town.build()
    assert list(deep_lines(town.store, "town")) == []
    assert digests(town) == digests(built)
