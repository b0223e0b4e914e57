"""Doubt: how sure a model is, what share of known samples a sample is surer than, and what tells both sides apart."""

from itertools import product

import numpy as np
import pytest

from models.evaluation.elsewhere import auroc, surest
from models.evaluation.metrics import sureness, surer_than


@pytest.mark.fault("N20")
def test_nothing_is_surer_than_certainty_and_less_sure_than_knowing_nothing():
    proba = np.array([[0.0, 1.0, 0.0, 0.0], [0.25] * 4, [0.7, 0.1, 0.1, 0.1]])
    sure = sureness(proba)
    np.testing.assert_allclose(sure[:2], [0.0, -np.log(4)])
    assert sure[1] < sure[2] < sure[0]


@pytest.mark.fault("N20")
@pytest.mark.parametrize("seed", range(3))
def test_a_share_is_what_a_loop_counts(seed):
    rng = np.random.default_rng(seed)
    known, asked = rng.integers(0, 9, 30) / 9, rng.integers(0, 9, 20) / 9
    expected = [(1 + sum(other <= own for other in known)) / 31 for own in asked]
    np.testing.assert_allclose(surer_than(asked, known), expected)
    assert surer_than(asked, np.empty(0)).tolist() == [1.0] * 20


@pytest.mark.fault("N20")
def test_of_known_samples_no_more_than_the_share_is_doubted():
    rng, share = np.random.default_rng(0), 0.05
    drawn = rng.normal(size=(2000, 61))
    doubted = [float(surer_than(row[:1], row[1:])[0]) <= share for row in drawn]
    assert 0.035 < np.mean(doubted) <= 0.06


@pytest.mark.fault("N21")
@pytest.mark.parametrize("seed", range(3))
def test_the_auroc_is_what_all_pairs_say(seed):
    rng = np.random.default_rng(seed)
    known, elsewhere = rng.integers(2, 9, 17) / 9, rng.integers(0, 7, 11) / 9
    pairs = [(one > other) + 0.5 * (one == other) for one, other in product(known, elsewhere)]
    assert auroc(known, elsewhere) == pytest.approx(np.mean(pairs))


@pytest.mark.fault("N21")
def test_without_samples_on_a_side_there_is_no_auroc():
    with pytest.raises(ValueError, match="no samples on one of the sides"):
        auroc(np.zeros(3), np.empty(0))


@pytest.mark.fault("N21")
def test_the_surest_come_first_and_at_least_one():
    rows = surest(np.array([0.1, 0.9, 0.5, 0.7]), [1.0, 0.5, 0.01])
    assert [row.tolist() for row in rows] == [[1, 3, 2, 0], [1, 3], [1]]
