"""The place search: in order, no more requests than needed, each place once, and never a city's page."""

from typing import Any

import pytest

from pipeline.collect.archive.fields import LocationStub
from pipeline.collect.instagram.search import search_places
from pipeline.collect.web.errors import HumanError, SourceChangedError
from tests.fakes.http_server import Answer
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.plain_client import PlainClient

PATHS = ["api/v1/fbsearch/places/", "api/v1/location_search/", "web/search/topsearch/"]
EMPTY = [{"items": []}, {"venues": []}, {"places": []}]


@pytest.fixture
def instagram():
    with FakeInstagram() as instagram:
        yield instagram


def find(instagram: FakeInstagram, name: str = "Old Lighthouse", num_enough: int = 99) -> tuple[list, list[str]]:
    """The places found near 12, -30 and the paths asked."""
    client = PlainClient(instagram)
    found = search_places(client, name, 12.0, -30.0, is_enough=lambda places: len(places) >= num_enough)
    return found, client.asked


def answer(instagram: FakeInstagram, number: int, body: Any) -> None:
    """Let the search of this number answer a body."""
    instagram.fail(PATHS[number], Answer.json(body), times=None)


def test_all_searches_are_asked_in_order_until_it_is_enough(instagram):
    instagram.world.add_location("1", "Old Lighthouse", 12.0, -30.0)
    assert find(instagram)[1] == PATHS
    query = [request.query for request in instagram.requests]
    assert query == [
        {"query": "Old Lighthouse"},
        {"latitude": "12.0", "longitude": "-30.0", "search_query": "Old Lighthouse"},
        {"context": "place", "query": "Old Lighthouse"},
    ]


@pytest.mark.parametrize(("known_by", "num_asked"), [("fbsearch", 1), ("location_search", 2), ("topsearch", 3)])
def test_no_search_is_asked_once_enough_is_found(instagram, known_by, num_asked):
    instagram.world.add_location("1", "Old Lighthouse", 12.0, -30.0, found_by={known_by})
    found, asked = find(instagram, num_enough=1)
    assert found == [LocationStub(location_id="1", name="Old Lighthouse", coordinates=(12.0, -30.0))]
    assert asked == PATHS[:num_asked]


def test_what_was_found_before_counts_for_enough(instagram):
    instagram.world.add_location("1", "Old Lighthouse", 12.0, -30.0, found_by={"fbsearch"})
    instagram.world.add_location("2", "Lighthouse Cafe", 12.0, -30.0, found_by={"location_search"})
    found, asked = find(instagram, num_enough=2)
    assert [place.location_id for place in found] == ["1", "2"]
    assert asked == PATHS[:2]


def test_a_place_found_by_several_searches_comes_once_with_text_ids(instagram):
    instagram.world.add_location("212928653", "Old Lighthouse", 12.0, -30.0)
    found, _ = find(instagram)
    assert [place.location_id for place in found] == ["212928653"]


def test_a_place_found_by_its_id_of_facebook_is_the_one_found_before(instagram):
    instagram.world.add_location("212928653", "Old Lighthouse", 12.0, -30.0, facebook_places_id="110843418940484")
    assert [place.location_id for place in find(instagram)[0]] == ["212928653"]


def test_a_place_found_first_by_its_id_of_facebook_gets_its_own_when_that_is_reported(instagram):
    instagram.world.add_location(
        "212928653", "Old Lighthouse", 12.0, -30.0, facebook_places_id="9", found_by={"location_search", "topsearch"}
    )
    assert [place.location_id for place in find(instagram, num_enough=1)[0]] == ["9"]
    assert [place.location_id for place in find(instagram)[0]] == ["212928653"]


def test_two_ids_of_instagram_are_two_places_even_with_one_id_of_facebook(instagram):
    twins = [{"location": {"pk": pk, "name": "Pier", "facebook_places_id": 5}} for pk in (1, 5, 1)]
    answer(instagram, 0, {"items": twins})
    answer(instagram, 1, {"venues": [{"external_id": "5", "name": "Pier", "lat": 1.0, "lng": 2.0}]})
    answer(instagram, 2, EMPTY[2])
    found, _ = find(instagram)
    assert [(place.location_id, place.coordinates) for place in found] == [("1", None), ("5", (1.0, 2.0))]


def test_a_later_search_gives_the_coordinates_that_an_earlier_one_lacked(instagram):
    answer(instagram, 0, {"items": [{"location": {"pk": 1, "name": "Pier", "facebook_places_id": 5}}]})
    answer(instagram, 1, {"venues": [{"external_id": "5", "name": "Another name", "lat": 1.0, "lng": 2.0}]})
    answer(instagram, 2, EMPTY[2])
    assert find(instagram)[0] == [LocationStub(location_id="1", name="Pier", coordinates=(1.0, 2.0))]


def test_city_pages_are_left_out(instagram):
    instagram.world.add_location("c2728325", "Old Town", 12.0, -30.0)
    instagram.world.add_location("1", "Old Lighthouse", 12.0, -30.0)
    assert [place.location_id for place in find(instagram)[0]] == ["1"]


@pytest.mark.fault("I17")
@pytest.mark.parametrize(
    "raw",
    [
        None,
        7,
        {},
        {"location": None},
        {"location": {"pk": 3}},
        {"location": {"name": "A"}},
        {"location": {"pk": 3, "name": "\u200b \x00"}},
        {"location": {"pk": "a/../b", "name": "A"}},
    ],
)
def test_a_place_without_an_id_or_name_is_skipped(instagram, raw):
    answer(instagram, 0, {"items": [raw, {"location": {"pk": 4, "name": "Pier"}}]})
    assert [place.location_id for place in find(instagram, num_enough=1)[0]] == ["4"]


@pytest.mark.fault("I3")
@pytest.mark.parametrize("body", [{}, {"items": None}, {"items": {}}, {"status": "ok", "list": []}])
def test_a_search_of_an_unknown_shape_is_passed_over(instagram, body):
    instagram.world.add_location("1", "Old Lighthouse", 12.0, -30.0)
    answer(instagram, 0, body)
    found, asked = find(instagram, num_enough=1)
    assert [place.location_id for place in found] == ["1"]
    assert asked == PATHS[:2]


@pytest.mark.fault("I3")
@pytest.mark.parametrize(
    "made",
    [Answer.json({}), Answer(status=201), Answer(status=404), Answer.html("<html>")],
    ids=["empty", "201", "404", "html"],
)
def test_only_when_all_searches_changed_the_source_changed(instagram, made):
    instagram.fail("", made, times=2)
    assert find(instagram) == ([], PATHS)
    instagram.fail("", made, times=3)
    with pytest.raises(SourceChangedError, match="place_search_changed"):
        find(instagram)


@pytest.mark.fault("I2")
def test_a_closed_door_ends_the_search_at_once(instagram):
    client = PlainClient(instagram)
    instagram.world.end_session()
    with pytest.raises(HumanError):
        search_places(client, "Old Lighthouse", 12.0, -30.0, is_enough=lambda _: False)
    assert client.asked == PATHS[:1]
