"""OS Places: the places of a circle from Parquet files, ranked by what they offer, reading only what is needed."""

import os
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.cities import City
from pipeline.collect.poi_sources.categories import Category, Taxonomy
from pipeline.collect.poi_sources.os_places import boxes_around, extract_files, listing_digest, read_os_places
from pipeline.errors import StageError
from pipeline.geo import distance_km
from tests.fakes.os_places import CITY, MUSEUM, SCHEMA, build, ids, place, table, write


def test_a_city_is_taken_from_thousands_of_places(store, tmp_path):
    rng = np.random.default_rng(7)
    spots = zip(rng.uniform(11.8, 12.2, 4000), rng.uniform(-30.2, -29.8, 4000), strict=True)
    rows = [place(n, latitude=lat, longitude=lng) for n, (lat, lng) in enumerate(spots)]
    inside = [row for row in rows if distance_km(row["latitude"], row["longitude"], 12, -30) <= 10]
    write(tmp_path / "os" / "a.parquet", rows[:2500], row_group_size=500)
    write(tmp_path / "os" / "b.parquet", rows[2500:])
    report = build(store, tmp_path / "os", max_pois=50)
    assert report.counts == {"rows": len(inside), "pois": 50, "beyond_max_pois": len(inside) - 50, "dropped": 0}
    assert 500 < len(inside) < 3000
    first = table(store)[0]
    assert (first["source"], first["popularity"], first["rank"]) == ("os_places", None, 1)
    assert (first["category_name"], first["semantic_label"]) == ("Museum", "Arts and Entertainment")
    assert "no popularity" in report.record.about["rank"]


def test_only_the_columns_that_are_needed_are_read(store, tmp_path):
    path = write(tmp_path / "a.parquet", [place(n) for n in range(2000)], compression="none", row_group_size=500)
    data = bytearray(path.read_bytes())
    metadata = parquet.ParquetFile(path).metadata
    broken = 0
    for group in range(metadata.num_row_groups):
        for column in map(metadata.row_group(group).column, range(metadata.num_columns)):
            if column.path_in_schema.split(".")[0] in ("geom", "bbox", "email", "locality"):
                start = column.dictionary_page_offset or column.data_page_offset
                data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
                broken += 1
    path.write_bytes(data)
    assert broken == 4 * 5
    with pytest.raises(OSError):
        parquet.read_table(path)
    assert build(store, path).counts["rows"] == 2000


def test_row_groups_elsewhere_are_not_read(store, tmp_path):
    rows = [place(n, latitude=-45.0) for n in range(500)] + [place(n) for n in range(500, 1000)]
    path = write(tmp_path / "a.parquet", rows, compression="none", row_group_size=500)
    data = bytearray(path.read_bytes())
    far = parquet.ParquetFile(path).metadata.row_group(0)
    name = far.column(1)
    start = name.dictionary_page_offset or name.data_page_offset
    data[start : start + name.total_compressed_size] = b"\xff" * name.total_compressed_size
    path.write_bytes(data)
    assert build(store, path).counts["rows"] == 500


@pytest.mark.parametrize(
    ("rows", "order"),
    [
        pytest.param(
            [place(1, fsq_category_ids=[], address="a", website="w"), place(2)], [2, 1], id="a category comes first"
        ),
        pytest.param(
            [
                place(1, address="a"),
                place(2, address="a", tel="t"),
                place(3, address="a", tel="t", website="w"),
                place(4, address="a", tel="t", website="w", facebook_id=5),
            ],
            [4, 3, 2, 1],
            id="then what it offers",
        ),
        pytest.param([place(1, email="e", locality="l"), place(2)], [1, 2], id="other columns do not count"),
        pytest.param([place(1, instagram="i", twitter="t"), place(2, address="a")], [1, 2], id="one social is enough"),
        pytest.param(
            [place(1, date_refreshed="2023-01-01"), place(2), place(3, date_refreshed="2025-05-05")],
            [3, 1, 2],
            id="then the one refreshed last",
        ),
        pytest.param([place(2), place(1)], [1, 2], id="then by id"),
    ],
)
def test_rank(tmp_path, rows, order):
    found = read_os_places([write(tmp_path / "a.parquet", rows)], CITY, [], Taxonomy())
    assert ids(found) == order
    assert [row.rank for row in found] == list(range(1, len(order) + 1))


