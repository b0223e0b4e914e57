"""Image scaler: constant columns, the clip, and the mean and deviation of training only."""

import numpy as np
import pytest

from models.data.samples import ImageScaler

TRAIN = np.random.default_rng(0).normal([3, -100, 0.01], [1, 20, 0.001], (500, 3)).astype(np.float32)


def test_training_features_come_out_with_mean_0_and_deviation_1():
    scaled = ImageScaler.fit(TRAIN).transform(TRAIN)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=0.01)


@pytest.mark.parametrize("constant", [0.0, 7.25, -1e6, 0.1, 1e-20])
def test_a_column_constant_in_training_is_zero_for_any_later_value(constant):
    """0.1 is not exact in float32, so its computed deviation can be rounding noise instead of 0."""
    train = TRAIN.copy()
    train[:, 1] = constant
    later = np.float32([[3, constant + 1e6, 0], [3, 5.0, 0]])
    assert ImageScaler.fit(train).transform(later)[:, 1].tolist() == [0, 0]


def test_a_column_that_differs_by_rounding_only_counts_as_constant():
    train = TRAIN.copy()
    train[:, 1] = np.float32(0.1)
    train[::2, 1] = np.nextafter(np.float32(0.1), np.float32(1))
    assert not ImageScaler.fit(train).transform(train)[:, 1].any()


def test_no_value_leaves_four_deviations():
    scaled = ImageScaler.fit(TRAIN).transform(np.float32([[1e9, -1e9, 0.01]]))
    assert scaled[0, 0] == 4 and scaled[0, 1] == -4 and abs(scaled[0, 2]) < 1


def test_one_sample_has_no_spread_and_no_sample_is_refused():
    assert not ImageScaler.fit(TRAIN[:1]).transform(TRAIN).any()
    with pytest.raises(ValueError, match="at least one"):
        ImageScaler.fit(TRAIN[:0])


def test_features_of_another_network_are_refused():
    with pytest.raises(ValueError, match="trained on 3 image features, got 2"):
        ImageScaler.fit(TRAIN).transform(TRAIN[:, :2])


def test_stored_arrays_give_the_same_scaler():
    scaler = ImageScaler.fit(TRAIN)
    again = ImageScaler.from_arrays(scaler.arrays())
    assert np.array_equal(again.transform(TRAIN), scaler.transform(TRAIN))
