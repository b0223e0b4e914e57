"""A place is read the same from every answer of Instagram, however its fields are called there."""

import pytest

from pipeline.collect.instagram.locations import read_location


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"pk": 7, "name": "A", "lat": 1, "lng": 2.5}, ("7", "A", (1.0, 2.5))),
        ({"pk": "7", "name": "A", "lat": None, "lng": 2.5}, ("7", "A", None)),
        ({"location_id": "7", "name": "A", "latitude": 1.5, "longitude": 2.5}, ("7", "A", (1.5, 2.5))),
        ({"id": 7, "name": "  A\u202e\n\x00 B "}, ("7", "A B", None)),
        ({"external_id": "7", "lat": 0, "lng": 0}, ("7", "", None)),
        ({"pk": None, "location_id": 8, "name": 5}, ("8", "", None)),
        ({"pk": 7, "name": "A", "lat": "1", "lng": "2"}, ("7", "A", (1.0, 2.0))),
        ({"pk": 7, "name": "A", "lat": "north", "lng": "2"}, ("7", "A", None)),
        ({"pk": 7, "name": "A", "lat": 91, "lng": 2}, ("7", "A", None)),
    ],
)
def test_a_place_is_read_in_every_spelling(raw, expected):
    place = read_location(raw)
    assert place is not None
    assert (place.location_id, place.name, place.coordinates) == expected


@pytest.mark.fault("I17")
@pytest.mark.parametrize("raw", [None, [], {}, {"pk": True}, {"pk": 1.5}, {"pk": "../x"}, {"pk": "1" * 41}])
def test_what_has_no_id_of_a_place_is_no_place(raw):
    assert read_location(raw) is None
