"""The split into train, validation and test: 80/10/10, stratified by class; no user or picture is in two of them.

Near-duplicates count as one picture: the same photograph in another size or quality. A picture's mark is its
difference hash: 16 rows of 17 grey values, a bit for each that is brighter than the one before it (the idea of
N. Krawetz, 2013). Two pictures whose marks differ in few of the 256 bits are near-duplicates.
Covered: re-posts that were made smaller or compressed harder. Not covered: other crops, mirrored or drawn-over
pictures, and other photographs of the same place, which are to stay apart: those are what a model learns from.
"""

import io
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.errors import StageError

ROWS = 16
MAX_BITS = 12
"""of 256. Tried: 21 photographs at quality 30, or half as large, differed in 12 at most and in 2 mostly; at a third of
their size 1 of 21 in more. Different photographs differed in 75 and more, 950 drawn pictures of the demo in 14."""
BLOCK = 1024
MAX_THREADS = 16
SPLITS = ("train", "validation", "test")
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
MOST_UNEVEN = 1 / 3
"""How far a split may leave its share without a word, as a part of that share."""
NUM_FOLDS = 10


def mark_of(data: bytes) -> NDArray[np.bool_]:
    """The 256 bits of an encoded picture."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        picture.draft("L", (8 * ROWS, 8 * ROWS))
        grey = np.asarray(picture.convert("L").resize((ROWS + 1, ROWS), Image.Resampling.LANCZOS), dtype=np.int16)
    return (grey[:, 1:] > grey[:, :-1]).ravel()


def shared_names(digests: Sequence[str], read: Callable[[str], bytes], title: str) -> dict[str, list[str]]:
    """For each picture that has near-duplicates, a name for each of them that both bear."""
    names: dict[str, list[str]] = defaultdict(list)
    for pair in near_duplicates(digests, read, title):
        for digest in pair:
            names[digest].append("/".join(pair))
    return names


def near_duplicates(digests: Sequence[str], read: Callable[[str], bytes], title: str) -> list[tuple[str, str]]:
    """Pairs among these pictures that are near-duplicates of each other."""
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as threads:  # Pillow lets go of the interpreter
        found = threads.map(lambda digest: mark_of(read(digest)), digests)
        bar = tqdm(found, total=len(digests), desc=title, unit="picture", disable=None)
        marks = np.array(list(bar), dtype=np.bool_).reshape(-1, ROWS * ROWS)
    return [(digests[one], digests[other]) for one, other in close_pairs(marks)]


def close_pairs(marks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Row numbers of all pairs whose marks differ in at most MAX_BITS bits; a flat picture has no mark to go by.

    As signs, the product of two marks is the number of bits minus twice that of the differing ones.
    """
    signs = np.where(marks, 1.0, -1.0).astype(np.float32)
    has_mark = marks.sum(axis=1) > MAX_BITS
    least = marks.shape[1] - 2 * MAX_BITS
    pairs = []
    for start in range(0, len(marks), BLOCK):
        close = signs[start : start + BLOCK] @ signs[start:].T >= least
        one, other = np.nonzero(np.triu(close, 1) & has_mark[start : start + BLOCK, None] & has_mark[None, start:])
        pairs += [(start + int(i), start + int(j)) for i, j in zip(one, other, strict=True)]
    return pairs


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
    would be the test. Where few are left, as many folds are made as leave the shares least.

    Raises:
        SplitError: there are fewer than three groups.
    """
    free = np.flatnonzero(np.bincount(groups)[groups] <= len(labels) / NUM_FOLDS)
    if len(set(groups[free].tolist())) < NUM_FOLDS:
        free = np.arange(len(labels))
    num_free = len(set(groups[free].tolist()))
    if num_free < len(SPLITS):
        raise SplitError(
            f"{len(labels)} posts form only {num_free} {'group' if num_free == 1 else 'groups'} without a user or a "
            f"picture in common: {len(SPLITS)} are needed for train, validation and test; collect posts of more users"
        )
    most = min(num_free, max(len(SPLITS), round(NUM_FOLDS * len(free) / len(labels))))
    tried: list[list[str]] = []
    for num_folds in range(most, len(SPLITS) - 1, -1):
        folds = _folds(np.asarray(labels)[free], groups[free], num_folds, seed)
        tried.append(_held_out([free[fold] for fold in folds], labels))
        if not is_uneven(tried[-1]) and trains_two(labels, tried[-1]):
            break
    return min(tried, key=lambda splits: (not trains_two(labels, splits), unevenness(splits)))


def _folds(labels: NDArray[np.int64], groups: NDArray[np.int64], num_folds: int, seed: int) -> list[NDArray[np.int64]]:
    """Rows by fold, none empty while there are as many groups: about equal shares of the posts and of each class.

    The largest group first, each goes where the squares of these shares grow least, and by lot where that is equal.
    So every fold may be any; scikit-learn's StratifiedGroupKFold has the largest groups in the same fold for any seed.
    """
    drawn = np.random.default_rng(seed)
    labels, groups = (np.unique(numbers, return_inverse=True)[1] for numbers in (labels, groups))
    class_sizes, group_sizes = np.bincount(labels), np.bincount(groups)
    in_class, in_all = np.zeros((num_folds, len(class_sizes))), np.zeros(num_folds)
    rows_of = np.split(np.argsort(groups, kind="stable"), np.cumsum(group_sizes)[:-1])
    fold_of = np.empty(len(group_sizes), dtype=np.int64)
    for group in np.lexsort((drawn.random(len(group_sizes)), -group_sizes)):
        classes, counts = np.unique(labels[rows_of[group]], return_counts=True)
        growth = in_class[:, classes] @ (counts / class_sizes[classes] ** 2)
        growth += len(class_sizes) * in_all * (group_sizes[group] / len(labels) ** 2)
        fold = fold_of[group] = drawn.choice(np.flatnonzero(growth <= growth.min() * (1 + 1e-9)))
        in_class[fold, classes] += counts
        in_all[fold] += group_sizes[group]
    return [np.flatnonzero(fold_of[groups] == fold) for fold in range(num_folds)]


def _held_out(folds: Sequence[NDArray[np.int64]], labels: Sequence[int]) -> list[str]:
    """The first fold is test, the second validation; where these leave their shares, the two nearest to a tenth, of
    which the larger is the test. Where all that is left to train on is of one place, the two that leave two places.
    """
    nearest = sorted(folds, key=lambda rows: abs(len(rows) - len(labels) / NUM_FOLDS))[:2]
    for test, validation in (folds[:2], sorted(nearest, key=len, reverse=True)):
        splits = _holding_out(test, validation, len(labels))
        if not is_uneven(splits):
            break
    if trains_two(labels, splits):
        return splits
    others = (_holding_out(test, validation, len(labels)) for test, validation in permutations(folds, 2))
    return min((each for each in others if trains_two(labels, each)), key=unevenness, default=splits)


def _holding_out(test: NDArray[np.int64], validation: NDArray[np.int64], num_posts: int) -> list[str]:
    splits = np.full(num_posts, "train", dtype=object)
    splits[test], splits[validation] = "test", "validation"
    return list(splits)


def trains_two(labels: Sequence[int], splits: Sequence[str]) -> bool:
    """Whether the training posts are of two places or more, or all posts of one."""
    known = {label for label, split in zip(labels, splits, strict=True) if split == "train"}
    return len(known) > 1 or len(set(labels)) < 2


def shares(splits: Sequence[str]) -> dict[str, float]:
    """The part of the posts that each split has."""
    return {split: list(splits).count(split) / len(splits) for split in SPLITS}


def unevenness(splits: Sequence[str]) -> float:
    """How far a split leaves its share at most, as a part of that share: 0.5 where a tenth became 15 %."""
    return max(abs(share / SHARES[split] - 1) for split, share in shares(splits).items())


def is_uneven(splits: Sequence[str]) -> bool:
    """Whether a split leaves its share by more than `MOST_UNEVEN`."""
    return unevenness(splits) > MOST_UNEVEN + 1e-9
