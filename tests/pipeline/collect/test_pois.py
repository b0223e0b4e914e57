"""POIs: every row of a source is taken or counted, ranked, named and kept apart."""

import pytest

from pipeline.cities import City, CityError
from pipeline.collect.pois import PoisSettings, build_pois
from pipeline.errors import StageError
from tests.fakes.poi_files import CITY, ODD_NAMES, build, poi, table


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param(poi(latitude=None), "no_coordinates", id="no latitude"),
        pytest.param({**poi(), "latitude": None}, "no_coordinates", id="null"),
        pytest.param(poi(latitude=0, longitude=0), "bad_coordinates", id="0/0"),
        pytest.param(poi(latitude=95), "bad_coordinates", id="latitude 95"),
        pytest.param(poi(longitude=181), "bad_coordinates", id="longitude 181"),
        pytest.param(poi(latitude="12,010"), "bad_coordinates", id="thousands or a fraction"),
        pytest.param(poi(latitude="north"), "bad_coordinates", id="text"),
        pytest.param(poi(latitude=float("inf")), "bad_coordinates", id="infinite"),
        pytest.param(poi(latitude=-30.01, longitude=12.01), "outside_city", id="swapped"),
        pytest.param(poi(latitude=12.1), "outside_city", id="11 km away"),
        pytest.param(poi(latitude=90, longitude=0), "outside_city", id="pole"),
        pytest.param(poi(poi_id=None), "no_id", id="no id"),
        pytest.param(poi(poi_id="  "), "no_id", id="blank id"),
        pytest.param(poi(poi_id="p0"), "duplicate", id="same id again"),
        pytest.param(poi(date_closed="2024-01-01"), "closed", id="closed"),
        pytest.param(poi(closed_bucket="VeryLikelyClosed"), "closed", id="likely closed"),
        pytest.param(poi(unresolved_flags=["privatevenue"]), "flagged", id="private venue"),
    ],
)
@pytest.mark.fault("P7")
@pytest.mark.fault("P8")
def test_a_bad_row_is_counted_with_its_reason(store, tmp_path, row, reason):
    report = build(store, tmp_path, [poi(poi_id="p0"), row])
    assert report.counts == {"rows": 2, "pois": 1, "beyond_max_pois": 0, "dropped": 1, f"dropped/{reason}": 1}
    assert [row["poi_id"] for row in table(store)] == ["p0"]


@pytest.mark.parametrize(
    "row",
    [
        poi(latitude="12.01"),
        poi(date_closed=""),
        poi(closed_bucket="LikelyOpen"),
        poi(unresolved_flags=[]),
        poi(closed=False),
    ],
)
def test_a_good_row_in_another_dress_is_taken(store, tmp_path, row):
    assert build(store, tmp_path, [row]).counts["pois"] == 1


@pytest.mark.fault("P8")
def test_a_city_across_the_date_line_has_pois_on_both_sides(store, tmp_path):
    city = City(key="town", name="Town", latitude=0, longitude=179.95, radius_km=30)
    rows = [poi(latitude=0.0, longitude=179.9), poi(poi_id="p2", latitude=0.0, longitude=-179.9)]
    assert build(store, tmp_path, rows, city).counts["pois"] == 2


@pytest.mark.fault("P6")
def test_two_pois_of_one_name_are_two_and_stated_apart(store, tmp_path):
    build(
        store, tmp_path, [poi(address="1 Main St"), poi(poi_id="p2", address="9 Side St"), poi(poi_id="p3", name="")]
    )
    assert [(row["poi_id"], row["name"]) for row in table(store)] == [
        ("p1", "Old Lighthouse (1 Main St)"),
        ("p2", "Old Lighthouse (9 Side St)"),
        ("p3", "p3"),
    ]


@pytest.mark.fault("P9")
@pytest.mark.parametrize(("name", "stored"), ODD_NAMES)
def test_a_name_is_data(store, tmp_path, name, stored):
    build(store, tmp_path, [poi(name=name, poi_id="../../p")])
    assert [(row["poi_id"], row["name"]) for row in table(store)] == [("../../p", stored)]
    assert not list(tmp_path.parent.glob("p*/../p"))


def test_the_most_popular_are_taken_and_ranked(store, tmp_path):
    rows = [poi(poi_id=f"p{n}", popularity=popularity) for n, popularity in enumerate([0.2, None, 0.9, 0.5])]
    report = build(store, tmp_path, rows, max_pois=3)
    assert report.counts["beyond_max_pois"] == 1
    assert {row["poi_id"]: (row["rank"], row["popularity"]) for row in table(store)} == {
        "p2": (1, 0.9),
        "p3": (2, 0.5),
        "p0": (3, 0.2),
    }


