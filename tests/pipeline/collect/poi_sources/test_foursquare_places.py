"""A place of an answer: checked at the border, one bad place is one drop, and names are data."""

import json

import pytest

from pipeline.collect.poi_sources.foursquare_places import BadPlace, poi_row, read_places
from pipeline.errors import StageError
from tests.fakes.foursquare_server import CHURCH, KEY, MUSEUM, FakeFoursquare, fake_category, fake_place
from tests.fakes.poi_files import ODD_NAMES


def one(place):
    (read,) = read_places({"results": [place]}, b"")
    return read


def test_a_place_becomes_a_row():
    row = poi_row(one(fake_place(7, popularity=0.5)), 3)
    assert (row.poi_id, row.name, row.latitude, row.longitude) == (f"{7:024x}", "Place 7", 12.0035, -30.0)
    assert (row.category_ids, row.category_name, row.address) == ((MUSEUM,), "Museum", "7 Main St")
    assert (row.rank, row.popularity, row.is_closed, row.is_flagged) == (3, 0.5, False, False)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("text", id="text"),
        pytest.param(None, id="null"),
        pytest.param([], id="a list"),
        pytest.param(fake_place(1, fsq_place_id=None), id="no id"),
        pytest.param({**fake_place(1), "fsq_place_id": 5}, id="a number as id"),
        pytest.param(fake_place(1, fsq_place_id=""), id="empty id"),
        pytest.param(fake_place(1, name=["x"]), id="a list as name"),
        pytest.param(fake_place(1, categories="x"), id="text as categories"),
        pytest.param(fake_place(1, categories=[{"name": "x"}]), id="a category without an id"),
        pytest.param(fake_place(1, location=[1]), id="a list as location"),
        pytest.param(fake_place(1, unresolved_flags="delete"), id="text as flags"),
    ],
)
def test_a_bad_place_is_one_drop(place):
    read = one(place)
    assert isinstance(read, BadPlace)
    assert poi_row(read, 1).problem == "bad_record"


@pytest.mark.parametrize("name", ["categories", "location", "name", "date_closed", "unresolved_flags"])
def test_what_a_place_does_not_say_is_no_fault(name):
    assert not poi_row(one({**fake_place(1), name: None}), 1).problem
    assert not poi_row(one(fake_place(1, **{name: None})), 1).problem


@pytest.mark.fault("P7")
def test_the_same_poi_twice_is_one_and_closed_and_flagged_ones_are_dropped(build, server):
    server.places = [fake_place(1), fake_place(1), fake_place(2, date_closed="2024-01-01")]
    flags = ["delete", "duplicate", "privatevenue"]
    server.places += [fake_place(10 + n, unresolved_flags=[flag]) for n, flag in enumerate(flags)]
    counts = build().counts
    assert {name: count for name, count in counts.items() if "dropped/" in name} == {
        "dropped/duplicate": 1,
        "dropped/closed": 1,
        "dropped/flagged": 3,
    }
    assert counts["pois"] == 1


@pytest.mark.fault("P8")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"latitude": None}, "no_coordinates", id="no latitude"),
        pytest.param({"latitude": 0, "longitude": 0}, "bad_coordinates", id="0/0"),
        pytest.param({"latitude": "12,01 E"}, "bad_coordinates", id="text of the other axis"),
        pytest.param({"latitude": 95}, "bad_coordinates", id="out of range"),
        pytest.param({"latitude": True}, "bad_coordinates", id="true"),
        pytest.param({"latitude": [1]}, "bad_coordinates", id="a list"),
        pytest.param({"latitude": -30, "longitude": 12}, "outside_city", id="swapped"),
        pytest.param({"latitude": 90, "longitude": 0}, "outside_city", id="pole"),
    ],
)
def test_bad_coordinates_are_dropped_with_their_reason(build, server, changes, reason):
    server.places = [fake_place(1), fake_place(2, **changes)]
    counts = build().counts
    assert (counts["pois"], counts.get(f"dropped/{reason}")) == (1, 1)


