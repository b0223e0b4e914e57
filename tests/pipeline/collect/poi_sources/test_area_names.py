"""Names of areas: the city, also in short, its regions, countries and the world are no places; what is named after
them is."""

import pytest

from pipeline.collect.poi_sources.area_names import AREAS, AreaNames, _areas
from pipeline.text.place_names import normal_name

pytestmark = pytest.mark.fault("P28")

PAGES = ("Melbourne, Victoria, Australia", "Luna Park", "Richmond, Yarra, Australia")


def kind(name: str, city: str = "Melbourne", pages: tuple[str, ...] = PAGES) -> str:
    names = AreaNames(city, pages)
    return "city" if names.is_city(name) else "area" if names.is_area(name) else ""


@pytest.mark.parametrize(
    "name",
    [
        *("Melbourne", "Melbourne, Victoria, Australia", "City of Melbourne", "Greater Melbourne", "Melbourne CBD"),
        *("Melb", "melb 🦘", "Melbourne Australia", "Melbourne VIC", "Melbourne, Vic", "MELBOURNE 3000", "Mel"),
    ],
)
def test_the_city_is_known_in_its_other_words(name):
    assert kind(name) == "city"


@pytest.mark.parametrize(
    ("name", "city"),
    [
        *(("NYC", "New York"), ("N.Y.C.", "New York"), ("NY", "New York"), ("New York, New York", "New York")),
        *(("NYC 🗽", "New York City"), ("HK", "Hong Kong"), ("Köln", "Köln"), ("東京", "東京"), ("LA", "Los Angeles")),
    ],
)
def test_a_city_of_several_words_is_known_by_its_initials(name, city):
    assert kind(name, city, ()) == "city"


@pytest.mark.parametrize(
    "name",
    [
        *("Australia", "Australia 🇦🇺", "Victoria", "Victoria, Australia", "California, USA", "Earth", "Planet Earth"),
        *("The World", "Europe", "The Netherlands", "Österreich", "España", "日本", "Россия", "Somewhere, Earth"),
    ],
)
def test_countries_regions_of_the_city_and_the_world_are_areas(name):
    assert kind(name) == "area"


@pytest.mark.parametrize(
    "name",
    [
        *("Australia Zoo", "Melbourne Museum", "Melbourne Central", "Hotel Australia", "Cafe Melb", "Luna Park"),
        *(
            "Yarra",
            "California",
            "Little India",
            "Melody",
            "Earth Sanctuary",
            "Georgia on my Mind",
            "World Trade Center",
        ),
        *("Victoria Market, Melbourne", "Bar", "Me", "", "🗼", "Richmond, Yarra, Australia", "Chinatown, Australia"),
    ],
)
def test_what_is_named_after_an_area_is_a_place(name):
    assert kind(name) == ""


def test_a_word_for_a_kind_of_place_is_not_short_for_a_city():
    assert (kind("Bar", "Barcelona", ()), kind("Barc", "Barcelona", ())) == ("", "city")


def test_a_region_is_one_only_where_a_page_of_the_city_names_it():
    assert kind("Victoria", pages=("Luna Park, Victoria",)) == ""


def test_the_names_of_the_file_stand_there_as_they_are_compared():
    names = set().union(*_areas().values())
    assert {normal_name(name).removeprefix("the ") for name in names} == names - {""} and len(names) > 400
    assert AREAS.is_file()
