"""How a data set is cut: by user where enough users posted, else in time, never unevenly without a word."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.release.cut import Cut, Posts, cut_posts, split_in_time
from pipeline.release.split import SPLITS, SplitError, is_uneven, split_posts


def make_posts(users, days, *, num_labels=4, pictures=None) -> Posts:
    """Posts of these users on these days (numbers), in turn of each label, each with a picture of its own."""
    return Posts(
        labels=[row % num_labels for row in range(len(users))],
        users=[f"user{user}" for user in users],
        days=[(date(2025, 1, 1) + timedelta(days=int(day))).isoformat() for day in days],
        pictures=pictures or [[f"p{row}"] for row in range(len(users))],
    )


def sizes(cut: Cut) -> list[int]:
    return [cut.splits.count(split) for split in SPLITS]


@pytest.mark.fault("T13")
@pytest.mark.parametrize("choice", ["auto", "time"])
def test_an_archive_of_one_user_is_cut_in_time(choice):
    days = np.random.default_rng(0).integers(0, 80, 400)
    posts = make_posts([0] * 400, days)
    cut = cut_posts(posts, choice, seed=0)
    assert cut.kind == "time" and not is_uneven(cut.splits)
    own = {
        split: {day for day, other in zip(posts.days, cut.splits, strict=True) if other == split} for split in SPLITS
    }
    assert max(own["train"]) < min(own["validation"]) <= max(own["validation"]) < min(own["test"])


@pytest.mark.fault("T13")
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), num_days=st.integers(3, 40))
def test_in_time_no_day_is_in_two_splits_and_none_is_empty(seed, num_days):
    rng = np.random.default_rng(seed)
    days = [*range(num_days), *rng.integers(0, num_days, 30).tolist()]
    splits = split_in_time([0] * len(days), [f"{day:02d}" for day in days], np.arange(len(days)))
    assert set(splits) == set(SPLITS)
    assert len(set(zip(days, splits, strict=True))) == num_days
    assert [SPLITS.index(split) for _, split in sorted(zip(days, splits, strict=True))] == sorted(
        SPLITS.index(split) for split in splits
    )


@pytest.mark.fault("T13")
def test_the_borders_between_days_are_those_nearest_to_the_shares():
    days = [0] * 5 + [1] * 74 + [2] * 3 + [3] * 9 + [4] * 8 + [5]
    assert Counter(split_in_time([0] * 100, [str(day) for day in days], np.arange(100))) == {
        "train": 82,
        "validation": 9,
        "test": 9,
    }


@pytest.mark.fault("T13")
def test_a_picture_shown_again_later_counts_on_its_first_day_and_no_post_is_lost():
    """The last post shows what one of the past shows, and one before it what that one shows: a chain over all days."""
    pictures = [[f"p{row}"] for row in range(100)]
    pictures[20], pictures[85], pictures[99] = ["a"], ["a", "b"], ["b"]
    cut = cut_posts(make_posts([0] * 100, range(100), pictures=pictures), "auto", seed=0)
    assert {cut.splits[row] for row in (20, 85, 99)} == {"train"} and len(cut.splits) == 100
    assert cut.num_early == 2 and any("2 posts are in an earlier split" in note for note in cut.remarks)


@pytest.mark.fault("T13")
def test_the_time_of_the_day_and_the_order_of_posts_do_not_matter():
    days = np.random.default_rng(1).integers(0, 30, 200)
    order = np.random.default_rng(2).permutation(200)
    names, alone = [f"{day:02d}" for day in days], np.arange(200)
    splits = split_in_time([0] * 200, names, alone)
    assert split_in_time([0] * 200, [names[row] for row in order], alone) == [splits[row] for row in order]


@pytest.mark.fault("T14")
def test_a_dominant_account_beside_five_others_is_never_the_test():
    """Its posts are mostly of one place; until now 22 posts trained, 5 validated and all its 271 were the test."""
    users = [0] * 271 + [1 + row % 5 for row in range(27)]
    labels = [0] * 200 + [row % 4 for row in range(98)]
    posts = replace(make_posts(users, [row % 90 for row in range(298)]), labels=labels)
    cut = cut_posts(posts, "user", seed=0)
    assert set(cut.splits[:271]) == {"train"} and min(sizes(cut)) > 4
    assert any("leave their shares" in note for note in cut.remarks)
    in_time = cut_posts(posts, "auto", seed=0)
    assert in_time.kind == "time" and not is_uneven(in_time.splits) and "6 users" in in_time.reason


@pytest.mark.fault("T14")
@pytest.mark.parametrize("num_others", [10, 12, 40])
def test_where_only_the_dominant_account_has_enough_posts_auto_cuts_in_time(num_others):
    users = [0] * 900 + [1 + row for row in range(num_others)]
    cut = cut_posts(make_posts(users, [row % 60 for row in range(len(users))]), "auto", seed=0)
    assert cut.kind == "time" and not is_uneven(cut.splits)


@pytest.mark.fault("T14")
@settings(max_examples=15, deadline=None)
@given(counts=st.lists(st.integers(1, 120), min_size=1, max_size=14), num_days=st.integers(3, 50))
def test_no_split_leaves_its_share_by_a_third_without_a_word(counts, num_days):
    users = [user for user, count in enumerate([*counts, 2, 2]) for _ in range(count)]
    posts = make_posts(users, [(7 * row) % num_days for row in range(len(users))], num_labels=2)
    for choice in ("auto", "user", "time"):
        try:
            cut = cut_posts(posts, choice, seed=0)
        except SplitError:
            continue
        assert all(sizes(cut)), "an empty split"
        off = [abs(size / len(users) / share - 1) for size, share in zip(sizes(cut), (0.8, 0.1, 0.1), strict=True)]
        assert (max(off) > 1 / 3 + 1e-9) == any("leave their shares" in note for note in cut.remarks)


def test_many_users_are_cut_by_user_as_ever():
    users = np.random.default_rng(0).integers(0, 60, 600)
    posts = make_posts(users, np.arange(600) // 8)
    cut = cut_posts(posts, "auto", seed=3)
    assert cut.kind == "user"
    assert len(set(zip(posts.users, cut.splits, strict=True))) == len(set(posts.users))


@pytest.mark.fault("T14")
@pytest.mark.parametrize("num_users", [2, 5, 9])
def test_fewer_than_ten_users_are_cut_in_time(num_users):
    cut = cut_posts(
        make_posts([row % num_users for row in range(300)], [row // 5 for row in range(300)]), "auto", seed=0
    )
    assert cut.kind == "time" and not is_uneven(cut.splits) and f"{num_users} users" in cut.sentence


@pytest.mark.fault("T14")
@pytest.mark.parametrize(("users", "days"), [(range(12), [0] * 12), (range(12), range(12))])
def test_twelve_accounts_with_a_post_each_are_cut_by_user(users, days):
    cut = cut_posts(make_posts(users, days), "auto", seed=0)
    assert cut.kind == "user" and sizes(cut) == [10, 1, 1]


@pytest.mark.fault("T15")
def test_fewer_posts_of_a_class_than_folds_are_no_error():
    """Four classes of three posts in ten folds: sklearn refuses to stratify them."""
    assert set(split_posts([0, 1, 2, 3] * 3, np.arange(12), seed=0)) == set(SPLITS)
    assert set(split_posts([0, 1, 2], np.arange(3), seed=0)) == set(SPLITS)


@pytest.mark.fault("T15")
@pytest.mark.parametrize(
    ("users", "days", "choice", "said"),
    [
        ([0] * 40, [0] * 40, "auto", "only 1 group .*only 1 day"),
        ([0, 1] * 20, [0] * 40, "auto", "only 2 groups.*only 1 day"),
        ([0] * 40, [row % 2 for row in range(40)], "time", "only 2 days"),
        ([0, 1] * 20, range(40), "user", "only 2 groups"),
    ],
)
def test_what_cannot_be_cut_is_refused_with_the_numbers(users, days, choice, said):
    with pytest.raises(SplitError, match=said):
        cut_posts(make_posts(users, days), choice, seed=0)


@pytest.mark.fault("T13")
@pytest.mark.parametrize(("num_late", "wanted"), [(40, [80, 10, 10]), (10, [91, 4, 5]), (3, [98, 1, 1])])
def test_train_reaches_to_the_first_day_of_a_second_place(num_late, wanted):
    posts = replace(make_posts([0] * 100, range(100)), labels=[0] * (100 - num_late) + [1] * num_late)
    cut = cut_posts(posts, "auto", seed=0)
    assert cut.kind == "time" and sorted(sizes(cut)) == sorted(wanted)
    assert is_uneven(cut.splits) == any("leave their shares" in note for note in cut.remarks)


@pytest.mark.fault("T15")
@pytest.mark.parametrize("num_late", [1, 2])
def test_a_second_place_on_the_last_days_alone_is_refused(num_late):
    posts = replace(make_posts([0] * 100, range(100)), labels=[0] * (100 - num_late) + [1] * num_late)
    with pytest.raises(SplitError, match="fewer than two days with posts follow"):
        cut_posts(posts, "time", seed=0)


@pytest.mark.fault("T15")
def test_users_of_one_place_each_are_refused_where_one_would_train():
    posts = make_posts([0, 1, 2] * 5, [0] * 15, num_labels=3)
    with pytest.raises(SplitError, match="training posts are of one place"):
        cut_posts(posts, "user", seed=0)


@pytest.mark.fault("T14")
def test_of_several_numbers_of_folds_the_one_nearest_to_the_shares_is_taken():
    """Three folds of five users of equal size would hold out two users at once."""
    cut = cut_posts(make_posts([row % 5 for row in range(100)], [0] * 100), "user", seed=0)
    assert sizes(cut) == [60, 20, 20]


@pytest.mark.fault("T14")
def test_few_users_on_one_day_are_cut_by_user_and_the_uneven_shares_are_told():
    cut = cut_posts(make_posts([row % 4 for row in range(80)], [0] * 80), "auto", seed=0)
    assert cut.kind == "user" and sizes(cut) == [40, 20, 20]
    assert "only 1 day" in cut.sentence and "leave their shares" in cut.remarks[0]


@pytest.mark.fault("T15")
@pytest.mark.parametrize(
    ("users", "days", "choice", "is_offered"),
    [
        pytest.param([0] * 9, range(9), "user", True, id="one user over days"),
        pytest.param(range(9), [0] * 9, "time", True, id="a day of many users"),
        pytest.param([0] * 9, [0] * 9, "user", False, id="neither by user"),
        pytest.param([0] * 9, [0] * 9, "time", False, id="neither in time"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_with_the_other_only_where_that_can(users, days, choice, is_offered):
    with pytest.raises(SplitError) as refused:
        cut_posts(make_posts(users, days), choice, seed=0)
    assert ("set split: auto" in str(refused.value)) == is_offered


@pytest.mark.fault("T18")
def test_an_uneven_split_that_was_asked_for_tells_what_the_other_kind_would_give():
    """Three users notes 35, 32 and 32 %; until now it was not said that days would give 80, 10 and 10."""
    posts = make_posts([0] * 36 + [1] * 32 + [2] * 32, range(100))
    (note,) = cut_posts(posts, "user", seed=0).remarks
    assert "They are train 36.0%, validation 32.0%, test 32.0%; split in time they would be train 80.0%" in note
    assert note.endswith("set split: auto for dataset in cities.yaml")
    for days in ([0] * 100, [0] * 34 + [1] * 33 + [2] * 33):  # in time there is no split, or a worse one
        (alone,) = cut_posts(make_posts([0] * 36 + [1] * 32 + [2] * 32, days), "user", seed=0).remarks
        assert "set split" not in alone


@pytest.mark.fault("T18")
@pytest.mark.parametrize("seed", range(4))
def test_by_user_two_places_are_trained_on_where_any_choice_of_users_leaves_two(seed):
    """One of four users alone posted at the second place; held out, it would leave nothing to tell apart."""
    posts = replace(make_posts([row % 4 for row in range(40)], [0] * 40), labels=[row % 4 // 3 for row in range(40)])
    cut = cut_posts(posts, "user", seed=seed)
    assert {label for label, split in zip(posts.labels, cut.splits, strict=True) if split == "train"} == {0, 1}
