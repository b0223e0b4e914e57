"""POIs: every row of a source is taken or counted, sources are chosen in order, recorded answers are read."""

import json

import pandas as pd
import pytest

from pipeline.cities import City, CityError
from pipeline.collect.pois import PoisSettings, build_pois
from pipeline.errors import StageError

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
def test_two_pois_of_one_name_are_two_and_told_apart(store, tmp_path):
    build(
        store, tmp_path, [poi(address="1 Main St"), poi(poi_id="p2", address="9 Side St"), poi(poi_id="p3", name="")]
    )
    assert [(row["poi_id"], row["name"]) for row in table(store)] == [
        ("p1", "Old Lighthouse (1 Main St)"),
        ("p2", "Old Lighthouse (9 Side St)"),
        ("p3", "p3"),
    ]


@pytest.mark.fault("P9")
@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("a\0b", "ab"),
        ("\u202ex", "x"),
        ("../../x", "../../x"),
        ("CON", "CON"),
        ("🗼", "🗼"),
        ("x" * 300, "x" * 300),
        ("\u0301", "\u0301"),
    ],
)
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
def test_a_city_of_one_poi_is_a_city_and_one_of_none_is_told_to_be_empty(store, tmp_path):
    assert build(store, tmp_path, [poi()]).counts["pois"] == 1
    with pytest.raises(StageError, match=r"city town is empty: none of the 1 rows of the file .*outside_city 1"):
        build(store, tmp_path, [poi(latitude=50)])
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


def test_letting_sensitive_places_in_is_told(store, tmp_path):
    row = poi(category_ids="12101", category_name="Church")
    report = build(store, tmp_path, [row], include_sensitive=["religious"], sensitive_reason="churches")
    assert report.counts["pois"] == 1
    assert report.record.about == {
        "source": "file",
        "sensitive_list_version": "1",
        "sensitive_included": "religious",
        "sensitive_reason": "churches",
    }


@pytest.fixture
def no_key(monkeypatch):
    monkeypatch.delenv("FOURSQUARE_API_KEY", raising=False)


def test_without_a_source_the_three_ways_are_told(store, no_key):
    with pytest.raises(StageError, match=r"no source of POIs.*file: .*os_places: .*FOURSQUARE_API_KEY"):
        build_pois(store, CITY, PoisSettings())


def test_foursquare_without_a_key_names_the_variable(store, no_key):
    with pytest.raises(StageError, match="FOURSQUARE_API_KEY"):
        build_pois(store, CITY, PoisSettings(source="foursquare"))


@pytest.mark.parametrize("source", ["file", "os_places"])
def test_a_source_that_names_nothing_is_refused(store, source, monkeypatch):
    monkeypatch.setenv("FOURSQUARE_API_KEY", "0123456789")
    with pytest.raises(StageError, match=rf"wants POIs of the source {source}, but names none"):
        build_pois(store, CITY, PoisSettings(source=source))


def test_auto_takes_the_file_first_then_os_places(store, tmp_path, monkeypatch):
    monkeypatch.setenv("FOURSQUARE_API_KEY", "0123456789")
    build(store, tmp_path, [poi(poi_id="of the extract")], name="os.parquet")
    extract = tmp_path / "os.parquet"
    frame = pd.read_parquet(extract).rename(columns={"poi_id": "fsq_place_id"})
    frame.to_parquet(extract)
    build(store, tmp_path, [poi()], os_places=extract)
    assert [row["source"] for row in table(store)] == ["file"]
    build_pois(store, CITY, PoisSettings(os_places=extract))
    assert [(row["source"], row["poi_id"]) for row in table(store)] == [("os_places", "of the extract")]
    build_pois(store, CITY, PoisSettings(source="os_places", os_places=extract, file=tmp_path / "pois.json"))
    assert [row["source"] for row in table(store)] == ["os_places"]


def test_the_demo_city_takes_its_own_pois_even_with_a_key(store, monkeypatch):
    monkeypatch.setenv("FOURSQUARE_API_KEY", "0123456789")
    city = CITY.model_copy(update={"demo": {"num_pois": 4, "num_posts": 48}, "is_synthetic": True})
    report = build_pois(store, city, PoisSettings())
    assert {row["source"] for row in table(store)} == {"demo"}
    assert report.record.notes == []
