"""The split into train, validation and test: 80/10/10, stratified by class; no user or picture is in two of them."""

import warnings
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StageError

SPLITS = ("train", "validation", "test")
NUM_FOLDS = 10


class SplitError(StageError):
    """There are too few independent groups of posts to split them."""


def linked_groups(users: Sequence[str], pictures: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """The number of the group of each post: posts that share a user or a picture, directly or in a chain."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    holders: dict[tuple[str, str], list[int]] = defaultdict(list)
    for post, (user, digests) in enumerate(zip(users, pictures, strict=True)):
        holders["user", user].append(post)
        for digest in digests:
            holders["picture", digest].append(post)
    pairs = [(posts[0], post) for posts in holders.values() for post in posts[1:]]
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    links = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(len(users), len(users)))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def split_posts(labels: Sequence[int], groups: NDArray[np.int64], *, seed: int) -> list[str]:
    """The split of each post: folds of about a tenth each, stratified and grouped; one is validation, one is test.

    A group that is larger than a tenth by itself stays in train, where enough others are left: held out, it alone
    would be the test.

    Raises:
        SplitError: there are fewer than three groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    free = np.flatnonzero(np.bincount(groups)[groups] <= len(labels) / NUM_FOLDS)
    if len(set(groups[free].tolist())) < NUM_FOLDS:
        free = np.arange(len(labels))
    num_free = len(set(groups[free].tolist()))
    if num_free < len(SPLITS):
        raise SplitError(
            f"{len(labels)} posts form only {num_free} groups that share no user and no picture: "
            f"{len(SPLITS)} are needed for train, validation and test; collect posts of more users"
        )
    num_folds = min(num_free, max(len(SPLITS), round(NUM_FOLDS * len(free) / len(labels))))
    folds = StratifiedGroupKFold(n_splits=num_folds, shuffle=True, random_state=seed)
    splits = np.full(len(labels), "train", dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class smaller than the number of folds is no fault here
        parts = [free[held_out] for _, held_out in folds.split(free, np.asarray(labels)[free], groups[free])]
    splits[parts[0]], splits[parts[1]] = "test", "validation"
    return list(splits)
