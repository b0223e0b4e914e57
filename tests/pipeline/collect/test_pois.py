"""POIs from files: every row is taken or counted, and a file without coordinates is refused."""

import json

import pandas as pd
import pytest

from pipeline.cities import City, CityError
from pipeline.collect.pois import PoisSettings, build_pois
from pipeline.stage import StageError

CITY = City(key="town", name="Town", latitude=12, longitude=-30, radius_km=10)


def poi(**changes) -> dict:
    """A good row; None takes a field out."""
    row = {"poi_id": "p1", "name": "Old Lighthouse", "latitude": 12.01, "longitude": -30.01, **changes}
    return {name: value for name, value in row.items() if value is not None}


def build(store, tmp_path, rows, city=CITY, name="pois.json", **settings):
    path = tmp_path / name
    if name.lower().endswith(".json"):
        path.write_text(json.dumps(rows))
    elif name.lower().endswith(".csv"):
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        pd.DataFrame(rows).to_parquet(path)
    return build_pois(store, city, PoisSettings(file=path, **settings))


def table(store):
    return store.tables.read("town", "pois").to_pylist()


@pytest.mark.parametrize("name", ["pois.json", "pois.csv", "pois.parquet", "POIS.CSV"])
def test_every_kind_of_file_gives_the_same_table(store, tmp_path, name):
    build(store, tmp_path, [poi(), poi(poi_id="p2", name="NA", latitude=12.02)], name=name)
    assert [(row["poi_id"], row["name"], row["latitude"], row["longitude"]) for row in table(store)] == [
        ("p1", "Old Lighthouse", 12.01, -30.01),
        ("p2", "NA", 12.02, -30.01),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param(poi(latitude=None), "no_coordinates", id="no latitude"),
        pytest.param({**poi(), "latitude": None}, "no_coordinates", id="null"),
        pytest.param(poi(latitude=0, longitude=0), "bad_coordinates", id="0/0"),
        pytest.param(poi(latitude=95), "bad_coordinates", id="latitude 95"),
        pytest.param(poi(longitude=181), "bad_coordinates", id="longitude 181"),
        pytest.param(poi(latitude="12,01"), "bad_coordinates", id="text with a comma"),
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
    [poi(latitude="12.01"), poi(date_closed=""), poi(closed_bucket="LikelyOpen"), poi(unresolved_flags=[]),
     poi(closed=False)],
)  # fmt: skip
def test_a_good_row_in_another_dress_is_taken(store, tmp_path, row):
    assert build(store, tmp_path, [row]).counts["pois"] == 1


@pytest.mark.fault("P8")
def test_a_city_across_the_date_line_has_pois_on_both_sides(store, tmp_path):
    city = City(key="town", name="Town", latitude=0, longitude=179.95, radius_km=30)
    rows = [poi(latitude=0.0, longitude=179.9), poi(poi_id="p2", latitude=0.0, longitude=-179.9)]
    assert build(store, tmp_path, rows, city).counts["pois"] == 2


@pytest.mark.fault("P6")
def test_two_pois_of_one_name_are_two_and_told_apart(store, tmp_path):
    build(
        store, tmp_path, [poi(address="1 Main St"), poi(poi_id="p2", address="9 Side St"), poi(poi_id="p3", name="")]
    )
    assert [(row["poi_id"], row["name"]) for row in table(store)] == [
        ("p1", "Old Lighthouse (1 Main St)"), ("p2", "Old Lighthouse (9 Side St)"), ("p3", "p3"),
    ]  # fmt: skip


@pytest.mark.fault("P9")
@pytest.mark.parametrize(
    ("name", "stored"),
    [("a\0b", "ab"), ("\u202ex", "x"), ("../../x", "../../x"), ("CON", "CON"), ("🗼", "🗼"), ("x" * 300, "x" * 300),
     ("\u0301", "\u0301")],
)  # fmt: skip
def test_a_name_is_data(store, tmp_path, name, stored):
    build(store, tmp_path, [poi(name=name, poi_id="../../p")])
    assert [(row["poi_id"], row["name"]) for row in table(store)] == [("../../p", stored)]
    assert not list(tmp_path.parent.glob("p*/../p"))


def test_the_most_popular_are_taken_and_ranked(store, tmp_path):
    rows = [poi(poi_id=f"p{n}", popularity=popularity) for n, popularity in enumerate([0.2, None, 0.9, 0.5])]
    report = build(store, tmp_path, rows, max_pois=3)
    assert report.counts["beyond_max_pois"] == 1
    assert {row["poi_id"]: (row["rank"], row["popularity"]) for row in table(store)} == {
        "p2": (1, 0.9), "p3": (2, 0.5), "p0": (3, 0.2),
    }  # fmt: skip


