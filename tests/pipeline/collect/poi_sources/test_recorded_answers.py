"""Answers of Foursquare's APIs that were recorded, saved as files of POIs."""

import json

import pytest

from pipeline.collect.pois import PoisSettings, build_pois
from tests.fakes.poi_files import CITY, table

RECORDED = {
    "foursquare_places_api_2025_pune.json": {"latitude": 18.5425, "longitude": 73.7897, "radius_km": 2.0},
    "foursquare_v3_search_frankfurt.json": {"latitude": 50.1101, "longitude": 8.6772, "radius_km": 2.0},
    "foursquare_v2_explore_dallas_2015.json": {"latitude": 32.9537, "longitude": -96.8229, "radius_km": 5.0},
}


def recorded(store, shared_data, name, **settings):
    city = CITY.model_copy(update=RECORDED[name])
    report = build_pois(store, city, PoisSettings(file=shared_data / "foursquare" / name, **settings))
    return report, sorted(table(store), key=lambda row: row["rank"])


def test_a_recorded_answer_of_2025_is_read(store, shared_data):
    report, rows = recorded(store, shared_data, "foursquare_places_api_2025_pune.json")
    assert report.counts == {
        "rows": 6,
        "pois": 5,
        "beyond_max_pois": 0,
        "dropped": 1,
        "dropped/sensitive_category": 1,  # a temple
        "unknown_categories": 4,
        "category_not_in_taxonomy": 5,
    }
    assert [row["poi_id"] for row in rows[:2]] == ["6818af765ef9120f872249c5", "66ff72aa92206c366a8f6841"]
    assert (rows[0]["latitude"], rows[0]["longitude"]) == (18.541531, 73.791962)
    assert (rows[0]["category_ids"], rows[0]["category_name"]) == (["4eb1c1623b7b52c0e1adc2ec"], "Car Dealership")
    assert rows[1]["name"].endswith("Pashan (Survey No 116/6/1,Sus Ln, Jai Bhavani Nagar)")  # two of one name
    assert rows[3]["name"] == "Pashan Sus Road"


def test_a_recorded_answer_of_v3_is_read(store, shared_data):
    report, rows = recorded(store, shared_data, "foursquare_v3_search_frankfurt.json")
    assert report.counts == {"rows": 10, "pois": 10, "beyond_max_pois": 0, "dropped": 0}
    assert [row["name"] for row in rows[:3]] == [
        "Baguetterie & Cafébar Strahmann",
        "Bunca Barista & Caterer",
        "Heimat",
    ]
    assert (rows[1]["poi_id"], rows[1]["latitude"], rows[1]["longitude"]) == (
        "568c338d498e0b9ee997a939",
        50.11099,
        8.675335,
    )
    assert (rows[1]["category_ids"], rows[1]["category_name"]) == (["13034", "13035"], "Café")
    assert [row["semantic_label"] for row in rows] == [
        *["Dining and Drinking"] * 6,
        "Retail",
        "Landmarks and Outdoors",
        "Arts and Entertainment",
        "Dining and Drinking",
    ]


def test_a_recorded_answer_of_v2_explore_is_read(store, shared_data):
    taxonomy = shared_data / "foursquare" / "factual_places" / "foursquare_to_integrated.json"
    report, rows = recorded(store, shared_data, "foursquare_v2_explore_dallas_2015.json", taxonomy=taxonomy)
    assert {name: report.counts[name] for name in ("rows", "pois", "dropped")} == {
        "rows": 30,
        "pois": 30,
        "dropped": 0,
    }
    assert [row["name"] for row in rows[:2]] == ["Kenny's Wood Fired Grill", "Flying Saucer Draught Emporium"]
    first = rows[0]
    assert (first["poi_id"], first["latitude"], first["longitude"]) == (
        "4b72f0c2f964a520fa902de3",
        32.95342666340683,
        -96.82353436946869,
    )
    assert (first["category_ids"], first["category_name"], first["semantic_label"], first["popularity"]) == (
        ["4bf58dd8d48988d14e941735"],
        "American Restaurant",
        "Dining and Drinking",
        None,
    )
    assert rows[11]["name"] == "Addison Circle Park"
    assert rows[11]["semantic_label"] == "Landmarks and Outdoors"


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda places: {"results": places, "context": {}}, id="v3 and 2025"),
        pytest.param(lambda places: {"meta": {}, "notifications": [], "response": {"venues": places}}, id="v2 search"),
        pytest.param(
            lambda places: {
                "notifications": [{"type": "x"}],
                "response": {
                    "groups": [
                        {"items": [{"venue": place} for place in places[:1]]},
                        {"items": [{"venue": place} for place in places[1:]]},
                        {"type": "x"},
                    ]
                },
            },
            id="v2 explore",
        ),
    ],
)
def test_the_order_of_an_answer_is_its_rank(store, tmp_path, wrap):
    places = [
        {
            "id": f"p{n}",
            "name": f"P{n}",
            "location": {"lat": 12.0, "lng": -30.0},
            "rating": rating,
            "categories": [{"id": "a", "name": "Second"}, {"id": "b", "name": "First", "primary": True}],
        }
        for n, rating in enumerate([1.0, 9.0, 5.0])
    ]
    (tmp_path / "a.json").write_text(json.dumps(wrap(places)))
    build_pois(store, CITY, PoisSettings(file=tmp_path / "a.json"))
    rows = sorted(table(store), key=lambda row: row["rank"])
    assert [(row["poi_id"], row["popularity"]) for row in rows] == [("p0", None), ("p1", None), ("p2", None)]
    assert (rows[0]["category_ids"], rows[0]["category_name"]) == (["b", "a"], "First")
