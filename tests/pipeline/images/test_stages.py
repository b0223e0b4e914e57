"""The picture stages on a small city: incremental, restartable, and every post that loses its pictures is counted."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from pipeline.images.clean_images import CleanImagesSettings, build_clean_images
from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks
from pipeline.picture_bytes import decode_picture
from pipeline.store import Store
from tests.fakes.city import CITY, curated_post, fill_city, key, poi, put_city
from tests.fakes.face_gates import short_recall
from tests.fakes.pictures import encoded, pixels

pytestmark = pytest.mark.slow

MASKS = PortraitMasksSettings(weights="builtin", num_workers=1)
CLEAN = CleanImagesSettings(weights="builtin", num_workers=1)


def outcomes(store: Store, table: str) -> dict[str, str]:
    rows = store.tables.read("demo", table)
    return dict(zip(rows["digest"].to_pylist(), rows["outcome"].to_pylist(), strict=True))


@pytest.fixture(scope="module", autouse=True)
def quick_gate():
    with short_recall():
        yield


@pytest.fixture(scope="module")
def masked(tmp_path_factory) -> tuple[Store, list[dict]]:
    """A city after both picture stages."""
    store = Store(tmp_path_factory.mktemp("city"))
    posts = fill_city(store, posts_per_poi=4)
    build_portrait_masks(store, CITY, MASKS)
    build_clean_images(store, CITY, CLEAN)
    return store, posts


def test_people_are_masked_dropped_or_filled(masked):
    store, posts = masked
    clean = outcomes(store, "clean_images")
    assert clean[posts[0]["image_digests"][0]] == "mostly_person"
    assert clean[posts[1]["image_digests"][0]] == "filled"
    assert {clean[post["image_digests"][0]] for post in posts[2:]} == {"unchanged"}


def test_a_post_without_a_picture_left_is_dropped_with_its_reason(masked):
    store, posts = masked
    drops = store.tables.read("demo", "drops").to_pylist()
    assert drops == [{"post_key": posts[0]["post_key"], "stage": "clean_images", "reason": "mostly_person"}]


def test_what_ran_is_in_every_row(masked):
    store, _ = masked
    assert set(store.tables.read("demo", "portrait_masks")["network"].to_pylist()) == {"selfie_segmentation"}
    assert set(store.tables.read("demo", "clean_images")["inpainter"].to_pylist()) == {"opencv_inpaint_telea"}
    for stage in ("portrait_masks", "clean_images"):
        note = store.stage_record("demo", stage).notes[0]
        assert "not by" in note


def test_clean_pictures_are_as_large_as_the_originals(masked):
    store, posts = masked
    rows = {row["digest"]: row["clean_digest"] for row in store.tables.read("demo", "clean_images").to_pylist()}
    for post in posts[1:]:
        digest = post["image_digests"][0]
        original = decode_picture(store.blobs.get("original", digest))
        assert decode_picture(store.blobs.get("clean", rows[digest])).shape == original.shape


def test_an_unchanged_city_is_reused_and_new_posts_cost_their_own_pictures(store):
    posts = fill_city(store, posts_per_poi=4)
    build_portrait_masks(store, CITY, MASKS)
    assert build_portrait_masks(store, CITY, MASKS).is_reused
    new = store.blobs.put("original", encoded(pixels(99)))
    put_city(store, [poi(0)], [*posts, curated_post(99, 0, 50, [new])])
    report = build_portrait_masks(store, CITY, MASKS)
    assert report.counts["new"] == 1
    assert report.counts["pictures"] == 13


@pytest.mark.fault("S9")
def test_a_changed_setting_computes_every_picture_anew(store):
    fill_city(store, posts_per_poi=2)
    build_portrait_masks(store, CITY, MASKS)
    report = build_portrait_masks(store, CITY, MASKS.model_copy(update={"dilation_ratio": 0.1}))
    assert report.counts["new"] == report.counts["pictures"] == 6


@pytest.mark.fault("M1")
def test_pictures_that_cannot_be_read_are_counted_and_their_posts_dropped(store):
    cut = store.blobs.put("original", encoded(pixels(1, (400, 400)))[:900])
    gone = store.blobs.put("original", b"gone")
    store.blobs.remove("original", gone)
    good = store.blobs.put("original", encoded(pixels(2)))
    posts = [curated_post(1, 0, 1, [cut]), curated_post(2, 0, 2, [gone]), curated_post(3, 0, 3, [cut, good])]
    put_city(store, [poi(0)], posts)
    report = build_portrait_masks(store, CITY, MASKS)
    assert report.counts["dropped/truncated"] == report.counts["dropped/original_gone"] == 1
    assert build_clean_images(store, CITY, CLEAN).counts["pictures"] == 1
    assert set(store.tables.read("demo", "drops")["post_key"].to_pylist()) == {key("post", 1), key("post", 2)}


def test_a_post_keeps_the_pictures_of_its_carousel_that_can_be_kept(store):
    posts = fill_city(store, posts_per_poi=2)
    portrait_digest = posts[0]["image_digests"][0]
    carousel = curated_post(50, 0, 9, [portrait_digest, posts[3]["image_digests"][0]])
    put_city(store, [poi(0)], [carousel])
    build_portrait_masks(store, CITY, MASKS)
    assert build_clean_images(store, CITY, CLEAN).counts["pictures/mostly_person"] == 1
    assert store.tables.read("demo", "drops").num_rows == 0


@pytest.mark.fault("S1")
def test_a_killed_run_loses_at_most_one_commit_and_goes_on(store, tmp_path):
    """SIGKILL after the third commit; the rerun does the rest only and ends with the table of an unbroken run."""
    fill_city(store, posts_per_poi=10)
    other = Store(tmp_path / "unbroken")
    fill_city(other, posts_per_poi=10)
    settings = MASKS.model_copy(update={"commit_every": 4})
    child = textwrap.dedent(f"""
        import os, pathlib, signal
        from pipeline.images.portrait_masks import PortraitMasksSettings, build_portrait_masks
        from pipeline.store import Store
        from pipeline.store.tables import Tables
        from tests.fakes.city import CITY
        append, calls = Tables.append, []
        def append_then_die(self, city, name, rows):
            append(self, city, name, rows)
            calls.append(name)
            if calls.count("portrait_masks") == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        Tables.append = append_then_die
        settings = PortraitMasksSettings(
            weights="builtin", num_workers=1, commit_every=4
        )
        build_portrait_masks(Store(pathlib.Path({str(store.root)!r})), CITY, settings)
    """)
    ended = subprocess.run([sys.executable, "-c", child], env={**os.environ, "PYTHONPATH": "."}, check=False)
    assert ended.returncode == -signal.SIGKILL
    num_kept = store.tables.read("demo", "portrait_masks").num_rows
    assert num_kept >= 12
    report = build_portrait_masks(store, CITY, settings)
    assert report.counts["new"] == 30 - num_kept
    build_portrait_masks(other, CITY, settings)
    assert store.tables.digest("demo", "portrait_masks") == other.tables.digest("demo", "portrait_masks")


def test_rows_that_were_deleted_are_made_again_and_no_others(store):
    posts = fill_city(store, posts_per_poi=2)
    build_portrait_masks(store, CITY, MASKS)
    digest = posts[3]["image_digests"][0]
    store.tables.delete("demo", "portrait_masks", f"digest = '{digest}'")
    report = build_portrait_masks(store, CITY, MASKS)
    assert (report.is_reused, report.counts["new"]) == (False, 1)
    assert len(outcomes(store, "portrait_masks")) == len(posts)


@pytest.mark.fault("S28")
@pytest.mark.parametrize("damage", [None, b"", b"another picture"], ids=["gone", "empty", "another"])
def test_a_lost_original_has_a_row_that_says_so_and_is_looked_at_when_it_is_there_again(store, caplog, damage):
    posts = fill_city(store, posts_per_poi=2)
    digest = posts[3]["image_digests"][0]
    path = store.blobs.path("original", digest)
    whole = path.read_bytes()
    path.unlink() if damage is None else path.write_bytes(damage)
    assert build_portrait_masks(store, CITY, MASKS).counts["pictures/original_gone"] == 1
    assert f"the first is {digest}" in caplog.text and "`mrlf run demo` makes them again" in caplog.text
    assert not path.exists() and build_portrait_masks(store, CITY, MASKS).is_reused
    store.blobs.put("original", whole)
    report = build_portrait_masks(store, CITY, MASKS)
    assert (report.counts["new"], report.counts.get("pictures/original_gone")) == (1, None)
    assert not store.tables.read("demo", "drops").num_rows
