"""What a place is by the words of its name."""

import pytest

from pipeline.collect.poi_sources.categories import Taxonomy, sensitive_list
from pipeline.collect.poi_sources.files import PoiRow
from pipeline.collect.poi_sources.kinds_by_name import KINDS, kinds_of_name


def areas(name: str) -> set[str]:
    return sensitive_list().areas_of(PoiRow(poi_id="p", category_labels=kinds_of_name(name)), Taxonomy())


@pytest.mark.fault("P25")
@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("NYU Langone Hospital", "medical"),
        ("Hôpital Saint-Louis", "medical"),
        ("Städtisches Krankenhaus Süd", "medical"),
        ("Universitätsklinikum", "medical"),
        ("国立がん研究センター中央病院", "medical"),
        ("مستشفى دبي", "medical"),
        ("Zahnarztpraxis Dr. Weber", "medical"),
        ("St. Patrick's Cathedral", "religious"),
        ("Marienkirche", "religious"),
        ("Kölner Dom", "religious"),
        ("IGLESIA SAN JOSÉ", "religious"),
        ("Sultanahmet Camii", "religious"),
        ("浅草寺", "religious"),
        ("Gurdwara Sri Guru", "religious"),
        ("P.S. 11 Elementary School", "education_childcare"),
        ("Grundschule am Park", "education_childcare"),
        ("Universität Hamburg", "higher_education"),
        ("東京大学", "higher_education"),
        ("San Quentin State Prison", "correctional"),
        ("Ramstein Air Base", "military"),
        ("Women’s Shelter", "shelter_social_service"),
        ("Gay Bar", "sexual_orientation"),
        ("Home Sweet Home 🏠", "residence"),
        ("Zuhause", "residence"),
    ],
)
def test_a_sensitive_kind_is_known_by_a_word_of_the_name(name, area):
    assert area in areas(name)


@pytest.mark.fault("P25")
@pytest.mark.parametrize(
    "name",
    [
        *("Church Street", "School Lane", "Hospital Rd", "Home Depot", "Union Square", "Freedom Tower", "Kingdom"),
        *("Wisdom", "Bedford", "Brooklyn Bridge", "Akita", "Dunkirk", "", "🗼", "Casa Bonita", "新宿駅", "Hamburg"),
    ],
)
def test_a_name_that_only_looks_like_one_is_left_alone(name):
    assert areas(name) == set()


@pytest.mark.fault("P25")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Central Park", "Landmarks and Outdoors > Park or Garden"),
        ("Park Hotel", "Travel and Transportation > Hotel"),
        ("Museo del Prado", "Arts and Entertainment > Museum"),
        ("Berlin Hauptbahnhof", "Travel and Transportation > Station"),
        ("MoMA", ""),
    ],
)
def test_a_name_gives_a_kind_where_it_holds_a_word_of_one(name, kind):
    assert (*kinds_of_name(name), "")[0] == kind


@pytest.mark.fault("P25")
def test_sensitive_kinds_come_first_so_that_what_is_let_in_is_shown_as_what_it_is():
    assert kinds_of_name("Church Park") == (
        "Community and Government > Spiritual Center > Church",
        "Landmarks and Outdoors > Park or Garden",
    )
    kinds = [line.split(",")[0] for line in KINDS.read_text().splitlines() if ">" in line]
    is_sensitive = [
        bool(sensitive_list().areas_of(PoiRow(poi_id="p", category_labels=(kind,)), Taxonomy())) for kind in kinds
    ]
    assert is_sensitive == sorted(is_sensitive, reverse=True)
