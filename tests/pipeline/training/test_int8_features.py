"""The gate of features in int8; the stage with such a network is in `test_image_features`."""

import numpy as np
import pytest

from pipeline.training.int8_features import MIN_JUDGED, judged


def features(noise, seed=0):
    """Features of pictures of four places, and these."""
    rng, labels = np.random.default_rng(seed), np.arange(MIN_JUDGED + 40) % 4
    told = np.eye(4)[labels] + 0.2 * np.random.default_rng(1).standard_normal((len(labels), 4))
    return (told + noise * rng.standard_normal(told.shape)).astype(np.float32), labels


@pytest.mark.fault("I52")
@pytest.mark.parametrize(
    ("noise", "num", "is_good", "says"),
    [
        pytest.param(0, 240, True, "a loss of 0.0 points", id="equal"),
        pytest.param(0.01, 240, True, "mean cosine 0.9999", id="nearly"),
        pytest.param(1, 240, False, "at most 0.5 is asked for", id="noise"),
        pytest.param(0, 199, False, "199 pictures can be judged by, too few", id="too few"),
    ],
)
def test_the_gate_asks_that_a_probe_loses_no_more_than_half_a_point(noise, num, is_good, says):
    (exact, labels), (in_int8, _) = features(0), features(noise)
    found, about = judged(exact[:num], in_int8[:num], labels[:num], 0.5)
    assert found is is_good
    assert says in about