def test_dates_may_be_dates(tmp_path):
    schema = SCHEMA.set(SCHEMA.get_field_index("date_refreshed"), pa.field("date_refreshed", pa.date32()))
    rows = [place(1, date_refreshed=date(2023, 1, 1)), place(2, date_refreshed=date(2025, 1, 1))]
    assert ids(read_os_places([write(tmp_path / "a.parquet", rows, schema=schema)], CITY, [], Taxonomy())) == [2, 1]


@pytest.mark.fault("P7")
def test_closed_flagged_and_double_places_are_dropped(store, tmp_path):
    rows = [place(1), place(1), place(2, date_closed="2020-01-01")]
    flags = ["delete", "duplicate", "privatevenue"]
    rows += [place(10 + n, unresolved_flags=[flag]) for n, flag in enumerate(flags)]
    assert build(store, write(tmp_path / "a.parquet", rows)).counts == {
        "rows": 6,
        "pois": 1,
        "beyond_max_pois": 0,
        "dropped": 5,
        "dropped/duplicate": 1,
        "dropped/closed": 1,
        "dropped/flagged": 3,
    }


@pytest.mark.fault("P8")
def test_places_without_usable_coordinates_are_in_no_city(store, tmp_path):
    nan = float("nan")
    rows = [
        place(1),
        place(2, latitude=None),
        place(3, longitude=nan),
        place(4, latitude=500.0),
        place(5, latitude=0.0, longitude=0.0),
        place(6, latitude=-30.0, longitude=12.0),
    ]
    assert build(store, write(tmp_path / "a.parquet", rows)).counts["rows"] == 1


@pytest.mark.fault("P8")
@pytest.mark.parametrize(
    ("latitude", "longitude", "radius_km", "inside", "outside"),
    [
        pytest.param(
            0,
            179.95,
            30,
            [(0, 179.9), (0, -179.9), (0.2, 180), (0.2, -180)],
            [(0, -179.7), (0, 179.6)],
            id="the date line from the west",
        ),
        pytest.param(0, -179.95, 30, [(0, 179.9), (0, -179.9)], [(0, 179.7), (0, -179.6)], id="and from the east"),
        pytest.param(
            89.9, 0, 30, [(89.95, 180), (90, 0), (89.9, -90), (89.7, 0)], [(89.7, 180), (89, 0)], id="the north pole"
        ),
        pytest.param(-90, 0, 30, [(-89.9, 77), (-89.8, -150)], [(-89.7, 0), (89.9, 0)], id="the south pole"),
        pytest.param(60, 10, 100, [(60, 11.79), (60.005, 11.79)], [(60, 11.81)], id="meridians come closer"),
    ],
)
def test_a_circle_anywhere_on_the_globe(tmp_path, latitude, longitude, radius_km, inside, outside):
    city = City(key="town", name="Town", latitude=latitude, longitude=longitude, radius_km=radius_km)
    spots = [*inside, *outside]
    rows = [place(n, latitude=float(lat), longitude=float(lng)) for n, (lat, lng) in enumerate(spots)]
    found = read_os_places([write(tmp_path / "a.parquet", rows)], city, [], Taxonomy())
    assert sorted(ids(found)) == list(range(len(inside)))


def test_the_boxes_hold_every_point_of_their_circle():
    rng = np.random.default_rng(3)
    for _ in range(200):
        lat, lng, radius = rng.uniform(-90, 90), rng.uniform(-180, 180), rng.uniform(1, 500)
        bearing, angle = rng.uniform(0, 2 * np.pi, 50), radius * rng.uniform(0, 1, 50) / 6371.0088
        phi = np.arcsin(
            np.sin(np.radians(lat)) * np.cos(angle) + np.cos(np.radians(lat)) * np.sin(angle) * np.cos(bearing)
        )
        dlng = np.arctan2(
            np.sin(bearing) * np.sin(angle) * np.cos(np.radians(lat)),
            np.cos(angle) - np.sin(np.radians(lat)) * np.sin(phi),
        )
        lats, lngs = np.degrees(phi), (lng + np.degrees(dlng) + 180) % 360 - 180
        boxes = boxes_around(lat, lng, radius)
        held = [
            any(box.south <= y <= box.north and box.west <= x <= box.east for box in boxes)
            for y, x in zip(lats, lngs, strict=True)
        ]
        assert all(held)
        assert all(-180 <= box.west <= box.east <= 180 for box in boxes)


