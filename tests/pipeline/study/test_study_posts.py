"""The posts of a study: all of the release, and of the others those that only lack something."""

import pytest

from pipeline.release.read import latest_release
from pipeline.store import Store
from pipeline.study.posts import study_posts
from tests.fakes.city import key
from tests.pipeline.study.study_town import CITY, EXTRAS, STAYS_OUT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # a town is built first


@pytest.fixture
def all_posts(whole_town):
    store = Store(whole_town)
    return study_posts(store, "demo", latest_release(store, CITY.key))


def test_every_post_of_the_release_is_there_and_complete(all_posts, whole_town):
    released = latest_release(Store(whole_town), "demo").posts.to_pylist()
    complete = {post.post_key: post for post in all_posts.posts if post.is_complete}
    assert complete.keys() == {row["post_key"] for row in released}
    assert all(complete[row["post_key"]].label == row["label"] for row in released)
    assert all(complete[row["post_key"]].caption == row["caption"] for row in released)


@pytest.mark.parametrize("number", EXTRAS)
def test_a_post_outside_the_release_keeps_its_reason_or_stays_out(all_posts, number):
    found = {post.post_key: post.lost for post in all_posts.posts}
    expected = None if number in STAYS_OUT else EXTRAS[number].lost
    assert found.get(key("post", number)) == expected


def test_a_picture_that_people_fill_is_a_reason_of_its_stage(all_posts):
    (lost,) = [post for post in all_posts.posts if post.lost.startswith("clean_images")]
    assert lost.lost == "clean_images/mostly_person"
    assert lost.lacks_modality
    assert not lost.is_complete


def test_another_language_is_no_missing_modality(all_posts):
    (post,) = [post for post in all_posts.posts if post.lost == "not_english"]
    assert not post.lacks_modality
    assert "#" not in post.caption


def test_rare_hashtags_are_kept_and_counted(all_posts):
    post = next(post for post in all_posts.posts if post.is_complete)
    rare = [tag for tag in post.hashtags if tag.startswith("rare")]
    assert [all_posts.hashtag_counts[tag] for tag in rare] == [1]
    assert all_posts.hashtag_counts["town"] > 50
