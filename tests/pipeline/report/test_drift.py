"""Drift: calendar spans with enough posts get an interval, the others are said to have too few."""

import datetime

import numpy as np
import pytest

from pipeline.report.drift import MIN_POSTS, measure_drift
from pipeline.report.evaluation import Bootstrap


def days_from(first: str, count: int, step: int = 1) -> list[str]:
    start = datetime.date.fromisoformat(first)
    return [(start + datetime.timedelta(days=step * number)).isoformat() for number in range(count)]


def drift_of(days: list[str], right: list[float] | np.ndarray, num_users: int = 25):
    groups = [f"user{row % num_users}" for row in range(len(days))]
    return measure_drift(days, np.array(right, dtype=np.float64), Bootstrap(groups=groups, num_resamples=200, seed=0))


@pytest.mark.parametrize(
    ("count", "step", "unit", "names"),
    [
        pytest.param(90, 1, "month", ["2024-01", "2024-02", "2024-03"], id="a post a day"),
        pytest.param(90, 4, "quarter", ["2024 Q1", "2024 Q2", "2024 Q3", "2024 Q4"], id="a post in four days"),
        pytest.param(60, 8, "half-year", ["2024 H1", "2024 H2", "2025 H1"], id="a post in eight days"),
        pytest.param(60, 16, "year", ["2024", "2025", "2026"], id="a post in sixteen days"),
        pytest.param(3, 1, "year", ["2024"], id="three posts"),
    ],
)
def test_spans_are_the_finest_that_have_enough_posts_on_average(count, step, unit, names):
    drift = drift_of(days_from("2024-01-01", count, step), [1.0] * count)
    assert drift.unit == unit
    assert [each.name for each in drift.bins] == names
    assert sum(each.num_posts for each in drift.bins) == count


def test_a_span_with_too_few_posts_has_its_count_and_no_interval():
    days = days_from("2024-01-01", 31) + days_from("2024-02-01", 29) + ["2024-03-01"] * (MIN_POSTS - 1)
    drift = drift_of(days, [1.0] * 40 + [0.0] * (len(days) - 40))
    january, february, march = drift.bins
    assert (january.num_posts, january.accuracy.value) == (31, 1.0)
    assert (february.num_right, february.accuracy.value) == (9, pytest.approx(9 / 29))
    assert (march.num_posts, march.accuracy) == (MIN_POSTS - 1, None)
    assert (drift.first_day, drift.last_day) == ("2024-01-01", "2024-03-01")


def test_order_of_the_posts_does_not_matter():
    days, rng = days_from("2024-01-01", 90), np.random.default_rng(0)
    right, order = rng.integers(0, 2, 90).astype(float), rng.permutation(90)
    groups = [f"user{row % 25}" for row in range(90)]
    one = measure_drift(days, right, Bootstrap(groups=groups, num_resamples=100, seed=0))
    other = measure_drift(
        [days[row] for row in order],
        right[order],
        Bootstrap(groups=[groups[row] for row in order], num_resamples=100, seed=0),
    )
    assert [(each.num_posts, each.num_right) for each in one.bins] == [
        (each.num_posts, each.num_right) for each in other.bins
    ]
    assert one.change.value == pytest.approx(other.change.value)


@pytest.mark.parametrize(
    ("early", "late", "is_told"),
    [
        pytest.param(0.9, 0.2, "worse", id="it gets worse"),
        pytest.param(0.2, 0.9, "better", id="it gets better"),
        pytest.param(0.7, 0.7, "same", id="it stays"),
    ],
)
def test_change_is_later_minus_earlier_with_an_interval(early, late, is_told):
    rng = np.random.default_rng(1)
    right = np.concatenate([rng.random(100) < early, rng.random(100) < late]).astype(float)
    change = drift_of(days_from("2024-01-01", 200), right).change
    assert change.value == pytest.approx(right[100:].mean() - right[:100].mean())
    assert {"worse": change.high < 0, "better": change.low > 0, "same": change.low <= 0 <= change.high}[is_told]


def test_too_few_posts_for_two_halves_give_no_change():
    assert drift_of(days_from("2024-01-01", 2 * MIN_POSTS - 1), [1.0] * (2 * MIN_POSTS - 1)).change is None
    assert drift_of(["2024-01-01"] * 100, [1.0] * 100).change is None


def test_a_single_user_with_posts_on_one_side_only_breaks_nothing():
    assert drift_of(days_from("2024-01-01", 100), [1.0] * 100, num_users=1).change.value == 0.0
