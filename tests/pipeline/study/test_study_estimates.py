"""Means over seeds and their intervals, against a bootstrap in loops."""

import numpy as np
import pytest

from pipeline.study.estimates import SeedValues, mean_over_seeds


def seeds(*, num_seeds: int = 3, num_users: int = 12, seed: int = 0) -> list[SeedValues]:
    """Values of some users, of whom each seed tested others."""
    rng = np.random.default_rng(seed)
    found = []
    for row in range(num_seeds):
        users = [f"u{number}" for number in rng.integers(0, num_users, 20 + 5 * row)]
        found.append(SeedValues(values=rng.normal(row, 1, len(users)), users=users))
    return found


def test_the_value_is_the_mean_of_the_seeds_means():
    by_seed = seeds()
    assert mean_over_seeds(by_seed, num_resamples=100).value == pytest.approx(
        sum(each.values.mean() for each in by_seed) / 3
    )


def test_the_interval_is_that_of_a_bootstrap_in_loops():
    by_seed, rng = seeds(), np.random.default_rng(5)
    users = sorted({user for each in by_seed for user in each.users})
    means = []
    for _ in range(4000):
        drawn = rng.choice(users, len(users))
        of_seeds = []
        for each in by_seed:
            values = [v for user in drawn for v, of in zip(each.values, each.users, strict=True) if of == user]
            if values:
                of_seeds.append(sum(values) / len(values))
        means.append(sum(of_seeds) / len(of_seeds))
    told = mean_over_seeds(by_seed, num_resamples=4000)
    assert (told.low, told.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.05)


def test_posts_of_one_user_widen_the_interval():
    values = np.repeat([0.0, 1.0], 50)
    many = SeedValues(values=values, users=[f"u{row}" for row in range(100)])
    few = SeedValues(values=values, users=[f"u{row // 25}" for row in range(100)])
    wide, narrow = (mean_over_seeds([each], num_resamples=500) for each in (few, many))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_a_seed_that_a_resample_misses_does_not_count_as_zero():
    alone = [
        SeedValues(values=np.array([1.0, 1.0]), users=["a", "b"]),
        SeedValues(values=np.array([1.0]), users=["c"]),
    ]
    told = mean_over_seeds(alone, num_resamples=300)
    assert (told.value, told.low, told.high) == (1.0, 1.0, 1.0)


def test_pieces_change_nothing_but_the_draws(monkeypatch):
    whole = mean_over_seeds(seeds(), num_resamples=3000)
    monkeypatch.setattr("pipeline.study.estimates.MAX_CELLS", 100)
    assert mean_over_seeds(seeds(), num_resamples=3000).low == pytest.approx(whole.low, abs=0.05)
