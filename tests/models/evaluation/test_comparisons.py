"""Many comparisons: how chance is told from a difference, one at a time and in a family."""

import numpy as np
import pytest

from models.evaluation.comparisons import chance_of_none, holm
from models.evaluation.metrics import resampled


@pytest.mark.fault("T27")
def test_p_values_of_a_family_are_corrected_as_r_does_it():
    """p.adjust(c(.01, .04, .03, .005), "holm") of R 4; a comparison without a p-value is none of the family."""
    assert holm([0.01, None, 0.04, 0.03, 0.005]) == pytest.approx([0.03, None, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


@pytest.mark.fault("T27")
def test_the_p_value_is_how_rarely_resamples_are_on_the_other_side_of_zero():
    figures = np.r_[np.full(10, -0.1), np.full(989, 0.1)]
    assert chance_of_none(figures) == chance_of_none(-figures) == pytest.approx(22 / 1000)
    assert chance_of_none(np.full(99, 0.1)) is None, "of one group there is no chance to tell"
    assert chance_of_none(np.r_[np.full(50, -0.1), np.full(49, 0.1)]) == 1.0


@pytest.mark.fault("T27")
def test_of_twenty_differences_by_chance_one_is_told_apart_and_none_after_the_correction():
    """Forty users of ten posts, twenty comparisons of nothing, 12 times: a false one in .05 of families at most."""
    drawn = np.random.default_rng(0)
    groups = np.repeat([f"u{number}" for number in range(40)], 10)
    told = []
    for _ in range(12):
        families = [drawn.normal(0, 0.1, 400) + np.repeat(drawn.normal(0, 0.1, 40), 10) for _ in range(20)]
        p_values = [chance_of_none(resampled(values, groups, num_resamples=799)) for values in families]
        told.append((min(p_values) < 0.05, min(holm(p_values)) < 0.05))
    alone, corrected = np.mean(told, axis=0)
    assert alone > 0.4 and corrected < 0.2
