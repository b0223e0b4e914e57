"""The release: the ledger closes, equal input gives equal bytes, and other people's readers read it."""

import datetime as dt
import io
import json
import os
import resource
import shutil
import stat
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import StageError
from pipeline.images.clean_images import CleanImagesSettings, build_clean_images
from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks
from pipeline.ledger import deferred_row, write_ledger
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release, released_cities
from pipeline.store import Store
from pipeline.store.blobs import Blobs, LostPictureError
from pipeline.store.files import IncompleteFolderError
from pipeline.store.tables import Tables
from tests.fakes.city import CITY, TAKEN, fill_city, post_of
from tests.fakes.engine import in_this_process

CLEAN = CleanImagesSettings(weights="builtin", face_gate="off", face_gate_off_reason="drawn")
SETTINGS = DatasetSettings(min_posts_per_poi=5, max_samples_per_shard=10)


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory) -> Path:
    """The store of a city whose pictures are clean, and of one post that an earlier stage dropped.

    Whoever builds it lets others read and write what is made without a mode of its own.
    """
    os.umask(0)
    store = Store(tmp_path_factory.mktemp("cleaned"))
    posts = fill_city(store, posts_per_poi=10)
    lost = {**post_of(posts[0]), "post_key": "f" * 32}
    store.tables.append("demo", "posts", [lost])
    write_ledger(store, "demo", "curated_posts", {lost["post_key"]: "not_english"})
    with in_this_process():
        build_portrait_masks(store, CITY, PortraitMasksSettings(weights="builtin", find_bodies=False))
        build_clean_images(store, CITY, CLEAN)
    return store.root


@pytest.fixture(scope="module")
def released(cleaned, tmp_path_factory) -> Store:
    """Its release."""
    store = Store(shutil.copytree(cleaned, tmp_path_factory.mktemp("released") / "store"))
    build_dataset(store, CITY, SETTINGS)
    return store


@pytest.fixture
def store(cleaned, tmp_path) -> Store:
    """A copy of the city without a release."""
    return Store(shutil.copytree(cleaned, tmp_path / "store"))


@pytest.fixture
def copied(released, tmp_path) -> Store:
    """A copy of the city with its release."""
    return Store(shutil.copytree(released.root, tmp_path / "store"))


def folder_of(store: Store) -> Path:
    return latest_release(store, "demo").manifest.folder


@pytest.mark.slow
@pytest.mark.fault("S23")
def test_no_file_of_a_store_is_for_others(released):
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (released.root, *released.root.rglob("*"))}
    assert {path.suffix for path in modes} >= {".parquet", ".json", ".tar", ".lock"}
    assert not {path: oct(mode) for path, mode in modes.items() if mode & 0o077}


@pytest.mark.slow
def test_the_ledger_closes(released):
    ledger = latest_release(released, "demo").manifest.about["ledger"]
    assert ledger["posts"] == 31
    assert ledger["posts"] == ledger["released"] + ledger["dropped"] + ledger["deferred"]
    assert ledger["dropped/curated_posts/not_english"] == 1
    assert ledger["dropped/clean_images/mostly_person"] == 1


def test_a_release_names_the_source_of_its_classes(released):
    (source,) = set(released.tables.read("demo", "pois")["source"].to_pylist())
    assert latest_release(released, "demo").manifest.about["pois_source"] == source


def test_a_post_that_nobody_accounts_for_stops_the_release(store):
    nobodys = {**store.tables.read("demo", "posts").to_pylist()[0], "post_key": "e" * 32}
    store.tables.append("demo", "posts", [nobodys])
    with pytest.raises(AssertionError, match="does not close"):
        build_dataset(store, CITY, SETTINGS)


def test_a_post_that_is_dropped_and_deferred_stops_the_release(store):
    store.tables.append("demo", "deferred", [deferred_row("posts", "f" * 32, "not_reached")])
    with pytest.raises(AssertionError, match="both dropped and deferred"):
        build_dataset(store, CITY, SETTINGS)


def test_a_post_that_waits_is_counted_in_a_new_release(copied):
    copied.tables.append("demo", "deferred", [deferred_row("posts", "d" * 32, "not_reached")])
    assert not build_dataset(copied, CITY, SETTINGS).is_reused
    assert latest_release(copied, "demo").manifest.about["ledger"]["deferred"] == 1


