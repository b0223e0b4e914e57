"""The stage study_data: what it computes, that nothing unmasked is left behind, and what it refuses."""

import numpy as np
import pytest

from models.vision.backbones import fixed_seed_features
from models.vision.running import choose_running
from pipeline.errors import StageError
from pipeline.picture_bytes import decode_picture
from pipeline.release.read import latest_release
from pipeline.store import Store
from pipeline.study.posts import study_posts
from pipeline.study.study_data import StudyDataSettings, build_released_features, build_study_data, source_of
from pipeline.study.study_pictures import first_below
from tests.fakes.city import key
from tests.fakes.pictures import encoded, pixels
from tests.pipeline.study.study_town import BACKBONE, CITY, OTHER, STUDY_DATA

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # a town is built first


def rows_of(store: Store) -> dict[tuple[str, str, str], dict]:
    table = store.tables.read("demo", "study_features").to_pylist()
    return {(row["digest"], row["picture"], row["backbone"]): row for row in table}


def picture_of(store: Store, number: int) -> str:
    posts = study_posts(store, "demo", latest_release(store, "demo")).posts
    return next(post.image_digests[0] for post in posts if post.post_key == key("post", number))


def test_a_picture_of_which_nobody_knows_the_share_of_people_is_not_shown(town):
    post = study_posts(town, "demo", latest_release(town, "demo")).posts[0]
    (digest, *_) = post.image_digests
    assert first_below(post, {digest: 0.5}, 0.5) == digest
    assert first_below(post, {}, 0.5) is None


def test_every_kind_of_row_is_there_once(town):
    rows, posts = rows_of(town), study_posts(town, "demo", latest_release(town, "demo")).posts
    released = {post.image_digests[0] for post in posts if post.is_complete}
    outside = {post.image_digests[0] for post in posts if post.lost and "/" not in post.lost}
    every = {post.image_digests[0] for post in posts}
    expected = {(digest, "original", BACKBONE) for digest in every}
    expected |= {(digest, "clean", BACKBONE) for digest in outside} | {(digest, "clean", OTHER) for digest in released}
    assert rows.keys() == expected


def test_a_vector_is_that_of_the_picture_as_it_was_taken(town):
    digest = picture_of(town, 1000)
    source = fixed_seed_features(choose_running("torch", "fp32", "cpu"), image_size=32)
    expected = source([decode_picture(town.blobs.get("original", digest), source.input_side_px)])[0]
    found = np.frombuffer(rows_of(town)[digest, "original", BACKBONE]["vector"], dtype="<f2")
    assert np.allclose(found, expected, rtol=2e-3, atol=2e-3)


def test_a_picture_that_people_fill_has_a_ratio_and_no_clean_vector(town):
    row = rows_of(town)[picture_of(town, 1001), "clean", BACKBONE]
    assert row["outcome"] == "mostly_person"
    assert row["portrait_ratio"] > 0.5
    assert row["vector"] is None


def test_no_picture_is_written(town, bare):
    assert sorted(path.name for path in (town.root / "blobs").rglob("*")) == sorted(
        path.name for path in (bare.root / "blobs").rglob("*")
    )


def test_nothing_is_computed_twice_and_the_models_stay_as_they_are(town):
    before = town.tables.version("demo", "study_features")
    assert build_study_data(town, CITY, STUDY_DATA).is_reused
    town.forget_stage_record("demo", "study_data")
    report = build_study_data(town, CITY, STUDY_DATA)
    assert {name: count for name, count in report.counts.items() if name.startswith("new/")} == {
        f"new/clean/{OTHER}": 0,
        "new/clean": 0,
        "new/original": 0,
    }
    assert town.tables.version("demo", "study_features") == before


def test_what_was_computed_stays_when_the_originals_go(town):
    for path in (town.root / "blobs" / "original").rglob("*"):
        if path.is_file():
            path.unlink()
    town.forget_stage_record("demo", "study_data")
    assert build_study_data(town, CITY, STUDY_DATA).counts["new/original"] == 0


@pytest.mark.parametrize(("num_gone", "others"), [(1, ["vgg16"]), (3, [])])
def test_asked_for_too_late_it_is_refused_with_the_count_of_what_is_gone(bare, num_gone, others):
    posts = study_posts(bare, "demo", latest_release(bare, "demo")).posts
    for post in [post for post in posts if post.is_complete][:num_gone]:
        bare.blobs.remove("original", post.image_digests[0])
    with pytest.raises(StageError, match=rf"^{num_gone} of 6\d original pictures .* are gone"):
        build_study_data(bare, CITY, StudyDataSettings(backbones=others))
    computed = {(picture, backbone) for _, picture, backbone in rows_of(bare)}
    assert computed == {("clean", f"{name}_fixed_seed") for name in others}, "what needs no original is there"
    assert bare.stage_record("demo", "study_data") is None


def test_a_new_post_costs_its_own_picture(town):
    posts = town.tables.read("demo", "posts").to_pylist()
    digest = town.blobs.put("original", encoded(pixels(77, (96, 96))))
    post = next(post for post in posts if post["post_key"] == key("post", 1006))
    town.tables.append("demo", "posts", [{**post, "post_key": key("post", 2000), "image_digests": [digest]}])
    town.tables.append(
        "demo",
        "images",
        [
            {"digest": digest, "width": 96, "height": 96, "format": "JPEG", "num_bytes": 1, "outcome": "ok"},
        ],
    )
    town.tables.append(
        "demo",
        "drops",
        [
            {"post_key": key("post", 2000), "stage": "curated_posts", "reason": "no_hashtag"},
        ],
    )
    counts = build_study_data(town, CITY, STUDY_DATA).counts
    assert (counts["new/clean"], counts["new/original"]) == (1, 1)


def test_a_backbone_that_does_not_exist_is_refused(bare):
    with pytest.raises(StageError, match="no backbone vgg11"):
        build_study_data(bare, CITY, StudyDataSettings(backbones=["vgg11"]))


def test_without_a_release_it_says_what_to_do(store):
    with pytest.raises(StageError, match="there is no data set of demo"):
        build_study_data(store, CITY, STUDY_DATA)


def test_other_networks_take_their_weights_as_the_study_says(tmp_path):
    """The city's own would be an error here: they are required, and there are none."""
    stages = {
        "image_features": {"backbone": "efficientnet_lite0", "weights": "require"},
        "study_data": {"weights": "builtin"},
    }
    source = source_of(Store(tmp_path), CITY.model_copy(update={"stages": stages}), "vgg19")
    assert (source.name, source.settings.weights) == ("vgg19_fixed_seed", "builtin")


@pytest.mark.fault("N25")
def test_a_part_of_a_study_that_compares_networks_computes_their_features_and_no_other(bare):
    build_released_features(bare, CITY, ["vgg16"])
    assert {(picture, backbone) for _, picture, backbone in rows_of(bare)} == {("clean", OTHER)}
    assert bare.stage_record("demo", "study_data") is None, "the stage itself is not finished"
    counts = build_study_data(bare, CITY, STUDY_DATA).counts
    assert counts[f"new/clean/{OTHER}"] == 0 and counts["new/original"] > 0, "nothing is computed twice"