@pytest.mark.fault("P6")
def test_two_pois_of_one_name_are_two_and_stated_apart_by_their_address(build, server, store):
    server.places = [fake_place(1, name="Chain"), fake_place(2, name="Chain")]
    build()
    assert {row["name"] for row in store.tables.read("town", "pois").to_pylist()} == {
        "Chain (1 Main St)",
        "Chain (2 Main St)",
    }


@pytest.mark.fault("P6")
def test_one_name_in_two_cities_is_two_pois_in_two_tables(build, server, store, town):
    build(max_pois=1)
    build(town.model_copy(update={"key": "other"}), max_pois=2)
    assert [len(store.tables.read(city, "pois")) for city in ("town", "other")] == [1, 2]


@pytest.mark.fault("P9")
@pytest.mark.parametrize(("name", "stored"), ODD_NAMES)
def test_a_name_is_data(build, server, store, name, stored):
    server.places = [fake_place(1, name=name, fsq_place_id="../../p")]
    build()
    assert [(row["poi_id"], row["name"]) for row in store.tables.read("town", "pois").to_pylist()] == [
        ("../../p", stored)
    ]
    assert not [path for path in store.root.parent.rglob("*") if path.name == "p"]


@pytest.mark.fault("P10")
def test_a_city_without_pois_is_reported_to_be_empty_and_asked_about_again_by_the_next_run(build, server, store):
    server.places = []
    for num_runs in (1, 2):
        with pytest.raises(StageError, match=r"city town is empty.*no place"):
            build()
        assert (server.num_searches, store.stage_record("town", "pois")) == (num_runs, None)
    server.places = [fake_place(1, CHURCH)]
    with pytest.raises(StageError, match=r"city town is empty.*sensitive_category 1"):
        build()
    assert server.num_searches == 3


@pytest.mark.fault("P10")
def test_a_city_of_one_poi_is_a_city(build, server):
    server.places = [fake_place(1)]
    assert build().counts["pois"] == 1


@pytest.mark.fault("P11")
def test_sensitive_places_are_left_out_and_let_in_only_with_a_reason(build, server):
    server.places = [fake_place(1), fake_place(2, CHURCH), fake_place(3, categories=[fake_category("x", "Synagogue")])]
    report = build()
    assert (report.counts["pois"], report.counts["dropped/sensitive_category"]) == (1, 2)
    assert report.record.about["sensitive_list_version"] == "3"
    assert "sensitive_included" not in report.record.about
    for reason in ("", "  "):
        with pytest.raises(ValueError, match="sensitive_reason"):
            build(include_sensitive=["religious"], sensitive_reason=reason)
    report = build(include_sensitive=["religious"], sensitive_reason="sacred buildings are the subject")
    assert report.counts["pois"] == 3
    assert report.record.about["sensitive_included"] == "religious"
    assert report.record.about["sensitive_reason"] == "sacred buildings are the subject"


def test_the_fake_answers_in_the_shape_that_was_recorded(shared_data):
    recorded = json.loads((shared_data / "foursquare/foursquare_places_api_2025_pune.json").read_text())
    with FakeFoursquare([fake_place(1)]) as server:
        import requests

        headers = {"Authorization": f"Bearer {KEY}", "X-Places-Api-Version": "2025-06-17"}
        params = {"ll": "12,-30", "radius": "1000"}
        answer = requests.get(f"{server.url}/places/search", params, headers=headers, timeout=5).json()
    ours, theirs = answer["results"][0], recorded["results"][0]
    assert set(answer) == set(recorded)
    assert set(ours) == set(theirs)
    assert set(ours["location"]) == set(theirs["location"])
    assert set(ours["categories"][0]) == set(theirs["categories"][0])
    circle, recorded_circle = (of["context"]["geo_bounds"]["circle"] for of in (answer, recorded))
    assert (set(circle), set(circle["center"])) == (set(recorded_circle), set(recorded_circle["center"]))


def test_the_recorded_answer_is_read_place_by_place(shared_data):
    body = (shared_data / "foursquare/foursquare_places_api_2025_pune.json").read_bytes()
    places = read_places(json.loads(body), body)
    assert [type(place).__name__ for place in places] == ["Place"] * 6
    assert poi_row(places[3], 4).name == "Pashan Sus Road"
    assert poi_row(places[5], 6).category_labels == ("Temple", "Structure")