def test_a_rank_in_the_file_counts_before_popularity(store, tmp_path):
    build(store, tmp_path, [poi(poi_id="a", rank=2, popularity=1), poi(poi_id="b", rank=1, popularity=0)])
    assert {row["poi_id"]: row["rank"] for row in table(store)} == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(
            {"categories": [{"fsq_category_id": "4bf", "name": "Car Dealership"}]},
            (["4bf"], "Car Dealership", "Car Dealership"), id="Places API",
        ),
        pytest.param(
            {"fsq_category_ids": ["4bf", "4c0"], "fsq_category_labels": ["Dining and Drinking > Bar > Wine Bar"]},
            (["4bf", "4c0"], "Wine Bar", "Dining and Drinking"), id="OS Places",
        ),
        pytest.param(
            {"category_ids": "a|b", "category_name": "Cafe", "semantic_label": "Food"}, (["a", "b"], "Cafe", "Food"),
            id="our own CSV",
        ),
        pytest.param({}, ([], "", ""), id="none"),
    ],
)  # fmt: skip
def test_categories(store, tmp_path, row, expected):
    build(store, tmp_path, [poi(**row)])
    (stored,) = table(store)
    assert (stored["category_ids"], stored["category_name"], stored["semantic_label"]) == expected


def test_an_unchanged_file_is_reused_and_a_changed_circle_is_not(store, tmp_path):
    build(store, tmp_path, [poi()])
    assert build(store, tmp_path, [poi()]).is_reused
    assert not build(store, tmp_path, [poi()], CITY.model_copy(update={"radius_km": 5.0})).is_reused


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("a.csv", b"poi_id,name\np1,x\n", "has no latitude", id="no coordinates"),
        pytest.param(
            "a.json", b'[{"poi_id": "p", "name": "x", "latitude": 1}]', "has no longitude", id="half of them"
        ),
        pytest.param("a.json", b"[]", "the file is empty", id="empty list"),
        pytest.param("a.json", b'{"results": 5}', "no list of POIs", id="no list"),
        pytest.param("a.json", b'[{"poi_id": ', "not a JSON file of POIs", id="cut"),
        pytest.param("a.csv", b"", "cannot be read", id="empty CSV"),
        pytest.param("a.csv", b"\xff\xfe\x00x", "cannot be read", id="binary CSV"),
        pytest.param("a.parquet", b"PAR1 no", "cannot be read", id="broken Parquet"),
        pytest.param("a.xlsx", b"PK", "must end in", id="another kind"),
        pytest.param("a.json", b'[{"poi_id": "p", "lat": 50, "lng": 8}]', "outside_city 1", id="all elsewhere"),
    ],
)
def test_a_file_that_gives_no_poi_is_refused_with_a_reason(store, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StageError, match=message):
        build_pois(store, CITY, PoisSettings(file=tmp_path / name))
    assert store.stage_record("town", "pois") is None
    assert table(store) == []


def test_a_missing_file_and_no_file_at_all_tell_what_to_put_where(store, tmp_path):
    with pytest.raises(StageError, match=r"there is no file of POIs at .*cities\.yaml"):
        build_pois(store, CITY, PoisSettings(file=tmp_path / "x.csv"))
    with pytest.raises(StageError, match=r"no source of POIs.*cities\.yaml"):
        build_pois(store, CITY, PoisSettings())


def test_wrong_demo_settings_are_named(store):
    city = CITY.model_copy(update={"demo": {"num_pois": 1000}})
    with pytest.raises(CityError, match="num_pois"):
        build_pois(store, city, PoisSettings())


@pytest.mark.parametrize(
    ("name", "city", "count"),
    [
        ("foursquare_places_api_2025_pune.json", {"latitude": 18.54, "longitude": 73.79}, 6),
        ("foursquare_v3_search_frankfurt.json", {"latitude": 50.11, "longitude": 8.68}, 10),
    ],
)
def test_recorded_answers_of_foursquare_are_read(store, shared_data, name, city, count):
    path = shared_data / "foursquare" / name
    report = build_pois(store, CITY.model_copy(update=city), PoisSettings(file=path))
    assert report.counts["pois"] == count
    assert all(row["category_name"] and row["category_ids"] for row in table(store))
