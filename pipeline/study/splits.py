"""Three ways to split a city's posts; the paper does not say which one it used.

random: posts are drawn one by one, so the posts of one user and copies of one picture are on both sides.
user:   as the release does it: no user, no picture and no near-duplicate of a released picture on two sides.
time:   the oldest 80 % train, the next 10 % validate, the newest 10 % test; where the release is split in time, as
        it does it: whole days, and a picture that is shown again counts on its first day.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from pipeline.release.cut import split_in_time
from pipeline.release.split import linked_groups, split_posts
from pipeline.study.posts import StudyPost

SplitKind = Literal["random", "time", "user"]
NO_NAMES: Mapping[str, Sequence[str]] = {}


def split_of(
    posts: Sequence[StudyPost], kind: SplitKind, seed: int, near: Mapping[str, Sequence[str]] = NO_NAMES
) -> list[str]:
    """The split of each post: `train`, `validation` or `test`.

    near: post_key -> the names that its picture bears together with its near-duplicates.

    Raises:
        SplitError: there are too few independent posts.
    """
    labels = [post.label for post in posts]
    if kind == "time":
        return _by_time(posts)
    if kind == "random":
        return split_posts(labels, np.arange(len(posts), dtype=np.int64), seed=seed)
    groups = linked_groups([post.user_key for post in posts], _pictures(posts, near))
    return split_posts(labels, groups, seed=seed)


def split_by_day(posts: Sequence[StudyPost], near: Mapping[str, Sequence[str]] = NO_NAMES) -> list[str]:
    """The split of each post in time, whole days, no picture in two.

    Raises:
        SplitError: there are too few days.
    """
    groups = linked_groups([post.post_key for post in posts], _pictures(posts, near))
    return split_in_time([post.label for post in posts], days_of(posts), groups)


def days_of(posts: Sequence[StudyPost]) -> list[str]:
    """The day of each post, UTC."""
    return [post.taken_utc.strftime("%Y-%m-%d") for post in posts]


def _pictures(posts: Sequence[StudyPost], near: Mapping[str, Sequence[str]]) -> list[list[str]]:
    return [[*post.image_digests, *near.get(post.post_key, ())] for post in posts]


def _by_time(posts: Sequence[StudyPost]) -> list[str]:
    """Days, not hours: what was taken on one day is ordered by key alone."""
    order = sorted(range(len(posts)), key=lambda row: (posts[row].taken_utc.date(), posts[row].post_key))
    splits = ["train"] * len(posts)
    num_held_out = max(1, len(posts) // 10)
    for row in order[-2 * num_held_out : -num_held_out]:
        splits[row] = "validation"
    for row in order[-num_held_out:]:
        splits[row] = "test"
    return splits
