"""What cannot be read hinders a sweep: beside a hindrance nothing is removed, and it is reported."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.cities import City
from pipeline.collect import posts
from pipeline.privacy.gone import tidy
from pipeline.privacy.leftovers import Swept, sweep_leftovers
from pipeline.privacy.opt_out_removal import register_opt_out
from pipeline.release import dataset
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.store import Store
from tests.fakes.built_town import curate_and_clean
from tests.fakes.deleted import holders
from tests.fakes.town import CITY, Town

OTHER = City(key="other", name="Other", latitude=12, longitude=-30, radius_km=50)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    """A pseudonym key."""
    monkeypatch.setenv("MRLF_PSEUDONYM_KEY", "5e" * 32)


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Town:
    """Six posts of six people, cleaned and released."""
    folder = tmp_path_factory.mktemp("released")
    town = Town(Store(folder / "data"), folder)
    for number in range(1, 7):
        owner = {"id": str(number), "username": f"user{number}"}
        town.archive.post(number, owner=owner, caption=f"secretcaption{number} #harbour #tag{number}x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MRLF_PSEUDONYM_KEY", "5e" * 32)
        town.build()
        curate_and_clean(town.store)
        build_dataset(town.store, CITY, DatasetSettings(min_posts_per_poi=1))
    return town


@pytest.fixture
def town(released, tmp_path) -> Town:
    """A copy of it to change."""
    shutil.copytree(released.folder, tmp_path / "town")
    return Town(Store(tmp_path / "town" / "data"), tmp_path / "town")


def without_tables(store: Store, table: Path) -> None:
    (store.root / "tables").rename(store.root.with_name("elsewhere"))


def with_an_empty_folder_in_place_of_tables(store: Store, table: Path) -> None:
    without_tables(store, table)
    (store.root / "tables").mkdir()


def without_log(store: Store, table: Path) -> None:
    shutil.rmtree(table / "_delta_log")


def with_an_empty_log(store: Store, table: Path) -> None:
    without_log(store, table)
    (table / "_delta_log").mkdir()


def with_a_file_in_place_of_the_table(store: Store, table: Path) -> None:
    shutil.rmtree(table)
    table.touch()


def with_an_older_log(store: Store, table: Path) -> None:
    (table / "_delta_log" / f"{0:020d}.json").replace(table / "first")
    shutil.rmtree(table / "_delta_log")
    (table / "_delta_log").mkdir()
    (table / "first").replace(table / "_delta_log" / f"{0:020d}.json")


LOSSES = [
    without_tables,
    with_an_empty_folder_in_place_of_tables,
    without_log,
    with_an_empty_log,
    with_a_file_in_place_of_the_table,
    with_an_older_log,
]


@pytest.mark.fault("S18")
@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: lose.__name__)
def test_a_table_that_is_lost_hinders_and_no_picture_or_row_is_taken_for_unnamed(town, lose):
    table = town.store.tables.path("town", "posts")
    if lose is with_an_older_log:
        town.archive.post(7)
        town.build()
    blobs = town.blobs()
    lose(town.store, table)
    rows = sorted(table.glob("*.parquet"))
    swept = sweep_leftovers(town.store, is_anew=True)
    tidy(town.store, "town")
    assert (swept.pictures, swept.temporaries) == (0, 0)
    assert any("posts is not there, or is older" in why for why in swept.waiting)
    assert town.blobs() == blobs
    assert sorted(table.glob("*.parquet")) == rows


@pytest.mark.fault("S18")
def test_a_release_that_cannot_be_read_for_a_moment_keeps_its_pictures(town, monkeypatch):
    clean = town.store.blobs.listed("clean")[0]
    town.store.tables.replace("town", "clean_images", [])

    def refused(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "read_table", refused)
        swept = sweep_leftovers(town.store, is_anew=True)
    assert ["cannot be read" in why for why in swept.waiting] == [True]
    assert town.store.blobs.listed("clean")[0] == clean


@pytest.mark.fault("S19")
def test_a_picture_that_another_city_is_just_taking_stays(town, tmp_path, monkeypatch):
    other = Town(town.store, tmp_path / "other", city=OTHER)
    other.archive.post(7, pictures=0)
    shared = town.archive.folder / "2021-06-01_000001.jpg"
    shutil.copy(shared, other.archive.folder / "2021-06-01_000007.jpg")
    register_opt_out(town.store, ["@user1"])
    town.build()
    real = posts.put_archive

    def meanwhile(store, city, found, **options):
        tidy(Store(store.root), "town")
        return real(store, city, found, **options)

    monkeypatch.setattr(posts, "put_archive", meanwhile)
    other.build()
    ((digest,),) = (row["image_digests"] for row in other.rows("posts"))
    assert town.store.blobs.get("original", digest) == shared.read_bytes()


@pytest.mark.fault("S19")
def test_while_a_release_is_written_its_pictures_stay(town, monkeypatch):
    real = dataset._write

    def meanwhile(store, city, *arguments):
        store.tables.replace(city, "clean_images", [])
        assert any("a release of them" in why for why in sweep_leftovers(Store(store.root), is_anew=True).waiting)
        return real(store, city, *arguments)

    shutil.rmtree(town.store.root / "datasets")
    monkeypatch.setattr(dataset, "_write", meanwhile)
    assert build_dataset(town.store, CITY, DatasetSettings(min_posts_per_poi=1)).counts["released"] == 6


@pytest.mark.fault("S20")
def test_what_somebody_else_put_beside_the_releases_stays(town, tmp_path):
    folder = town.store.root / "datasets" / "town"
    (version,) = folder.iterdir()
    (folder / "latest").symlink_to(version.name)
    (folder / "abroad").symlink_to(tmp_path)
    (folder / "my_export").mkdir()
    (folder / "my_export" / "notes.txt").write_text("mine")
    (folder / "empty").mkdir()
    (folder / "0123456789abcdef").mkdir()
    assert sweep_leftovers(town.store, is_anew=True) == Swept(releases=1)
    assert {path.name for path in folder.iterdir()} == {version.name, "latest", "abroad", "my_export", "empty"}


@pytest.mark.fault("S16")
def test_a_temporary_in_a_folder_that_lies_on_another_disk_goes_and_one_of_an_archive_is_not_ours(store, tmp_path):
    (tmp_path / "big").mkdir()
    (store.root / "models").symlink_to(tmp_path / "big")
    (store.root / "archives").mkdir()
    dead, theirs = tmp_path / "big" / ".writing-dead", store.root / "archives" / ".writing-theirs"
    dead.touch()
    theirs.touch()
    assert sweep_leftovers(store).temporaries == 1
    assert not dead.exists()
    assert theirs.exists()


@pytest.mark.slow
@pytest.mark.fault("S13")
@pytest.mark.parametrize("entry", ["@user1", "1"])
def test_who_leaves_after_the_posts_had_left_the_archive_leaves_no_trace(town, entry):
    caption, clean = b"secretcaption1", town.store.blobs.listed("clean")[0]
    for path in town.archive.folder.glob("*000001*"):
        path.unlink()
    town.build()
    assert register_opt_out(town.store, [entry]) == {"town": 1}, "a release holds it"
    town.build()
    curate_and_clean(town.store)
    build_dataset(town.store, CITY, DatasetSettings(min_posts_per_poi=1))
    tidy(town.store, "town")
    assert holders(town.store.root, caption) == []
    assert len(town.store.blobs.listed("clean")[0]) == len(clean) - 1
    assert {len(town.rows(name)) for name in ("images", "portrait_masks", "clean_images")} == {5}


@pytest.mark.slow
@pytest.mark.fault("S13")
def test_older_versions_of_tables_go_once_per_list_also_where_no_release_holds_the_post(town):
    shutil.rmtree(town.store.root / "datasets")
    for path in town.archive.folder.glob("*000001*"):
        path.unlink()
    register_opt_out(town.store, ["@user1"])
    town.build()
    curate_and_clean(town.store)
    build_dataset(town.store, CITY, DatasetSettings(min_posts_per_poi=1))
    assert holders(town.store.root / "tables", b"secretcaption1") == []
