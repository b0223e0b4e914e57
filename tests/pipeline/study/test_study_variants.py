"""The samples of a cell: the release as it is, each variant for what it is asked, near-duplicates on one side."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import StageError
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release
from pipeline.release.split import SPLITS
from pipeline.store import Store
from pipeline.store.blobs import Blobs
from pipeline.study.plan import plan_study
from pipeline.study.settings import StudySettings
from pipeline.study.variants import StudyData, near_names, needs_study_data
from pipeline.training.samples import city_samples
from tests.fakes.city import key
from tests.pipeline.study.study_town import BACKBONE, CITY, OTHER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # a town is built first


def keys(parts) -> list[str]:
    return [key for split in SPLITS for key in getattr(parts, split).keys]


def test_the_release_by_user_and_seed_0_is_what_the_models_of_the_city_learn_from(data, whole_town):
    ours = data.parts("release", "user", 0)
    theirs = city_samples(Store(whole_town), "demo", latest_release(Store(whole_town), "demo"), BACKBONE)
    assert [getattr(ours, split).sha256() for split in SPLITS] == [theirs.splits[split].sha256() for split in SPLITS]


@pytest.mark.parametrize("kind", ["random", "time", "user"])
def test_every_post_of_the_release_is_on_one_side_whatever_the_split(data, kind):
    assert sorted(keys(data.parts("release", kind, 1))) == sorted(data.release.posts["post_key"].to_pylist())


def test_masked_posts_do_not_name_any_place(data):
    plain, masked = data.parts("release", "user", 0), data.parts("masked", "user", 0)
    assert masked.test.keys == plain.test.keys
    assert any("place" in caption for caption in plain.test.captions)
    assert not any("place" in caption for caption in masked.test.captions)
    assert np.array_equal(masked.test.image_ND, plain.test.image_ND)


@pytest.mark.parametrize(
    ("least", "has_rare", "has_common"), [(1, True, True), (2, False, True), (1000, False, False)]
)
def test_a_threshold_keeps_the_hashtags_of_so_many_posts(data, least, has_rare, has_common):
    tags = {tag for tags in data.parts(f"hashtags_from_{least}", "user", 0).train.hashtags for tag in tags}
    assert any(tag.startswith("rare") for tag in tags) == has_rare
    assert ("town" in tags) == has_common


def test_the_citys_own_threshold_is_the_release(data):
    own, release = data.parts("hashtags_from_2", "user", 0), data.parts("release", "user", 0)
    assert own.train.sha256() == release.train.sha256()


def test_variants_of_pictures_share_their_splits_and_lose_what_people_fill(data):
    every, less, filled = (data.parts(name, "user", 0) for name in ("all_pictures", "without_portraits", "filled"))
    for split in SPLITS:
        assert set(getattr(filled, split).keys) <= set(getattr(less, split).keys) <= set(getattr(every, split).keys)
    lost = set(keys(every)) - set(keys(less))
    assert lost == {key("post", 0), key("post", 1001)}
    assert {key("post", number) for number in (1000, 1002, 1006)} <= set(keys(filled))


def test_an_unmasked_picture_is_not_the_filled_one(data):
    every, filled = data.parts("all_pictures", "user", 0), data.parts("filled", "user", 0)
    rows = [every.train.keys.index(key) for key in filled.train.keys]
    assert not np.isclose(every.train.image_ND[rows], filled.train.image_ND).all(axis=1).any()


def test_incomplete_posts_are_trained_on_only_where_that_is_asked(data):
    complete, every = data.parts("complete_only", "user", 0), data.parts("with_incomplete", "user", 0)
    released = set(data.release.posts["post_key"].to_pylist())
    assert complete.test.sha256() == every.test.sha256()
    assert set(complete.train.keys) <= released
    assert set(keys(every)) - released == {key("post", number) for number in (0, 1000, 1001, 1006)}
    assert complete.is_complete.tolist() == [key in released for key in complete.test.keys]


def test_a_post_whose_picture_was_dropped_has_none(data):
    every = data.parts("with_incomplete", "user", 0)
    shown = {
        key: has
        for split in SPLITS
        for key, has in zip(getattr(every, split).keys, getattr(every, split).has_image_N, strict=True)
    }
    assert not shown[key("post", 0)]
    assert not shown[key("post", 1001)]
    assert shown[key("post", 1000)]


def test_another_networks_features_are_those_of_its_own(data):
    own, other = data.parts("release", "user", 0), data.parts("release", "user", 0, backbone=OTHER)
    assert own.train.keys == other.train.keys
    assert not np.allclose(own.train.image_ND, other.train.image_ND)


@pytest.mark.parametrize(
    ("variant", "backbone"),
    [
        pytest.param("all_pictures", None, id="unmasked pictures"),
        pytest.param("without_portraits", None, id="without portraits"),
        pytest.param("filled", None, id="filled pictures"),
        pytest.param("with_incomplete", None, id="incomplete posts"),
        pytest.param("release", OTHER, id="another network"),
    ],
)
def test_without_study_data_it_says_so_and_takes_no_post_for_one_without_picture(bare_town, variant, backbone):
    store = Store(bare_town)
    assert needs_study_data(variant, backbone)
    with pytest.raises(StageError, match="build study_data"):
        StudyData(store, CITY, latest_release(store, "demo")).parts(variant, "user", 0, backbone)


@pytest.mark.parametrize("variant", ["release", "masked", "hashtags_from_1"])
def test_variants_of_the_release_need_no_study_data(bare_town, variant):
    store = Store(bare_town)
    assert not needs_study_data(variant, None)
    assert len(StudyData(store, CITY, latest_release(store, "demo")).parts(variant, "user", 0).train)


@pytest.fixture
def copied(bare, monkeypatch) -> tuple[Store, list[str]]:
    """A town in which posts of three users and places show one photograph, once each in another size and quality."""
    shutil.rmtree(bare.study_folder("demo"), ignore_errors=True)  # a test before may have looked already
    rows = latest_release(bare, "demo").posts.to_pylist()
    chosen = sorted({row["user_key"]: row for row in rows}.values(), key=lambda row: row["post_key"])[:3]
    first, get, copies = bare.blobs.get("clean", chosen[0]["clean_digest"]), Blobs.get, dict[str, bytes]()
    for row, (side, quality) in zip(chosen[1:], [(64, 80), (96, 40)], strict=True):
        file = io.BytesIO()
        Image.open(io.BytesIO(first)).resize((side, side)).save(file, "JPEG", quality=quality)
        copies[row["clean_digest"]] = file.getvalue()
    monkeypatch.setattr(Blobs, "get", lambda self, kind, digest: copies.get(digest) or get(self, kind, digest))
    return bare, [row["post_key"] for row in chosen]


def files(store: Store) -> list[Path]:
    return list((store.study_folder("demo") / "near_duplicates").iterdir())


def test_copies_bear_names_together_and_other_posts_none(copied):
    store, keys = copied
    names = near_names(store, "demo", latest_release(store, "demo"))
    assert sorted(names) == sorted(keys)
    assert all(set(names[keys[0]]) & set(names[key]) for key in keys)


@pytest.mark.fault("T2")
@pytest.mark.parametrize("population", ["release", "pictures", "incomplete"])
def test_copies_are_on_one_side_of_every_split_by_user(copied, population):
    store, keys = copied
    data = StudyData(store, CITY, latest_release(store, "demo"))
    for seed in range(1, 9):
        splits = data.splits(population, "user", seed)
        assert len({splits[key] for key in keys}) == 1
    torn = [len({data.splits(population, "random", seed)[key] for key in keys}) > 1 for seed in range(8)]
    assert any(torn)


def test_near_duplicates_are_looked_for_once_and_kept_when_the_pictures_go(copied):
    store, _ = copied
    release = latest_release(store, "demo")
    found = near_names(store, "demo", release)
    (file,) = files(store)
    written = file.stat().st_mtime_ns
    for row in release.posts.to_pylist():
        store.blobs.remove("clean", row["clean_digest"])
    assert near_names(store, "demo", release) == found
    assert [path.stat().st_mtime_ns for path in files(store)] == [written]


@pytest.mark.fault("S30")
@pytest.mark.parametrize("damage", [b"{", b'{"a": 1}', b"[]"], ids=["cut", "shape", "list"])
def test_kept_near_duplicates_that_are_damaged_are_looked_for_again(copied, damage):
    store, _ = copied
    release = latest_release(store, "demo")
    found = near_names(store, "demo", release)
    (file,) = files(store)
    file.write_bytes(damage)
    assert near_names(store, "demo", release) == found
    file.write_bytes(file.read_bytes()[:-1])
    assert near_names(store, "demo", release) == found


def test_a_picture_that_is_gone_before_near_duplicates_were_looked_for_is_refused(copied):
    store, _ = copied
    release = latest_release(store, "demo")
    store.blobs.remove("clean", release.posts["clean_digest"][0].as_py())
    with pytest.raises(StageError, match=r"^1 of 59 clean pictures of demo are gone"):
        near_names(store, "demo", release)


@pytest.mark.fault("T13")
def test_a_release_in_time_is_studied_in_time_with_days_as_groups(bare):
    """Every seed has the release's own split, and the samples are those that the model was trained on."""
    build_dataset(bare, CITY, DatasetSettings(min_posts_per_poi=5, split="time"))
    release = latest_release(bare, "demo")
    data, theirs = StudyData(bare, CITY, release), city_samples(bare, "demo", release, BACKBONE)
    wanted = [theirs.splits[split].sha256() for split in SPLITS]
    for seed in (0, 1):
        ours = data.parts("release", release.split, seed)
        assert [getattr(ours, split).sha256() for split in SPLITS] == wanted
    assert set(ours.test.groups) <= set(release.posts["taken_day"].to_pylist()) and theirs.unit == "day"
    (table_2, *_) = plan_study(StudySettings(), min_hashtag_count=2, own=release.split)
    assert {cell.split for row in table_2.rows for cell in row.cells} == {"time"}
