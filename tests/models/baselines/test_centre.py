"""The POI nearest to the middle of the training posts."""

import numpy as np
import pytest

from models.baselines.centre import NearestCentreBaseline
from models.evaluation.metrics import haversine_km
from tests.models.synthetic import clear_city

LAT = np.array([40.70, 40.71, 40.72, 40.90])
LNG = np.array([-74.02, -74.00, -73.98, -73.70])
TRAIN = clear_city(60)


def of_classes(counts):
    rows = [row for label, count in enumerate(counts) for row in np.flatnonzero(TRAIN.labels_N == label)[:count]]
    return TRAIN.take(rows)


def probabilities(counts, lat=LAT, lng=LNG):
    (row,) = NearestCentreBaseline(lat, lng).fit(of_classes(counts), 4).predict_proba(TRAIN.take([0]))
    return row


@pytest.mark.parametrize(
    ("counts", "nearest"),
    [
        pytest.param((9, 2, 2, 0), 0, id="where most posts are"),
        pytest.param((5, 1, 5, 0), 1, id="in the middle of two others, though it has the fewest posts"),
        pytest.param((1, 1, 1, 9), 3, id="far away, where nearly all are"),
    ],
)
def test_the_nearest_poi_is_predicted_whatever_the_post(counts, nearest):
    row = probabilities(counts)
    assert row.argmax() == nearest and row.sum() == pytest.approx(1.0)
    assert not row[np.array(counts) == 0].any()


def test_the_middle_is_that_of_a_plane_for_places_of_one_city():
    """Within 50 km the sphere is flat to a few metres: weights fall with the distance to the mean of coordinates."""
    counts = np.array([4, 3, 2, 6])
    share = counts / counts.sum()
    distance = haversine_km(LAT, LNG, share @ LAT, share @ LNG)
    expected = np.exp(-distance / (share @ distance))
    np.testing.assert_allclose(probabilities(counts), expected / expected.sum(), rtol=1e-3)


def test_the_date_line_parts_no_city():
    lng = np.array([179.99, -179.99, 179.95, -179.0])
    assert probabilities((4, 4, 1, 0), np.zeros(4), lng).argmax() in (0, 1)
    assert probabilities((4, 4, 1, 0), np.zeros(4), lng)[2] > 0


def test_places_without_a_middle_and_wrong_coordinates_are_refused():
    with pytest.raises(ValueError, match="no middle"):
        probabilities((3, 3, 0, 0), np.zeros(4), np.array([0.0, 180.0, 5.0, 6.0]))
    with pytest.raises(ValueError, match="4 classes but 3 latitudes"):
        probabilities((3, 3, 0, 0), LAT[:3], LNG)


def test_places_on_one_spot_are_equal():
    np.testing.assert_allclose(probabilities((1, 2, 3, 0), np.ones(4), np.ones(4)), [1 / 3, 1 / 3, 1 / 3, 0])
