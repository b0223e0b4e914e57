"""What belongs together when posts are drawn again for an interval, or cut into folds: a user, a month or a day.

Posts of one user resemble each other, and of one outing all the more. A data set that is split by user asks about
other users, so users are drawn. One that is split in time asks about other days of the same users, so days or months
are. Posts that show the same picture, or one like it, stay together in folds whoever made them.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from pipeline.release.cut import SplitKind
from pipeline.release.split import linked_groups

Unit = Literal["user", "month", "day"]
MIN_MONTHS = 10
"""Fewer say too little of how far months differ: then days are drawn."""
NUM_FOLDS = 3
"""As many as `models.linear.wide` makes."""


def unit_of(kind: SplitKind, users: Sequence[str], days: Sequence[str]) -> Unit:
    """What intervals draw: users where the split is by user and there is more than one, else months, else days."""
    if kind == "user" and len(set(users)) > 1:
        return "user"
    return "month" if len({_month(day) for day in days}) >= MIN_MONTHS else "day"


def groups_of(unit: Unit, users: Sequence[str], days: Sequence[str]) -> list[str]:
    """The group of each post."""
    if unit == "user":
        return list(users)
    return list(days) if unit == "day" else [_month(day) for day in days]


def fold_groups(
    kind: SplitKind,
    users: Sequence[str],
    days: Sequence[str],
    keys: Sequence[str],
    pictures: Sequence[Sequence[str]] | None = None,
) -> list[str]:
    """The group of each post that folds are made of.

    The posts of a user with more than a fold's share are cut by day, so that no fold is one user's. Where not even
    that makes as many groups as there are folds, every post is a group. pictures: names of what each post shows;
    groups with one in common are one group, of the first's name.
    """
    groups = groups_of(unit_of(kind, users, days), users, days)
    counted = Counter(groups)
    heavy = {group for group in counted if counted[group] > len(groups) / NUM_FOLDS}
    groups = [f"{group} {day}" if group in heavy else group for group, day in zip(groups, days, strict=True)]
    linked = _linked(groups, pictures)
    return linked if len(set(linked)) >= NUM_FOLDS else _linked(keys, pictures)


def _linked(groups: Sequence[str], pictures: Sequence[Sequence[str]] | None) -> list[str]:
    if pictures is None:
        return list(groups)
    numbers = linked_groups(groups, pictures).tolist()
    first = dict(zip(reversed(numbers), reversed(groups), strict=True))
    return [first[number] for number in numbers]


def groups_in(
    split: str,
    kind: SplitKind,
    users: Sequence[str],
    days: Sequence[str],
    keys: Sequence[str],
    pictures: Sequence[Sequence[str]] | None = None,
) -> list[str]:
    """The group of each post of one split: what intervals draw in the test, what folds keep together elsewhere."""
    if split == "test":
        return groups_of(unit_of(kind, users, days), users, days)
    return fold_groups(kind, users, days, keys, pictures)


def _month(day: str) -> str:
    return day[:7]
