"""Overture's places: a circle's places from GeoParquet of the releases' schema, by rules that need no popularity."""

import json
import struct

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.collect.poi_sources.categories import sensitive_list
from pipeline.collect.poi_sources.overture import read_overture
from pipeline.collect.poi_sources.overture_categories import overture_table
from pipeline.errors import StageError
from tests.fakes.os_places import CITY, table
from tests.fakes.overture import OF_2024, SCHEMA, build, numbers, place, write


def of(tmp_path, rows, **options):
    return read_overture([str(write(tmp_path / "a.parquet", rows, **options))], CITY, 0.5)[0]


@pytest.mark.fault("P31")
@pytest.mark.parametrize("compression", ["snappy", "zstd"])
def test_a_city_is_taken_from_a_release(store, tmp_path, compression):
    folder = tmp_path / "release" / "2026-11-18.0" / "theme=places" / "type=place"
    write(folder / "part-0.zstd.parquet", [place(1), place(2, latitude=50.0)], compression=compression)
    write(folder / "part-1.zstd.parquet", [place(3, sources=[{"dataset": "meta"}, {"dataset": "Foursquare"}])])
    write(tmp_path / "release" / "2026-10-21.0" / "theme=places" / "type=place" / "old.parquet", [place(9)])
    write(folder.parent.parent / "theme=base" / "type=land" / "land.parquet", [place(8)])
    report = build(store, tmp_path / "release")
    assert [row["name"] for row in table(store)] == ["Place 3", "Place 1"]
    assert table(store)[0]["semantic_label"] == "Arts and Entertainment"
    assert (report.counts["of_source/meta"], report.counts["of_source/Foursquare"]) == (2, 1)
    assert report.record.about["release"] == "2026-11-18"
    assert "CDLA-Permissive-2.0" in report.record.about["licences"]
    assert build(store, tmp_path / "release").is_reused


@pytest.mark.fault("P32")
def test_row_groups_elsewhere_and_columns_of_people_are_not_read(tmp_path):
    rows = [place(n, latitude=-45.0) for n in range(300)] + [place(n) for n in range(300, 600)]
    path = write(tmp_path / "a.parquet", rows, compression="none", row_group_size=300)
    data, metadata = bytearray(path.read_bytes()), parquet.ParquetFile(path).metadata
    for group in range(2):
        for column in map(metadata.row_group(group).column, range(metadata.num_columns)):
            if (group == 0 and "bbox" not in column.path_in_schema) or column.path_in_schema.startswith(
                ("websites", "socials", "emails", "phones", "brand")
            ):
                start = column.dictionary_page_offset or column.data_page_offset
                data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(data)
    assert len(read_overture([str(path)], CITY, 0.5)[0]) == 300


def test_a_schema_of_2024_and_a_copy_without_bbox_are_read(tmp_path):
    old = write(tmp_path / "old.parquet", [place(1)], schema=OF_2024)
    bare = pa.schema([field for field in SCHEMA if field.name in ("id", "geometry", "names", "basic_category")])
    copy = write(tmp_path / "copy.parquet", [place(2, basic_category="park"), place(3, latitude=40.0)], schema=bare)
    found, _ = read_overture([str(old), str(copy)], CITY, 0.5)
    assert {row.semantic_label for row in found} == {"Arts and Entertainment", "Landmarks and Outdoors"}


def test_the_geojson_of_a_download_is_read(store, tmp_path):
    given = place(1, taxonomy=None)
    properties = {key: value for key, value in given.items() if key not in ("geometry", "bbox")}
    properties["names"] = {"primary": "A Museum", "common": None}
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [-30.0, 12.0]}}
    content = {"type": "FeatureCollection", "features": [{**feature, "properties": properties}]}
    path = tmp_path / "places.geojson"
    path.write_text(json.dumps(content))
    build(store, path)
    assert [(row["name"], row["source"], row["category_name"]) for row in table(store)] == [
        ("A Museum", "overture", "Museum")
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({}, {"category": None, "sources": [{"dataset": "a"}, {"dataset": "b"}]}, id="a category"),
        pytest.param({"sources": [{"dataset": "a"}, {"dataset": "b"}], "confidence": 0.6}, {}, id="more sources"),
        pytest.param({"confidence": 0.95}, {}, id="confidence"),
        pytest.param({}, {"confidence": None}, id="no confidence is the last"),
    ],
)
def test_rank(tmp_path, first, second):
    assert numbers(of(tmp_path, [place(1, **second), place(2, **first)])) == [2, 1]