@pytest.mark.parametrize(("picture", "row"), [("first", 0), ("unchanged", 1)])
def test_a_post_of_two_pictures_shows_the_one_that_the_setting_names(store, picture, row):
    posts, clean = (store.tables.read("demo", table).to_pylist() for table in ("curated_posts", "clean_images"))
    kept = [next(each for each in clean if each["outcome"] == outcome) for outcome in ("filled", "unchanged")]
    posts[0]["image_digests"] = [each["digest"] for each in kept]
    store.tables.replace("demo", "curated_posts", posts)
    build_dataset(store, CITY, SETTINGS.model_copy(update={"picture": picture}))
    released = {each["post_key"]: each["clean_digest"] for each in latest_release(store, "demo").posts.to_pylist()}
    assert released[posts[0]["post_key"]] == kept[row]["clean_digest"]


def test_pictures_that_were_cleaned_anew_make_a_new_release(copied):
    before = set(latest_release(copied, "demo").posts["clean_digest"].to_pylist())
    with in_this_process():
        build_clean_images(copied, CITY, CLEAN.model_copy(update={"jpeg_quality": 60}))
    assert not build_dataset(copied, CITY, SETTINGS).is_reused
    assert before.isdisjoint(latest_release(copied, "demo").posts["clean_digest"].to_pylist())


@pytest.mark.fault("T2")
def test_posts_that_share_a_picture_which_neither_shows_first_are_in_one_split(store):
    posts = store.tables.read("demo", "curated_posts").to_pylist()
    shared = posts[20]["image_digests"]
    chain = [posts[number]["post_key"] for number in range(20, 30)]
    for post in posts:
        if post["post_key"] in chain[1:]:
            post["image_digests"] = [*post["image_digests"], *shared]
    store.tables.replace("demo", "curated_posts", posts)
    build_dataset(store, CITY, SETTINGS)
    found = latest_release(store, "demo").posts.to_pandas().set_index("post_key").loc[chain]
    assert found["user_key"].nunique() > 3 and found["split"].nunique() == found["picture_group"].nunique() == 1


@pytest.mark.fault("S6")
def test_a_run_that_dies_at_the_last_file_leaves_no_release(store, monkeypatch):
    def die(path, samples):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.release.dataset._write_posts", die)
    with pytest.raises(KeyboardInterrupt):
        build_dataset(store, CITY, SETTINGS)
    assert not list(store.root.glob("datasets/demo/*/*")), "what has no manifest was swept; with one it would stay"


@pytest.mark.fault("S6")
def test_equal_input_gives_equal_bytes(released, store):
    build_dataset(store, CITY, SETTINGS)
    ours, theirs = folder_of(released), folder_of(store)
    assert ours.name == theirs.name
    names = sorted(path.name for path in ours.iterdir())
    assert names == sorted(path.name for path in theirs.iterdir())
    for name in names:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name


def test_a_second_build_is_reused_and_a_deleted_release_is_built_again(copied):
    assert build_dataset(copied, CITY, SETTINGS).is_reused
    shutil.rmtree(folder_of(copied))
    assert released_cities(copied) == []
    assert not build_dataset(copied, CITY, SETTINGS).is_reused
    assert released_cities(copied) == ["demo"]


@pytest.mark.fault("S3")
def test_a_changed_shard_is_named(copied):
    shard = folder_of(copied) / "train-000000.tar"
    shard.write_bytes(shard.read_bytes()[:-1024])
    with pytest.raises(IncompleteFolderError, match="train-000000"):
        latest_release(copied, "demo")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.fault("S29")
@pytest.mark.parametrize("name", ["train-000000.tar", "posts.parquet", "labels.json", "manifest.json"])
@pytest.mark.parametrize("harm", [flip, lambda path: path.write_bytes(b'{"about": {}, "files": {}}'), Path.unlink])
def test_a_damaged_release_is_told_with_what_to_do_and_that_builds_it_again(copied, caplog, name, harm):
    folder = folder_of(copied)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    harm(folder / name)
    with pytest.raises(ValueError, match=r"mrlf run demo"):
        latest_release(copied, "demo")
    assert not build_dataset(copied, CITY, SETTINGS).is_reused
    assert {path.name: path.read_bytes() for path in folder_of(copied).iterdir()} == before
    assert harm is Path.unlink or str(folder / name) in caplog.text


