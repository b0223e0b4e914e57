"""Near-duplicates of released pictures: found as the release finds them, once, and on one side of every split."""

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import StageError
from pipeline.release.read import latest_release
from pipeline.store import Store
from pipeline.study.near_pictures import near_names
from pipeline.study.variants import StudyData
from tests.pipeline.study.study_town import CITY

pytestmark = pytest.mark.timeout(300)  # a town is built first


@pytest.fixture
def copied(bare) -> tuple[Store, list[str]]:
    """A town in which posts of three users and places show one photograph, once each in another size and quality."""
    shutil.rmtree(bare.study_folder("demo"), ignore_errors=True)  # a test before may have looked already
    rows = latest_release(bare, "demo").posts.to_pylist()
    chosen = sorted({row["user_key"]: row for row in rows}.values(), key=lambda row: row["post_key"])[:3]
    first = bare.blobs.get("clean", chosen[0]["clean_digest"])
    for row, (side, quality) in zip(chosen[1:], [(64, 80), (96, 40)], strict=True):
        file = io.BytesIO()
        Image.open(io.BytesIO(first)).resize((side, side)).save(file, "JPEG", quality=quality)
        bare.blobs.path("clean", row["clean_digest"]).write_bytes(file.getvalue())
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


def test_they_are_looked_for_once_and_kept_when_the_pictures_go(copied):
    store, _ = copied
    release = latest_release(store, "demo")
    found = near_names(store, "demo", release)
    (file,) = files(store)
    written = file.stat().st_mtime_ns
    for row in release.posts.to_pylist():
        store.blobs.remove("clean", row["clean_digest"])
    assert near_names(store, "demo", release) == found
    assert [path.stat().st_mtime_ns for path in files(store)] == [written]


def test_a_picture_that_is_gone_before_they_were_looked_for_is_refused(copied):
    store, _ = copied
    release = latest_release(store, "demo")
    store.blobs.remove("clean", release.posts["clean_digest"][0].as_py())
    with pytest.raises(StageError, match=r"^1 of 59 clean pictures of demo are gone"):
        near_names(store, "demo", release)