def test_a_rank_in_the_file_counts_before_popularity(store, tmp_path):
    build(store, tmp_path, [poi(poi_id="a", rank=2, popularity=1), poi(poi_id="b", rank=1, popularity=0)])
    assert {row["poi_id"]: row["rank"] for row in table(store)} == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(
            {"categories": [{"fsq_category_id": "4bf", "name": "Car Dealership"}]},
            (["4bf"], "Car Dealership", "Car Dealership"),
            id="Places API",
        ),
        pytest.param(
            {"fsq_category_ids": ["4bf", "4c0"], "fsq_category_labels": ["Dining and Drinking > Bar > Wine Bar"]},
            (["4bf", "4c0"], "Wine Bar", "Dining and Drinking"),
            id="OS Places",
        ),
        pytest.param(
            {"category_ids": "a|b", "category_name": "Cafe", "semantic_label": "Food"},
            (["a", "b"], "Cafe", "Food"),
            id="our own CSV",
        ),
        pytest.param({}, ([], "", ""), id="none"),
    ],
)
def test_categories(store, tmp_path, row, expected):
    build(store, tmp_path, [poi(**row)])
    (stored,) = table(store)
    assert (stored["category_ids"], stored["category_name"], stored["semantic_label"]) == expected


def test_an_unchanged_file_is_reused_and_a_changed_circle_is_not(store, tmp_path):
    build(store, tmp_path, [poi()])
    assert build(store, tmp_path, [poi()]).is_reused
    assert not build(store, tmp_path, [poi()], CITY.model_copy(update={"radius_km": 5.0})).is_reused


def test_wrong_demo_settings_are_named(store):
    city = CITY.model_copy(update={"demo": {"num_pois": 1000}})
    with pytest.raises(CityError, match="num_pois"):
        build_pois(store, city, PoisSettings())


@pytest.mark.fault("P6")
def test_one_name_in_two_cities_is_two_pois_in_two_tables(store, tmp_path):
    other = CITY.model_copy(update={"key": "other"})
    build(store, tmp_path, [poi()])
    build(store, tmp_path, [poi(poi_id="p2")], other)
    assert [row["poi_id"] for row in table(store)] == ["p1"]
    assert [row["poi_id"] for row in store.tables.read("other", "pois").to_pylist()] == ["p2"]


@pytest.mark.fault("P8")
def test_a_city_at_a_pole_has_pois_on_all_meridians(store, tmp_path):
    city = City(key="town", name="Town", latitude=89.95, longitude=0, radius_km=20)
    rows = [
        poi(latitude=89.95, longitude=0),
        poi(poi_id="p2", latitude=89.95, longitude=180),
        poi(poi_id="p3", latitude=90, longitude=77),
        poi(poi_id="p4", latitude=89.7, longitude=180),
    ]
    assert build(store, tmp_path, rows, city).counts["pois"] == 3


@pytest.mark.fault("P10")
def test_a_city_of_one_poi_is_a_city_and_one_of_none_is_reported_to_be_empty(store, tmp_path):
    assert build(store, tmp_path, [poi()]).counts["pois"] == 1
    with pytest.raises(StageError, match=r"city town is empty: none of the 1 rows of the file .*outside_city 1"):
        build(store, tmp_path, [poi(latitude=50)])
    with pytest.raises(StageError, match=r"\(closed 1\): look at the source$"):
        build(store, tmp_path, [poi(closed=True)])
    assert [row["poi_id"] for row in table(store)] == ["p1"]  # what was there stays


@pytest.mark.fault("P11")
@pytest.mark.parametrize(
    "row",
    [
        pytest.param(poi(category_ids="4bf58dd8d48988d132941735"), id="id of a church"),
        pytest.param(poi(category_ids="12101", category_name="Something"), id="v3 number"),
        pytest.param(poi(category_name="Health and Medicine > Physician > Surgeon"), id="path"),
        pytest.param(poi(category_name="HOMELESS SHELTER"), id="name"),
        pytest.param(poi(categories=[{"id": 12058, "name": "x"}]), id="answer of v3"),
        pytest.param(poi(category_ids="13035|15014", category_name="Cafe"), id="one of several"),
    ],
)
def test_a_sensitive_place_of_a_file_is_left_out(store, tmp_path, row):
    report = build(store, tmp_path, [row, poi(poi_id="p2")])
    assert (report.counts["pois"], report.counts["dropped/sensitive_category"]) == (1, 1)


def test_letting_sensitive_places_in_is_reported(store, tmp_path):
    row = poi(category_ids="12101", category_name="Church")
    report = build(store, tmp_path, [row], include_sensitive=["religious"], sensitive_reason="churches")
    assert report.counts["pois"] == 1
    assert report.record.about == {
        "source": "file",
        "sensitive_list_version": "3",
        "sensitive_included": "religious",
        "sensitive_reason": "churches",
    }