@pytest.mark.fault("S29")
def test_a_city_whose_manifest_is_damaged_hinders_no_other(copied, caplog):
    shutil.copytree(copied.root / "stages" / "demo", copied.root / "stages" / "other")
    shutil.copytree(copied.root / "datasets" / "demo", copied.root / "datasets" / "other")
    flip(folder_of(copied) / "manifest.json")
    assert released_cities(copied) == ["other"]
    assert "manifest.json is damaged" in caplog.text


@pytest.mark.fault("S27")
def test_what_is_released_is_compared_even_if_nobody_touched_it(store, monkeypatch):
    """As where a disk changed bytes by itself: nothing but a look at all bytes shows it."""
    looks: list[tuple[str, bool]] = []
    check = Tables.check

    def checked(self: Tables, city: str, name: str, *, is_deep: bool = False) -> None:
        looks.append((name, is_deep))
        check(self, city, name, is_deep=is_deep)

    monkeypatch.setattr(Tables, "check", checked)
    build_dataset(store, CITY, SETTINGS)
    deep = {name for name, is_deep in looks if is_deep}
    assert deep == {"pois", "posts", "curated_posts", "clean_images", "drops", "deferred"}


@pytest.mark.fault("S28")
@pytest.mark.parametrize("harm", [flip, lambda path: path.write_bytes(path.read_bytes()[:99]), Path.unlink])
def test_a_clean_picture_that_is_lost_goes_into_no_release_and_is_made_again(store, harm):
    rows = store.tables.read("demo", "clean_images").to_pylist()
    path = store.blobs.path("clean", next(row["clean_digest"] for row in rows if row["clean_digest"]))
    before = path.read_bytes()
    harm(path)
    with pytest.raises(LostPictureError, match=rf"the clean picture {path} .*`mrlf run` of its city makes it again"):
        build_dataset(store, CITY, SETTINGS)
    with in_this_process():
        report = build_clean_images(store, CITY, CLEAN)
    assert (report.is_reused, report.counts["new"]) == (False, 1)
    assert path.read_bytes() == before
    assert store.tables.read("demo", "clean_images").num_rows == len(rows)
    build_dataset(store, CITY, SETTINGS)


def test_labels_are_pois_sorted_by_id_with_float_coordinates(released):
    labels = latest_release(released, "demo").labels
    assert [label["poi_id"] for label in labels] == ["poi0", "poi1", "poi2"]
    assert [label["label"] for label in labels] == [0, 1, 2]
    assert all(isinstance(label["latitude"], float) for label in labels)


@pytest.mark.fault("T2")
def test_a_smaller_copy_of_a_picture_is_in_the_split_of_its_original(store, monkeypatch):
    """Ten posts of ten users show what one post shows, each in a size of its own: eleven digests, one split."""
    rows = store.tables.read("demo", "clean_images").to_pandas()
    kept = [digest for digest in rows.loc[rows["clean_digest"].notna(), "clean_digest"]]
    original = Image.open(io.BytesIO(store.blobs.get("clean", kept[0])))
    copies = {}
    for number, digest in enumerate(kept[1:11], start=1):
        file, smaller = io.BytesIO(), (original.width - 2 * number, original.height - 2 * number)
        original.resize(smaller, Image.Resampling.LANCZOS).save(file, "JPEG", quality=95)
        copies[digest] = file.getvalue()
    get = Blobs.get
    monkeypatch.setattr(Blobs, "get", lambda self, kind, digest: copies.get(digest) or get(self, kind, digest))
    build_dataset(store, CITY, SETTINGS)
    posts = latest_release(store, "demo").posts.to_pandas()
    alike = posts[posts["clean_digest"].isin([kept[0], *copies])]
    assert alike["user_key"].nunique() > 3 and alike["split"].nunique() == alike["picture_group"].nunique() == 1


