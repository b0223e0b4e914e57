"""Distances on the globe, at its odd places too."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geo import distance_km, valid_coordinates


@pytest.mark.fault("P8")
@pytest.mark.parametrize(
    ("a", "b", "km"),
    [
        pytest.param((0, 179.9), (0, -179.9), 22.24, id="across the date line"),
        pytest.param((0, 0), (0, 180), 20015.11, id="antipodes"),
        pytest.param((90, 0), (90, 123), 0.0, id="at the pole"),
        pytest.param((40.7128, -74.006), (51.5074, -0.1278), 5570.23, id="New York to London"),
        pytest.param((12, -30), (12, -30), 0.0, id="the same point"),
    ],
)
def test_distance(a, b, km):
    assert distance_km(*a, *b) == pytest.approx(km, abs=0.01)


@pytest.mark.fault("P8")
@given(*[st.floats(-90, 90), st.floats(-180, 180)] * 2)
def test_a_distance_is_never_nan_nor_beyond_half_the_globe(lat_a, lng_a, lat_b, lng_b):
    assert 0 <= distance_km(lat_a, lng_a, lat_b, lng_b) <= 20015.2


def test_lists_are_compared_element_by_element():
    assert np.allclose(distance_km([0, 0], [0, 0], [0, 0], [0, 1]), [0, 111.195], atol=1e-3)


@pytest.mark.fault("P8")
@pytest.mark.parametrize(
    ("pair", "valid"),
    [
        ((12, -30.5), (12.0, -30.5)),
        ((0, 10), (0.0, 10.0)),
        ((0, 0), None),
        ((91, 0), None),
        ((12, 181), None),
        ((float("nan"), 1), None),
        ((float("inf"), 1), None),
        ((None, 1), None),
        ((True, 1), None),
        (("twelve", 1), None),
    ],
)
def test_valid_coordinates(pair, valid):
    assert valid_coordinates(*pair) == valid


@pytest.mark.fault("P27")
@pytest.mark.parametrize(
    ("latitude", "longitude", "valid"),
    [
        ("40.7", "-74.006", (40.7, -74.006)),
        ("40,7", "-74,0060", (40.7, -74.006)),
        (" 40.7 N", "74.006 W", (40.7, -74.006)),
        ("40,7° S", "W 74.006°", (-40.7, -74.006)),
        ("s40.7", "e074.5", (-40.7, 74.5)),
        ("40°42'36\" N", "74° 0\u2032 18,0\u2033 w", (40.71, -74.005)),
        ("40° 30.6' N", 74, (40.51, 74.0)),
        ("\u221240.7", "7e1", (-40.7, 70.0)),
        (Decimal("40.7"), "+74.", (40.7, 74.0)),
        ("40.7 E", "74", None),
        ("-40.7 S", "74", None),
        ("N 40.7 N", "74", None),
        ("40.7, -74.0", "-74.0", None),
        ("40,712,776", "74", None),
        ("40,712", "74", None),
        ("40°72' N", "74", None),
        ("40.5°30' N", "74", None),
        ("91", "74", None),
        ("4_0", "74", None),
        ("nan", "inf", None),
        ("", "74", None),
    ],
)
def test_coordinates_written_as_text_are_read_where_they_mean_one_thing(latitude, longitude, valid):
    found = valid_coordinates(latitude, longitude)
    assert found == (valid and pytest.approx(valid))
