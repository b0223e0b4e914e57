"""Matching: which location is which POI, at the border of every rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.archive.fields import LocationStub
from pipeline.collect.matching import Matcher, MatchRules, NamedPoint, name_similarity, normal_name

RULES = MatchRules(
    max_distance_m=300,
    min_name_similarity=70,
    min_name_only_similarity=95,
    tie_similarity=3,
    tie_distance_m=20,
)
METRES = 1 / 111_195


def poi(poi_id: str, name: str, *, north_m: float = 0.0) -> NamedPoint:
    return NamedPoint(poi_id=poi_id, name=name, latitude=40 + north_m * METRES, longitude=-74.0)


def location(name: str, *, north_m: float | None = 0.0) -> LocationStub:
    point = None if north_m is None else (40 + north_m * METRES, -74.0)
    return LocationStub(location_id="1", name=name, coordinates=point)


def matched(pois, place, overruled=None, city="New York") -> tuple[str | None, set[str]]:
    """The POI that a location matches, and how its pairs were decided."""
    pairs = Matcher(pois, city, RULES).pairs(place, overruled)
    chosen = [pair.poi_id for pair in pairs if pair.is_match]
    assert len(chosen) <= 1
    return (chosen[0] if chosen else None), {pair.decided_by for pair in pairs}


LIGHTHOUSE = poi("p", "Old Lighthouse")


@pytest.mark.parametrize(
    ("name", "north_m", "expected"),
    [
        pytest.param("Old Lighthouse", 0, "p", id="same name, same place"),
        pytest.param("Old Lighthouse", 299, "p", id="just near enough"),
        pytest.param("Old Lighthouse", 301, None, id="just too far"),
        pytest.param("The Old Lighthouse, New York", 100, "p", id="more words"),
        pytest.param("OLD LIGHTHÖUSE!", 100, "p", id="case, accents, punctuation"),
        pytest.param("Lighthouse Old", 100, "p", id="order of words"),
        pytest.param("Old Lighthose", 100, "p", id="typo"),
        pytest.param("Central Station", 0, None, id="another name"),
        pytest.param("", 0, None, id="no name"),
        pytest.param("Old Lighthouse", None, "p", id="no coordinates, same name"),
        pytest.param("Old Lighthouse Cafe", None, None, id="no coordinates, name a part of it"),
    ],
)
def test_a_location_matches_by_distance_and_name(name, north_m, expected):
    assert (
        matched([LIGHTHOUSE, poi("q", "Harbour Museum", north_m=5000)], location(name, north_m=north_m))[0] == expected
    )


def test_the_most_similar_name_wins_over_the_nearer_place():
    pois = [poi("zoo", "Central Park Zoo", north_m=250), poi("park", "Central Park")]
    assert matched(pois, location("Central Park Zoo"))[0] == "zoo"
    assert matched(pois, location("Central Park", north_m=240))[0] == "park"


def test_of_two_equal_names_the_nearer_wins():
    pois = [poi("a", "Bean Cafe", north_m=-100), poi("b", "Bean Cafe", north_m=200)]
    assert matched(pois, location("Bean Cafe")) == ("a", {"distance_and_name"})


def test_two_equal_names_at_equal_distances_are_ambiguous():
    pois = [poi("a", "Bean Cafe", north_m=-100), poi("b", "Bean Cafe", north_m=110)]
    assert matched(pois, location("Bean Cafe")) == (None, {"ambiguous"})


def test_without_coordinates_two_equal_names_are_ambiguous():
    pois = [poi("a", "Bean Cafe"), poi("b", "Bean Cafe", north_m=9000)]
    assert matched(pois, location("Bean Cafe", north_m=None)) == (None, {"ambiguous"})


def test_the_page_of_a_whole_city_is_no_poi_of_it():
    library = poi("p", "New York Public Library")
    assert matched([library], location("New York, New York"))[0] is None
    assert matched([library], location("Public Library"))[0] == "p"
    assert matched([library], location("Public Library", north_m=None))[0] is None


@pytest.mark.parametrize(
    ("overruled", "expected"),
    [({"a": False}, "b"), ({"b": True}, "b"), ({"a": False, "b": False}, None), ({"far": True}, "far")],
)
def test_a_persons_decision_counts_before_every_rule(overruled, expected):
    pois = [poi("a", "Bean Cafe"), poi("b", "Bean Cafe", north_m=200), poi("far", "Museum", north_m=9000)]
    assert matched(pois, location("Bean Cafe"), overruled)[0] == expected


def test_all_pairs_within_reach_are_reported_with_distance_and_similarity():
    pois = [poi("a", "Bean Cafe", north_m=100), poi("b", "Museum", north_m=-50), poi("c", "Bean Cafe", north_m=400)]
    pairs = Matcher(pois, "Town", RULES).pairs(location("Bean Cafe"))
    assert [(pair.poi_id, round(pair.distance_m), round(pair.similarity), pair.is_match) for pair in pairs] == [
        ("a", 100, 100, True),
        ("b", 50, round(name_similarity("bean cafe", "museum")), False),
    ]


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("Café de l'Ópera", "cafe de lopera"),
        ("ＭＯＭＡ – N.Y.", "moma n y"),
        ("दिल्ली हाट", "दिल्ली हाट"),
        ("東京タワー", "東京タワー"),
        ("Straße", "strasse"),
        ("🗼", "🗼"),
        ("", ""),
    ],
)
def test_normal_names(name, normal):
    assert normal_name(name) == normal


def test_only_equal_words_are_more_than_95_alike():
    assert name_similarity("park", "park zoo") == 94
    assert name_similarity("old lighthouse", "lighthouse old") == 100


@given(st.text(), st.text())
def test_similarity_is_symmetric_and_bounded(a, b):
    similarity = name_similarity(normal_name(a), normal_name(b))
    assert 0 <= similarity <= 100
    assert similarity == name_similarity(normal_name(b), normal_name(a))
