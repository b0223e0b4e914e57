"""Which model answers: the linear one takes MRLF's place where it is better by more than chance, and only there."""

import dataclasses

import numpy as np
import pytest

from models.data.samples import Samples
from pipeline.training.choice import (
    MIN_GROUPS,
    NUM_FOLDS,
    Choice,
    as_asked,
    cross_validated,
    is_cross_validated,
    on_validation,
)
from pipeline.training.groups import groups_in

pytestmark = pytest.mark.fault("N6")


def validation(num_posts: int, posts_per_user: int = 1) -> Samples:
    """Posts of place 0."""
    return Samples(
        keys=[str(number) for number in range(num_posts)],
        captions=[""] * num_posts,
        hashtags=[[]] * num_posts,
        image_ND=np.zeros((num_posts, 1), dtype=np.float32),
        labels_N=np.zeros(num_posts, dtype=np.int64),
        groups=[f"user {number // posts_per_user}" for number in range(num_posts)],
    )


def right_on(rows: range, num_posts: int) -> np.ndarray:
    """Probabilities of a model that has these posts right."""
    return np.eye(2)[[0 if row in rows else 1 for row in range(num_posts)]]


def compared(mrlf: range, linear: range, posts: Samples) -> Choice:
    """The choice between models that have these posts right."""
    return on_validation({"mrlf": right_on(mrlf, len(posts)), "linear": right_on(linear, len(posts))}, posts)


@pytest.mark.parametrize(
    ("mrlf", "linear", "posts_per_user", "answers"),
    [
        pytest.param(range(20), range(36), 1, "linear", id="better on many posts"),
        pytest.param(range(36), range(20), 1, "mrlf", id="worse"),
        pytest.param(range(30), range(30), 1, "mrlf", id="equal"),
        pytest.param(range(30), range(31), 1, "mrlf", id="better on one post, which chance gives"),
        pytest.param(range(20), range(20, 43), 1, "mrlf", id="right on other posts"),
        pytest.param(range(24), range(32), 8, "mrlf", id="better on the posts of one user"),
        pytest.param(range(0), range(40), 8, "mrlf", id="five users, too few to choose on"),
    ],
)
def test_the_linear_model_answers_where_it_is_better_by_more_than_chance(mrlf, linear, posts_per_user, answers):
    posts = validation(44 if len(linear) == 23 else 40, posts_per_user)
    choice = compared(mrlf, linear, posts)
    assert choice.answers == answers
    assert choice.accuracy == {"mrlf": len(mrlf) / len(posts), "linear": len(linear) / len(posts)}
    assert choice.low <= choice.difference <= choice.high
    assert ("use the linear model" in choice.why) == (answers == "linear")
    assert f"{100 * choice.accuracy['linear']:.1f} %" in choice.why
    assert ("95 % interval" in choice.why) is (choice.low < choice.high) is not ("no interval" in choice.why)


def test_as_few_users_as_decide_do_decide():
    choice = compared(range(0), range(12), validation(12, 12 // MIN_GROUPS))
    assert (choice.answers, choice.num_groups) == ("linear", MIN_GROUPS)


def test_what_the_settings_name_answers():
    assert {as_asked(name).answers for name in ("mrlf", "best", "linear")} == {"mrlf", "best", "linear"}


class Knows:
    """A model that is right where `knows` says so of a post."""

    def __init__(self, knows) -> None:
        self.knows = knows

    def predict_proba(self, posts: Samples) -> np.ndarray:
        return np.eye(2)[[0 if self.knows(key) else 1 for key in posts.keys]]


def test_with_few_posts_each_is_held_out_once_and_no_group_stands_on_two_sides():
    posts = validation(40, posts_per_user=2)
    train, beside = posts.take(range(36)), posts.take(range(36, 40))
    seen: list[str] = []

    def fit_knowing(fitted: Samples, chosen_on: Samples) -> Knows:
        left = {*posts.keys} - {*fitted.keys} - {*chosen_on.keys}
        groups_left = {posts.groups[posts.keys.index(key)] for key in left}
        assert not groups_left & {*fitted.groups, *chosen_on.groups}
        assert not {*fitted.groups} & {*chosen_on.groups}
        seen.extend(left)
        return Knows(lambda key: int(key) % 4)

    assert is_cross_validated(train, beside)
    fits = {"mrlf": lambda *_: Knows(lambda key: int(key) < 10), "linear": fit_knowing}
    choice = cross_validated(train, beside, fits, "town")
    assert sorted(seen) == sorted(posts.keys) and choice.num_posts == 40
    assert choice.accuracy == {"mrlf": 0.25, "linear": 0.75}
    assert choice.answers == "linear" and "40 training and validation posts, each held out once" in choice.why


@pytest.mark.parametrize(
    ("num_posts", "posts_per_user", "expected"),
    [(499, 1, True), (500, 1, False), (499, 100, False)],
    ids=["few posts", "posts enough to validate on", "too few users"],
)
def test_few_posts_of_enough_users_are_cross_validated(num_posts, posts_per_user, expected):
    assert NUM_FOLDS <= MIN_GROUPS
    assert is_cross_validated(validation(num_posts, posts_per_user), validation(5, posts_per_user)) == expected


def of_days(num_posts: int, num_days: int) -> Samples:
    """Validation posts of one account on so many days, grouped as a release that is split in time groups them."""
    posts = validation(num_posts)
    days = [f"2025-01-{1 + number * num_days // num_posts:02d}" for number in range(num_posts)]
    groups = groups_in("validation", "time", ["anna"] * num_posts, days, posts.keys)
    return dataclasses.replace(posts, groups=groups)


@pytest.mark.parametrize("num_days", [1, 2, 3, 4])
def test_posts_of_fewer_days_choose_no_more_than_those_of_more(num_days):
    """Two days make too few groups for folds, so each post is one there; until now the model was chosen by these."""
    posts = of_days(40, num_days)
    choice = compared(range(0), range(40), posts)
    assert choice.answers == "mrlf" and choice.num_groups < MIN_GROUPS
    assert "too few" in choice.why
    assert not is_cross_validated(of_days(40, 1), posts)
