"""How a data set is cut into train, validation and test: by user, or in time where too few users posted.

By user, no user and no picture is in two splits (`split.split_posts`): the test asks how good a model is on people it
never saw. In time, train is the past, and validation and test are what follows: the test asks how good it is on later
posts of the same people. Whole days (UTC) are kept together. Posts that share a picture or near-duplicates of one
count on the first day of them: a picture that is shown again is of the past, and no post is lost by it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.release.split import (
    NUM_FOLDS,
    SHARES,
    SPLITS,
    SplitError,
    is_uneven,
    linked_groups,
    shares,
    split_posts,
    trains_two,
    unevenness,
)

SplitChoice = Literal["auto", "user", "time"]
SplitKind = Literal["user", "time"]
MIN_DAYS = MIN_USERS = len(SPLITS)
OTHER: dict[SplitKind, SplitKind] = {"user": "time", "time": "user"}
IN_TIME_WORSE = "in time the shares would be further off"


@dataclass(frozen=True, kw_only=True)
class Posts:
    """What the cut looks at, a value per post.

    days: the day it was made, YYYY-MM-DD, UTC. pictures: names of what it shows; posts with one in common are linked.
    """

    labels: Sequence[int]
    users: Sequence[str]
    days: Sequence[str]
    pictures: Sequence[Sequence[str]]

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """The number of the group of each post: posts that share a user or a picture, also in a chain."""
        return linked_groups(self.users, self.pictures)

    @cached_property
    def picture_groups(self) -> NDArray[np.int64]:
        """The number of the group of each post: posts that share a picture, also in a chain."""
        return linked_groups([str(row) for row in range(len(self.users))], self.pictures)

    @property
    def num_independent(self) -> int:
        """Groups, without those that hold more than a tenth of all posts."""
        return int((np.bincount(self.groups) <= len(self.labels) / NUM_FOLDS).sum())


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The split of each post.

    reason: why it was cut by this kind. num_early: posts in an earlier split than others of their day or of days
    before, for the picture that they share with one; by user none is early. instead: the shares of the other kind,
    where this one was asked for and that one would be nearer to what is wanted.
    """

    kind: SplitKind
    reason: str
    splits: list[str]
    num_early: int = 0
    instead: str = ""

    @property
    def sentence(self) -> str:
        """How it was cut, why, and with what shares."""
        return f"{_by(self.kind)} ({self.reason}): {_in_words(self.splits)}"

    @property
    def remarks(self) -> list[str]:
        """What a reader of figures should know of it."""
        notes = []
        if is_uneven(self.splits):
            wanted = ", ".join(f"{share:.0%}" for share in SHARES.values())
            notes.append(
                f"the splits leave their shares of {wanted} by more than a third: figures on so few held-out posts, "
                f"or of so few training posts, are to be taken with care{self.instead}"
            )
        if self.num_early:
            notes.append(
                f"{self.num_early} posts are in an earlier split than their day, since they share a picture, or one "
                "like it, with a post of it"
            )
        return notes


def cut_posts(posts: Posts, choice: SplitChoice, *, seed: int) -> Cut:
    """The posts cut as chosen; `auto` takes user where `NUM_FOLDS` users or more are independent of each other and
    the shares come out, else time, and of two uneven cuts the one that is less so.

    Raises:
        SplitError: they cannot be cut so; the message has the numbers.
    """
    if choice != "auto":
        chosen = _cut(posts, choice, f"as split: {choice} says", _as_chosen(posts, choice, seed))
        return replace(chosen, instead=_instead(posts, chosen, seed))
    tried: dict[SplitKind, list[str]] = {}
    reasons: dict[SplitKind, str] = {}
    kinds: tuple[SplitKind, ...] = ("user", "time")
    for kind in kinds:
        try:
            tried[kind] = _splits(posts, kind, seed)
        except SplitError as error:
            reasons[kind] = str(error)
        if kind == "user" and kind in tried and posts.num_independent >= NUM_FOLDS and not is_uneven(tried["user"]):
            many = f"{posts.num_independent} groups of posts share no user and no picture"
            return _cut(posts, "user", many, tried["user"])
    if not tried:
        raise SplitError(f"neither by user nor in time can these posts be split. {'. '.join(reasons.values())}")
    kind = min(tried, key=lambda each: (is_uneven(tried[each]) and unevenness(tried[each]), each))
    against = _against_user(posts, tried.get("user"))
    return _cut(posts, kind, against if kind == "time" else reasons.get("time", IN_TIME_WORSE), tried[kind])


def _as_chosen(posts: Posts, kind: SplitKind, seed: int) -> list[str]:
    """The splits of this kind; where there are none, the error says whether the other kind could be had."""
    try:
        return _splits(posts, kind, seed)
    except SplitError as error:
        try:
            _splits(posts, OTHER[kind], seed)
        except SplitError:
            raise error from None
        raise SplitError(f"{error}, or set split: auto for dataset in cities.yaml") from error