@pytest.mark.fault("P33")
def test_what_is_closed_unsure_nameless_or_sensitive_is_counted(store, tmp_path):
    rows = [
        place(1),
        place(2, operating_status="permanently_closed", confidence=0.0),
        place(3, operating_status="temporarily_closed"),
        place(4, confidence=0.2),
        place(5, confidence=None),
        place(6, names=None),
        place(7, category="hospital"),
        place(8, category=None, path=("cultural_and_historic", "place_of_worship", "a_new_kind")),
        place(9, categories={"primary": "park", "alternate": ["homeless_shelter"]}),
        place(10, category="hospital", confidence=0.1),
    ]
    counts = build(store, write(tmp_path / "a.parquet", rows)).counts
    dropped = {reason.removeprefix("dropped/"): n for reason, n in counts.items() if "/" in reason}
    dropped.pop("of_source/meta")
    assert dropped == {"closed": 2, "low_confidence": 1, "no_name": 1, "sensitive_category": 4}
    assert counts["pois"] == 2
    assert build(store, tmp_path / "a.parquet", min_confidence=0).counts["pois"] == 3


@pytest.mark.parametrize(
    "geometry",
    [
        pytest.param(struct.pack(">BI2d", 0, 1, -30.0, 12.0), id="big-endian"),
        pytest.param(struct.pack("<BII2d", 1, 0x20000001, 4326, -30.0, 12.0), id="with a reference system"),
        pytest.param(struct.pack("<BI3d", 1, 1001, -30.0, 12.0, 5.0), id="with a height"),
        pytest.param(None, id="none: the box stands for it"),
        pytest.param(b"\x01\x02", id="cut: the box stands for it"),
    ],
)
def test_points_in_every_form_of_wkb(tmp_path, geometry):
    (row,) = of(tmp_path, [place(1, geometry=geometry)])
    assert (row.latitude, row.longitude) == (12.0, -30.0)


@pytest.mark.fault("P34")
def test_a_file_without_categories_is_refused(store, tmp_path):
    schema = pa.schema([f for f in SCHEMA if f.name not in ("categories", "basic_category", "taxonomy")])
    path = write(tmp_path / "a.parquet", [place(1)], schema=schema)
    with pytest.raises(StageError, match=r"none of the columns categories, basic_category, taxonomy"):
        build(store, path)


@pytest.mark.fault("P33")
@pytest.mark.parametrize("categories", ["hospital", '{"primary": "hospital"}', {"other": "hospital"}])
def test_categories_in_a_form_that_is_not_read_are_refused(tmp_path, categories):
    row = {"id": "a", "names": {"primary": "A"}, "latitude": CITY.latitude, "longitude": CITY.longitude}
    parquet.write_table(pa.Table.from_pylist([{**row, "categories": categories}]), tmp_path / "a.parquet")
    with pytest.raises(StageError, match="as Overture writes them"):
        read_overture([str(tmp_path / "a.parquet")], CITY, 0.5)


def test_the_main_category_of_the_first_releases_is_read(tmp_path):
    row = {"id": "a", "names": {"primary": "A"}, "latitude": CITY.latitude, "longitude": CITY.longitude}
    old = pa.Table.from_pylist([{**row, "categories": {"main": "hospital", "alternate": ["clinic"]}}])
    parquet.write_table(old, tmp_path / "a.parquet")
    assert read_overture([str(tmp_path / "a.parquet")], CITY, 0.5)[0][0].category_ids == ("hospital", "clinic")


@pytest.mark.parametrize("content", [b"PAR1 no", b"", pa.table({"categories": ["x"], "name": ["y"]})])
def test_what_is_no_file_of_places_is_refused(store, tmp_path, content):
    path = tmp_path / "a.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        parquet.write_table(content, path)
    with pytest.raises(StageError, match=r"cannot be read|no file of Overture's places"):
        build(store, path)
    with pytest.raises(StageError, match="no places of Overture"):
        build(store, tmp_path / "nothing-*.parquet")


def test_every_area_of_the_table_is_one_of_the_list():
    areas = {mapped.area for mapped in overture_table().values()} - {""}
    assert areas <= {*sensitive_list().areas}
    expected = {"mosque": "religious", "hospital": "medical", "school": "education_childcare", "museum": ""}
    assert {category: overture_table()[category].area for category in expected} == expected
