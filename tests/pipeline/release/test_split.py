"""The split: no user and no picture in two parts, every class as even as its groups allow, equal for equal seeds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.release.split import SPLITS, SplitError, linked_groups, split_posts


def test_posts_are_linked_by_user_by_picture_and_in_chains():
    groups = linked_groups(["a", "a", "b", "c", "d"], [["1"], ["2"], ["2"], ["3", "4"], ["5"]])
    assert groups[0] == groups[1] == groups[2]
    assert len({groups[0], groups[3], groups[4]}) == 3


@pytest.mark.fault("I11")
@pytest.mark.fault("T2")
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_no_user_and_no_picture_is_in_two_splits(seed):
    rng = np.random.default_rng(seed)
    users = [f"u{user}" for user in rng.integers(0, 60, 300)]
    pictures = [[f"p{picture}"] for picture in rng.integers(0, 900, 300)]
    labels = rng.integers(0, 5, 300).tolist()
    splits = split_posts(labels, linked_groups(users, pictures), seed=seed)
    for holders in (users, [picture for (picture,) in pictures]):
        seen: dict[str, str] = {}
        for holder, split in zip(holders, splits, strict=True):
            assert seen.setdefault(holder, split) == split


def test_a_tenth_each_is_held_out_of_every_class():
    labels = [label for label in range(4) for _ in range(200)]
    splits = np.array(split_posts(labels, np.arange(800), seed=0))
    for label in range(4):
        counts = [(splits[np.array(labels) == label] == split).sum() for split in SPLITS]
        assert counts == [160, 20, 20]


@pytest.mark.fault("S6")
def test_equal_seeds_give_equal_splits_and_others_do_not():
    labels, groups = [0, 1] * 100, np.arange(200)
    assert split_posts(labels, groups, seed=3) == split_posts(labels, groups, seed=3)
    assert split_posts(labels, groups, seed=3) != split_posts(labels, groups, seed=4)


@pytest.mark.fault("T19")
def test_another_seed_draws_another_split_of_users_of_whom_few_have_most_posts():
    rng = np.random.default_rng(0)
    groups = rng.choice(120, 800, p=1 / np.arange(1, 121) ** 0.6 / (1 / np.arange(1, 121) ** 0.6).sum())
    labels = (groups * 7 + rng.integers(0, 3, 800)) % 18
    drawn = np.array([split_posts(labels.tolist(), groups, seed=seed) for seed in range(40)])
    is_test = drawn == "test"
    shared = (is_test[:, None] & is_test[None]).sum(axis=2) / is_test.sum(axis=1)[:, None]
    assert 0.06 < shared[~np.eye(40, dtype=bool)].mean() < 0.14, "chance is 0.1"
    for group in np.argsort(-np.bincount(groups))[:6]:
        places = drawn[:, np.flatnonzero(groups == group)[0]]
        assert set(places) == set(SPLITS) and 24 <= (places == "train").sum() <= 39
    assert all(abs((part == "test").mean() - 0.1) < 0.03 for part in drawn)


@pytest.mark.fault("T1")
def test_a_class_of_one_or_two_posts_is_no_fault():
    splits = split_posts([0] * 50 + [1, 1] + [2], np.arange(53), seed=0)
    assert set(splits) == set(SPLITS)


@pytest.mark.fault("T1")
def test_a_class_of_one_users_posts_is_in_one_split():
    groups = np.concatenate([np.arange(50), np.full(12, 50)])
    splits = np.array(split_posts([0] * 50 + [1] * 12, groups, seed=0))
    assert set(splits) == set(SPLITS) and len(set(splits[50:])) == 1


@pytest.mark.fault("T2")
def test_pictures_of_one_sidecar_and_a_chain_of_shared_ones_stay_together():
    """Post 0 and 1 share the second picture of a sidecar, 1 and 2 a user, 2 and 3 a near-duplicate by its name."""
    users = ["a", "b", "b", "c", "d"]
    pictures = [["p0", "p1"], ["p1", "p2"], ["p3", "p3/p4"], ["p4", "p3/p4"], ["p5"]]
    groups = linked_groups(users, pictures)
    assert len(set(groups[:4])) == 1 and groups[4] != groups[0]


def test_a_user_with_a_fifth_of_all_posts_stays_in_train():
    groups = np.concatenate([np.zeros(40, dtype=np.int64), np.arange(1, 161)])
    splits = np.array(split_posts([0, 1] * 100, groups, seed=0))
    assert set(splits[:40]) == {"train"}
    assert [(splits == split).sum() for split in SPLITS] == [160, 20, 20]


@pytest.mark.fault("T1")
def test_too_few_groups_are_refused():
    with pytest.raises(SplitError, match="2 groups"):
        split_posts([0, 1, 0, 1], np.array([0, 0, 1, 1]), seed=0)