@pytest.mark.fault("T1")
@pytest.mark.slow
@pytest.mark.fault("S26")
def test_a_disk_that_is_full_for_a_shard_is_told_with_the_folder_and_the_rerun_releases(store):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, hard))
    try:
        with pytest.raises(OSError, match=r"cannot write to .*/datasets/demo/[0-9a-f]{16}: File too large"):
            build_dataset(store, CITY, SETTINGS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not build_dataset(store, CITY, SETTINGS).is_reused


def test_pois_below_the_floor_after_the_image_stages_are_dropped(store):
    report = build_dataset(store, CITY, SETTINGS.model_copy(update={"min_posts_per_poi": 10}))
    assert report.counts["dropped/poi_below_floor"] == 9  # the POI that lost a post to a portrait
    assert report.counts["classes"] == 2
    assert latest_release(store, "demo").manifest.about["ledger"]["dropped"] == 11


@pytest.mark.fault("T13")
def test_a_place_that_occurs_only_late_is_noted_with_its_test_posts(store):
    """One account: at two places for twenty days, then at the third for three."""
    posts = store.tables.read("demo", "curated_posts").to_pylist()
    late = [post for post in posts if post["poi_id"] == "poi2"][:5]
    for number, post in enumerate(posts):
        post |= {"user_key": "0" * 32, "taken_utc": TAKEN + dt.timedelta(days=number % 20)}
        post["poi_id"] = f"poi{number % 2}"
    for number, post in enumerate(late):
        post |= {"poi_id": "poi2", "taken_utc": TAKEN + dt.timedelta(days=20 + number // 2)}
    store.tables.replace("demo", "curated_posts", posts)
    report = build_dataset(store, CITY, SETTINGS)
    split, note = report.record.notes
    assert "split in time (the posts are of 1 user" in split
    num_test = report.counts["test"]
    assert "no training post of Place 2: all their posts were made after those of train" in note
    assert f"{num_test} of {num_test} test posts are of such places" in note


def test_where_no_post_is_left_the_error_names_what_to_change(store):
    with pytest.raises(StageError, match=r"no post of demo is left.*min_posts_per_poi"):
        build_dataset(store, CITY, SETTINGS.model_copy(update={"min_posts_per_poi": 1000}))
    assert released_cities(store) == []


def test_without_a_release_the_error_names_the_command_that_builds_one(store):
    with pytest.raises(StageError, match=r"mrlf run demo --to dataset"):
        latest_release(store, "demo")


@pytest.mark.fault("S4")
def test_webdataset_reads_every_sample(released):
    import webdataset

    folder, seen = folder_of(released), []
    for path in sorted(folder.glob("*.tar")):
        for sample in webdataset.WebDataset(str(path), shardshuffle=False):
            about = json.loads(sample["json"])
            assert about["post_key"] == sample["__key__"]
            assert sample["jpg"][:2] == b"\xff\xd8"
            seen.append(sample["__key__"])
    assert sorted(seen) == latest_release(released, "demo").posts["post_key"].to_pylist()


@pytest.mark.fault("S7")
def test_datasets_reads_equal_rows(released, tmp_path):
    import datasets

    folder = folder_of(released)
    files = {split: [str(path) for path in sorted(folder.glob(f"{split}-*.tar"))] for split in ("train", "test")}
    loaded = datasets.load_dataset("webdataset", data_files=files, cache_dir=str(tmp_path))
    released_rows = {row["post_key"]: row for row in latest_release(released, "demo").posts.to_pylist()}
    for split in ("train", "test"):
        for row in loaded[split]:
            expected = released_rows[row["__key__"]]
            assert expected["split"] == split
            for name in ("caption", "hashtags", "label", "latitude", "longitude", "poi_id", "taken_day"):
                assert row["json"][name] == expected[name]
            assert row["jpg"].size[0] >= 96


def test_duckdb_reads_the_posts(released):
    import duckdb

    path = folder_of(released) / "posts.parquet"
    query = f"select split, count(*), count(distinct user_key) from '{path}' group by split order by split"  # noqa: S608
    counted = duckdb.sql(query).fetchall()
    assert [row[0] for row in counted] == ["test", "train", "validation"]
    assert sum(row[1] for row in counted) == 29


def test_no_sample_holds_more_than_its_fields(released):
    folder = folder_of(released)
    with (folder / "posts.parquet").open("rb") as file:
        assert b"media" not in file.read()
    import tarfile

    with tarfile.open(folder / "train-000000.tar") as shard:
        members = shard.getmembers()
        first = json.loads(io.BytesIO(shard.extractfile(members[1]).read()).read())
    assert set(first) == {
        "post_key",
        "user_key",
        "poi_id",
        "poi_name",
        "category",
        "label",
        "latitude",
        "longitude",
        "caption",
        "hashtags",
        "taken_day",
    }
    assert {member.mtime for member in members} == {0}
