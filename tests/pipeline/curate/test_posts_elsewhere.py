"""Posts made elsewhere: those of POIs below the floor, in no data set, of which the picture stages see one picture."""

import pytest

from pipeline.curate import elsewhere
from pipeline.curate.elsewhere import elsewhere_pictures, elsewhere_posts
from tests.fakes.town import CITY
from tests.pipeline.curate.test_curated_posts import build, reasons, town  # noqa: F401 (a fixture)

pytestmark = pytest.mark.fault("N22")


def test_they_are_the_posts_below_the_floor_and_none_that_lacks_something(town):  # noqa: F811
    town.archive.post(4, caption="#harbour #morning")  # no text
    build(town, min_posts_per_poi=4)
    assert list(reasons(town).values()).count("poi_below_floor") == 3
    posts, stored = elsewhere_posts(town.store, CITY.key), town.posts()
    assert [post.post_key for post in posts] == sorted(town.key(number) for number in (1, 2, 3))
    assert {post.caption for post in posts} == {"a fine morning at the harbour"}
    assert [post.digest for post in posts] == [stored[post.post_key]["image_digests"][0] for post in posts]
    assert {post.digest for post in posts} == elsewhere_pictures(town.store, CITY.key)


def test_where_every_poi_is_above_the_floor_there_are_none(town):  # noqa: F811
    build(town)
    assert elsewhere_posts(town.store, CITY.key) == []


def test_no_more_are_looked_at_than_the_limit(town, monkeypatch):  # noqa: F811
    monkeypatch.setattr(elsewhere, "MAX_POSTS", 2)
    build(town, min_posts_per_poi=4)
    assert len(elsewhere_posts(town.store, CITY.key)) == 2