def _instead(posts: Posts, chosen: Cut, seed: int) -> str:
    """What the other kind of split would give where this one is uneven; "" where it would be no better."""
    if not is_uneven(chosen.splits):
        return ""
    try:
        splits = _splits(posts, OTHER[chosen.kind], seed)
    except SplitError:
        return ""
    if unevenness(splits) >= unevenness(chosen.splits):
        return ""
    return (
        f". They are {_in_words(chosen.splits)}; {_by(OTHER[chosen.kind])} they would be {_in_words(splits)}: for "
        "that set split: auto for dataset in cities.yaml"
    )


def _by(kind: SplitKind) -> str:
    return "split by user" if kind == "user" else "split in time"


def _in_words(splits: Sequence[str]) -> str:
    """`train 80.2%, validation 9.9%, test 9.9%`."""
    return ", ".join(f"{name} {share:.1%}" for name, share in shares(splits).items())


def _cut(posts: Posts, kind: SplitKind, reason: str, splits: list[str]) -> Cut:
    num_early = _num_early(posts.days, splits) if kind == "time" else 0
    return Cut(kind=kind, reason=reason, splits=splits, num_early=num_early)


def _num_early(days: Sequence[str], splits: Sequence[str]) -> int:
    """Posts that were made on or after the first day of a later split."""
    first = {split: min(day for day, own in zip(days, splits, strict=True) if own == split) for split in SPLITS}
    begins = {"train": min(first["validation"], first["test"]), "validation": first["test"]}
    return sum(split in begins and day >= begins[split] for day, split in zip(days, splits, strict=True))


def _against_user(posts: Posts, splits: Sequence[str] | None) -> str:
    num_users, num_free = len(set(posts.users)), posts.num_independent
    if num_users < NUM_FOLDS:
        users = "1 user" if num_users == 1 else f"{num_users} users"
        return f"the posts are of {users}; a split by user needs {NUM_FOLDS}"
    if num_free < NUM_FOLDS or splits is None:
        return (
            f"{num_free} groups of posts that share no user and no picture hold at most a tenth of all each; "
            f"a split by user needs {NUM_FOLDS}"
        )
    counted = ", ".join(f"{name} {list(splits).count(name)}" for name in SPLITS)
    return f"by user the shares would be far off: {counted} posts"


def _splits(posts: Posts, kind: SplitKind, seed: int) -> list[str]:
    ways: dict[SplitKind, Callable[[], list[str]]] = {
        "user": lambda: split_posts(posts.labels, posts.groups, seed=seed),
        "time": lambda: split_in_time(posts.labels, posts.days, posts.picture_groups),
    }
    splits = ways[kind]()
    if not trains_two(posts.labels, splits):
        raise SplitError(
            f"{_by(kind)}, all {splits.count('train')} training posts are of one place: nothing can be told "
            "apart. Collect posts of more places of the same users and days"
        )
    return splits


def split_in_time(labels: Sequence[int], days: Sequence[str], groups: NDArray[np.int64]) -> list[str]:
    """The split of each post: the first days train, those that follow validate, the last ones test.

    days: sortable, a day per post. groups: posts of a group count on its first day. The borders lie between days,
    where the shares are nearest to 80, 10 and 10 %, and train has posts of two places if any has.

    Raises:
        SplitError: there are fewer than three days, or fewer than two after the first with a second place.
    """
    all_days, days_of_posts = np.unique(np.asarray(days), return_inverse=True)
    first_days = np.full(groups.max(initial=-1) + 1, len(all_days))
    np.minimum.at(first_days, groups, days_of_posts)
    used, counted_on, sizes = np.unique(first_days[groups], return_inverse=True, return_counts=True)
    if len(used) < MIN_DAYS:
        raise SplitError(
            f"{len(days)} posts are of only {len(used)} {'day' if len(used) == 1 else 'days'} (UTC; posts that share "
            f"a picture count on the first of theirs): {MIN_DAYS} are needed for train, validation and test; collect "
            "posts of more days"
        )
    begins = np.full(max(labels) + 1, len(used))
    np.minimum.at(begins, np.asarray(labels), counted_on)
    second = int(np.sort(begins)[1]) if len(set(labels)) > 1 else 0
    if second > len(used) - MIN_DAYS:
        raise SplitError(
            f"in time, all posts before {all_days[used[second]]} are of one place, and fewer than two days with posts "
            "follow it to validate and test on: collect earlier posts of other places, or later posts"
        )
    last_train, last_validation = _borders(np.cumsum(sizes), second)
    return [SPLITS[int(day > last_train) + int(day > last_validation)] for day in counted_on.tolist()]


def _borders(ends: NDArray[np.int64], least: int) -> tuple[int, int]:
    """The last day of train, from `least` on, and of validation, by the number of posts up to the end of each day."""
    total, num_days = int(ends[-1]), len(ends)
    best, lowest = (least, least + 1), np.inf
    for last_validation in range(least + 1, num_days - 1):
        wanted = ends[last_validation] - SHARES["validation"] * total
        near = int(np.searchsorted(ends[:last_validation], wanted))
        for last_train in (max(least, near - 1), max(least, min(near, last_validation - 1))):
            sizes = np.diff([0, ends[last_train], ends[last_validation], total])
            off = max(abs(size / total / share - 1) for size, share in zip(sizes, SHARES.values(), strict=True))
            if off < lowest:
                best, lowest = (last_train, last_validation), off
    return best
