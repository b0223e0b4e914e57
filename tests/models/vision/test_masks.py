"""What becomes a mask, what counts as nobody, and what is no answer at all."""

import numpy as np
import pytest

from models.vision.masks import PortraitMask, portrait_mask


def probabilities(size=(20, 30), **parts):
    """Everywhere 0.1, but `parts` of the picture: share -> probability."""
    flat = np.full(size[0] * size[1], 0.1, np.float32)
    start = 0
    for share, value in parts.values():
        flat[start : start + round(share * flat.size)] = value
        start += round(share * flat.size)
    return flat.reshape(size)


@pytest.mark.parametrize(
    ("part", "threshold", "ratio"),
    [
        pytest.param((0.25, 0.9), 0.5, 0.25, id="a quarter"),
        pytest.param((0.25, 0.9), 0.95, 0.0, id="not sure enough"),
        pytest.param((0.25, 0.5), 0.5, 0.0, id="the threshold itself is not above it"),
        pytest.param((0.01, 0.9), 0.5, 0.01, id="the least that counts"),
        pytest.param((0.005, 0.9), 0.5, 0.0, id="less counts as nobody"),
    ],
)
def test_what_is_above_the_threshold_is_a_person(part, threshold, ratio):
    found = portrait_mask(probabilities(part=part), (20, 30), threshold, 0.01)
    assert found.reason is None and found.ratio == ratio
    assert found.mask.dtype == np.bool_ and found.mask.mean() == ratio


@pytest.mark.fault("M7")
def test_nothing_and_everything_are_answers():
    nobody = portrait_mask(np.zeros((4, 6), np.float32), (4, 6), 0.5, 0.001)
    everyone = portrait_mask(np.ones((4, 6), np.float32), (4, 6), 0.5, 0.001)
    assert (nobody.ratio, nobody.mask.any(), nobody.reason) == (0.0, False, None)
    assert (everyone.ratio, everyone.mask.all(), everyone.reason) == (1.0, True, None)


@pytest.mark.fault("M7")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("where", ["one pixel", "everywhere"])
def test_a_map_that_is_not_finite_is_no_mask(value, where):
    values = probabilities(part=(0.5, 0.9))
    values[(3, 4) if where == "one pixel" else ...] = value
    found = portrait_mask(values, (20, 30), 0.5, 0.001)
    assert found.mask is None and found.reason == "not_finite"
    assert not found.ratio >= 0 and not found.ratio <= 1  # not even by mistake a picture without people


@pytest.mark.fault("M7")
@pytest.mark.parametrize("shape", [(30, 20), (20, 29), (1, 20, 30), (600,)], ids=str)
def test_a_map_of_another_size_is_refused(shape):
    with pytest.raises(ValueError, match=r"is no mask of a picture of size \(20, 30\)"):
        portrait_mask(np.zeros(shape, np.float32), (20, 30), 0.5, 0.001)


@pytest.mark.parametrize(
    ("mask", "reason"), [(None, None), (np.ones((2, 2), np.bool_), "not_finite")], ids=["neither", "both"]
)
def test_there_is_a_mask_or_a_reason(mask, reason):
    with pytest.raises(ValueError, match="either there or has a reason"):
        PortraitMask(mask, 0.0, reason)