def test_only_the_categories_that_are_wanted(tmp_path):
    taxonomy = Taxonomy({"below": Category(("Arts and Entertainment", "Museum", "Art Museum"), (MUSEUM,))})
    rows = [
        place(1),
        place(2, fsq_category_ids=["other"]),
        place(3, fsq_category_ids=["below"]),
        place(4, fsq_category_ids=None),
    ]
    path = write(tmp_path / "a.parquet", rows)
    assert ids(read_os_places([path], CITY, [MUSEUM], taxonomy)) == [1, 3]
    assert ids(read_os_places([path], CITY, [MUSEUM], Taxonomy())) == [1]


@pytest.mark.fault("P11")
def test_sensitive_places_are_left_out_by_id_and_by_path(store, tmp_path):
    rows = [
        place(1),
        place(2, fsq_category_ids=["4bf58dd8d48988d138941735"], fsq_category_labels=None),
        place(3, fsq_category_ids=["new"], fsq_category_labels=["Health and Medicine > New Clinic"]),
    ]
    assert build(store, write(tmp_path / "a.parquet", rows)).counts["dropped/sensitive_category"] == 2


@pytest.mark.fault("P10")
def test_an_extract_without_a_place_of_the_city_is_reported(store, tmp_path):
    path = write(tmp_path / "a.parquet", [place(1, latitude=50.0)])
    with pytest.raises(StageError, match=r"city town is empty.*OS Places extract"):
        build(store, path)


def test_a_file_a_folder_and_a_pattern_name_an_extract(tmp_path):
    first = write(tmp_path / "dt=2025-09-09" / "places" / "parquet" / "places 0 [x].parquet", [place(1)])
    second = write(tmp_path / "dt=2025-09-09" / "places" / "parquet" / "places-1.parquet", [place(2)])
    categories = write(tmp_path / "dt=2025-09-09" / "categories" / "parquet" / "c.parquet", [place(3)])
    assert categories not in extract_files(tmp_path)
    assert extract_files(tmp_path) == [first, second]
    assert extract_files(first) == [first]
    assert extract_files(tmp_path / "*" / "places" / "**" / "*.parquet") == [first, second]
    assert ids(read_os_places([first, second], CITY, [], Taxonomy())) == [1, 2]
    with pytest.raises(StageError, match="no extract of OS Places"):
        extract_files(tmp_path / "nothing-*.parquet")


def test_an_unchanged_extract_is_reused_and_a_changed_one_is_not(store, tmp_path):
    path = write(tmp_path / "a.parquet", [place(1)])
    assert not build(store, path).is_reused
    assert build(store, path).is_reused
    before = listing_digest([path])
    os.utime(path, (1, 1))
    assert listing_digest([path]) != before
    assert not build(store, path).is_reused


def test_an_extract_of_few_columns_is_enough(tmp_path):
    schema = pa.schema([SCHEMA.field(name) for name in ("fsq_place_id", "name", "latitude", "longitude")])
    path = write(tmp_path / "a.parquet", [place(1)], schema=schema)
    (row,) = read_os_places([path], CITY, [], Taxonomy())
    assert (row.name, row.category_ids) == ("Place 1", ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"PAR1 no", "cannot be read", id="no Parquet"),
        pytest.param(b"", "cannot be read", id="empty"),
        pytest.param(pa.table({"latitude": [1.0], "name": ["x"]}), "no column fsq_place_id, longitude", id="columns"),
    ],
)
def test_what_is_no_extract_is_refused(store, tmp_path, content, message):
    path = tmp_path / "a.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        parquet.write_table(content, path)
    with pytest.raises(StageError, match=message):
        build(store, path)


def test_a_cut_file_among_good_ones_is_refused(store, tmp_path):
    write(tmp_path / "a.parquet", [place(1)])
    cut = write(tmp_path / "b.parquet", [place(2)])
    cut.write_bytes(cut.read_bytes()[:-100])
    with pytest.raises(StageError, match="cannot be read"):
        build(store, tmp_path)
