"""Means over seeds with intervals by a bootstrap of users.

A row was trained once for each seed, each time on another split, so a user's posts can be test posts of several seeds.
A resample draws users with replacement and takes all their test posts of all seeds; each seed's mean is taken, then
the mean over seeds. The interval covers who happened to post, not only which posts.
Shape letters: S seeds, G users, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.report.content import Estimate

Floats = np.ndarray[Any, np.dtype[np.float64]]
MAX_CELLS = 10_000_000
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class SeedValues:
    """One number per test post of one seed, and whose post each is."""

    values: Floats
    users: Sequence[str]


def mean_over_seeds(by_seed: Sequence[SeedValues], *, num_resamples: int, seed: int = 0) -> Estimate:
    """The mean over seeds of each seed's mean, with its 95 % interval.

    A seed of which a resample drew no post is left out of that resample's mean.
    """
    assert by_seed and all(len(each.values) for each in by_seed), "a seed without test posts has no mean"
    number = {user: row for row, user in enumerate(sorted({user for each in by_seed for user in each.users}))}
    sums, counts = np.zeros((len(by_seed), len(number))), np.zeros((len(by_seed), len(number)))
    for row, each in enumerate(by_seed):
        users = np.array([number[user] for user in each.users])
        sums[row] = np.bincount(users, weights=each.values, minlength=len(number))
        counts[row] = np.bincount(users, minlength=len(number))
    rng = np.random.default_rng(seed)
    means = np.concatenate([_resampled(sums, counts, size, rng) for size in _pieces(num_resamples, len(number))])
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = float(np.mean(sums.sum(axis=1) / counts.sum(axis=1)))
    return Estimate(value=value, low=float(low), high=float(high))


def _resampled(sums: Floats, counts: Floats, num_resamples: int, rng: np.random.Generator) -> Floats:
    """The mean over seeds of each resample: (R,) of sums and counts (S, G)."""
    num_users = sums.shape[1]
    drawn = rng.multinomial(num_users, np.full(num_users, 1 / num_users), num_resamples).astype(np.float64)
    drawn_sums, drawn_counts = drawn @ sums.T, drawn @ counts.T
    is_met = drawn_counts > 0
    means = np.where(is_met, drawn_sums / np.where(is_met, drawn_counts, 1.0), 0.0)
    return np.asarray(means.sum(axis=1)[is_met.any(axis=1)] / is_met.sum(axis=1)[is_met.any(axis=1)])


def _pieces(num_resamples: int, num_users: int) -> list[int]:
    """Numbers of resamples that are drawn at once."""
    size = max(1, MAX_CELLS // num_users)
    return [min(size, num_resamples - start) for start in range(0, num_resamples, size)]
