"""What belongs together: users where users are asked about, else days or months; enough groups for the folds."""

import dataclasses

import numpy as np
import pytest

from models.linear.wide import NUM_FOLDS, folds_of
from pipeline.training import groups
from pipeline.training.groups import fold_groups, groups_in, groups_of, unit_of
from tests.models.synthetic import city


def days_from(count: int, *, of_months: int = 1) -> list[str]:
    """Ten days a month, one after the other."""
    days = [f"2025-{1 + month:02d}-{1 + day:02d}" for month in range(of_months) for day in range(10)]
    return [days[row % len(days)] for row in range(count)]


@pytest.mark.fault("T13")
@pytest.mark.parametrize(
    ("kind", "num_users", "num_months", "unit"),
    [
        ("user", 30, 12, "user"),
        ("user", 2, 12, "user"),
        ("user", 1, 2, "day"),
        ("user", 1, 12, "month"),
        ("time", 1, 9, "day"),
        ("time", 1, 10, "month"),
        ("time", 30, 2, "day"),
    ],
)
def test_intervals_draw_users_or_spans_of_time(kind, num_users, num_months, unit):
    users, days = [f"u{row % num_users}" for row in range(240)], days_from(240, of_months=num_months)
    assert unit_of(kind, users, days) == unit
    number = {"user": num_users, "day": 10 * num_months, "month": num_months}[unit]
    assert len(set(groups_of(unit, users, days))) == number


@pytest.mark.fault("T13")
@pytest.mark.parametrize("num_users", [1, 2])
@pytest.mark.parametrize("kind", ["user", "time"])
def test_the_posts_of_one_or_two_users_make_folds_by_day(kind, num_users):
    """With users as groups there was one fold, and preset `best` was the linear model after all its training."""
    users, days = [f"u{row % num_users}" for row in range(60)], days_from(60)
    samples = dataclasses.replace(city(60), groups=fold_groups(kind, users, days, [str(row) for row in range(60)]))
    folds = folds_of(samples, seed=0)
    assert sorted(np.unique(folds)) == list(range(NUM_FOLDS))
    groups_in_folds = set(zip(users, days, folds.tolist(), strict=True))
    assert len(groups_in_folds) == len(set(zip(users, days, strict=True)))


@pytest.mark.fault("T13")
def test_only_the_posts_of_a_dominant_user_are_cut_by_day():
    users = ["big"] * 40 + [f"u{row % 5}" for row in range(20)]
    found = fold_groups("user", users, days_from(60), [str(row) for row in range(60)])
    assert found[40:] == users[40:] and len(set(found[:40])) == 10


def test_many_users_are_left_as_they_are():
    users = [f"u{row % 30}" for row in range(240)]
    assert fold_groups("user", users, days_from(240), users) == users


def test_posts_of_one_day_are_groups_of_their_own():
    keys = [str(row) for row in range(9)]
    assert fold_groups("time", ["u"] * 9, ["2025-01-01"] * 9, keys) == keys


@pytest.mark.fault("T13")
def test_the_test_is_drawn_by_what_resembles_itself_and_never_by_single_posts():
    users, days, keys = ["u"] * 9, ["2025-01-01"] * 9, [str(row) for row in range(9)]
    assert groups_in("test", "time", users, days, keys) == days
    assert groups_in("train", "time", users, days, keys) == groups_in("validation", "user", users, days, keys) == keys


def test_the_number_of_folds_is_that_of_the_linear_experts():
    assert groups.NUM_FOLDS == NUM_FOLDS


@pytest.mark.fault("T25")
@pytest.mark.parametrize("kind", ["user", "time"])
def test_no_picture_crosses_the_folds_though_other_users_posted_it_on_other_days(kind):
    """Of 774 training posts of the demo city, 22 shared a picture with a post of another fold."""
    drawn = np.random.default_rng(0)
    users, days = [f"u{row % 40}" for row in range(240)], days_from(240, of_months=12)
    pictures = [[f"p{picture}"] for picture in drawn.permutation(np.r_[np.arange(228), np.arange(12)])]
    keys = [str(row) for row in range(240)]

    def crossing(found: list[str]) -> int:
        folds = folds_of(dataclasses.replace(city(240), groups=found), seed=0)
        return len({(shown[0], fold) for shown, fold in zip(pictures, folds, strict=True)}) - 228

    assert crossing(fold_groups(kind, users, days, keys)) > 0
    found = fold_groups(kind, users, days, keys, pictures)
    assert (
        crossing(found) == 0 and len(set(found)) >= len(set(groups_of(unit_of(kind, users, days), users, days))) - 12
    )
    assert groups_in("test", kind, users, days, keys, pictures) == groups_in("test", kind, users, days, keys)


@pytest.mark.fault("T25")
def test_where_posts_are_groups_of_their_own_those_of_one_picture_are_one():
    keys = [str(row) for row in range(9)]
    pictures = [["same"] if row < 3 else [str(row)] for row in range(9)]
    assert fold_groups("time", ["u"] * 9, ["2025-01-01"] * 9, keys, pictures) == ["0", "0", "0", *keys[3:]]
