"""Three splits: each holds out about a tenth twice, and keeps what it promises."""

import datetime as dt
from collections import Counter
from typing import get_args

import numpy as np
import pytest

from pipeline.study.posts import StudyPost
from pipeline.study.splits import SplitKind, days_of, split_by_day, split_of


def make_posts(number: int, *, seed: int = 0) -> list[StudyPost]:
    """Posts of some users over a year, some of which share a picture."""
    rng = np.random.default_rng(seed)
    return [
        StudyPost(
            post_key=f"{row:04d}",
            user_key=f"u{rng.integers(number // 3)}",
            label=int(rng.integers(4)),
            taken_utc=dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=int(rng.integers(8000))),
            caption="",
            hashtags=(),
            image_digests=(f"p{row - int(rng.random() < 0.02)}",),
        )
        for row in range(number)
    ]


@pytest.mark.parametrize("kind", get_args(SplitKind))
def test_about_a_tenth_is_held_out_twice(kind):
    counted = Counter(split_of(make_posts(300), kind, 0))
    assert counted.total() == 300
    assert 15 <= counted["validation"] <= 45
    assert 15 <= counted["test"] <= 45


@pytest.mark.parametrize("seed", range(4))
def test_by_user_no_user_and_no_picture_is_on_two_sides(seed):
    posts = make_posts(300, seed=seed)
    splits = split_of(posts, "user", seed)
    for of in (lambda post: post.user_key, lambda post: post.image_digests[0]):
        sides = {(of(post), split) for post, split in zip(posts, splits, strict=True)}
        assert len(sides) == len({of(post) for post in posts})


def test_by_user_near_duplicates_are_on_one_side_and_at_random_on_any():
    posts = make_posts(300)
    pairs = [(row, row + 150) for row in range(50)]
    near = {posts[row].post_key: [f"copy {pair[0]}"] for pair in pairs for row in pair}

    def num_torn(kind, names):
        splits = split_of(posts, kind, 1, names)
        return sum(splits[one] != splits[other] for one, other in pairs)

    assert num_torn("user", near) == 0
    assert num_torn("user", {}) > 5 and num_torn("random", near) > 5


def test_at_random_users_are_on_both_sides():
    posts = make_posts(300)
    splits = split_of(posts, "random", 0)
    users = {side: {p.user_key for p, s in zip(posts, splits, strict=True) if s == side} for side in ("train", "test")}
    assert users["train"] & users["test"]


def test_in_time_the_test_is_the_newest():
    posts = make_posts(300)
    splits = split_of(posts, "time", 0)
    days = {
        side: [p.taken_utc.date() for p, s in zip(posts, splits, strict=True) if s == side] for side in set(splits)
    }
    assert max(days["train"]) <= min(days["validation"]) <= max(days["validation"]) <= min(days["test"])


@pytest.mark.fault("T13")
def test_by_day_no_day_and_no_picture_is_on_two_sides_but_for_pictures_shown_again():
    posts = make_posts(300)
    splits = split_by_day(posts)
    assert len({(post.image_digests[0], split) for post, split in zip(posts, splits, strict=True)}) == len(
        {post.image_digests[0] for post in posts}
    )
    alone = [post for post in posts if sum(other.image_digests == post.image_digests for other in posts) == 1]
    sides = set(zip(days_of(alone), split_by_day(alone), strict=True))
    assert len(sides) == len({day for day, _ in sides})


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "differs"), [("user", True), ("random", True), ("time", False)])
def test_a_seed_draws_another_split_where_there_is_chance(kind, differs):
    posts = make_posts(300)
    assert split_of(posts, kind, 0) == split_of(posts, kind, 0)
    assert (split_of(posts, kind, 0) != split_of(posts, kind, 1)) == differs
