"""Files of POIs as people have them: whatever program wrote the rows, the same POIs are taken for the same reasons."""

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.collect.poi_sources import tables
from pipeline.collect.poi_sources.categories import Taxonomy, sensitivity
from pipeline.collect.poi_sources.files import read_poi_file
from pipeline.collect.poi_sources.selection import select_pois
from pipeline.errors import StageError
from tests.fakes.poi_files import CITY, build, poi

RULES = sensitivity(Taxonomy(), [], "")
HEADER = "fsq_place_id,name,latitude,longitude"
OLD_MILL = {"fsq_place_id": "f1", "name": "Old Mill", "latitude": 12.01, "longitude": -30.01}
PIER = {"fsq_place_id": "f2", "name": "Pier, North", "latitude": 12.02, "longitude": -30.02}
BOTH = [("f1", "Old Mill", 12.01, -30.01), ("f2", "Pier, North", 12.02, -30.02)]


def rows(tmp_path, content, name="pois.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_poi_file(path)


def judged(tmp_path, content, name="pois.csv"):
    """Ids of the POIs, and the reasons against the other rows in their order."""
    pois, drops = select_pois(rows(tmp_path, content, name), CITY, RULES)
    return [poi.poi_id for poi in pois], list(drops.values())


def taken(tmp_path, content, name="pois.csv"):
    pois, drops = select_pois(rows(tmp_path, content, name), CITY, RULES)
    assert drops == {}
    return [(poi.poi_id, poi.name, poi.latitude, poi.longitude) for poi in pois]


SEMICOLONS = "fsq_place_id;name;latitude;longitude\nf1;Old Mill;12.01;-30.01\nf2;Pier, North;12.02;-30.02\n"


@pytest.mark.fault("P18")
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(SEMICOLONS, id="semicolons"),
        pytest.param(SEMICOLONS.replace(";", "\t"), id="tabs"),
        pytest.param(SEMICOLONS.replace(";", "|"), id="bars"),
        pytest.param("sep=;\r\n" + SEMICOLONS.replace("\n", "\r\n"), id="Excel's first line"),
        pytest.param(SEMICOLONS.replace(".0", ",0"), id="decimal commas"),
        pytest.param(SEMICOLONS.replace("\n", ";\n"), id="semicolons at every end"),
        pytest.param("\r\n\n" + SEMICOLONS, id="empty lines before the header"),
        pytest.param(SEMICOLONS.encode("utf-16"), id="UTF-16"),
        pytest.param(SEMICOLONS.encode("utf-8-sig"), id="UTF-8 with a mark"),
        pytest.param(
            f'{HEADER}\nf1,Old Mill,12.01,-30.01,\nf2,"Pier, North",12.02,-30.02,,\n', id="commas at the end"
        ),
        pytest.param(
            f'{HEADER},\nf1,Old Mill,12.01,-30.01,\nf2,"Pier, North",12.02,-30.02\n', id="also of the header"
        ),
        pytest.param(f'{HEADER}\n\nf1,Old Mill,12.01,-30.01\n,,,\nf2,"Pier, North",12.02,-30.02\n', id="empty rows"),
        pytest.param(f',{HEADER}\n0,f1,Old Mill,12.01,-30.01\n1,f2,"Pier, North",12.02,-30.02\n', id="pandas' index"),
        pytest.param(
            'FSQ Place ID, "Name", Latitude , Longitude\nf1, Old Mill, 12.01, -30.01\nf2, "Pier, North",12.02, -30.02',
            id="spaces",
        ),
        pytest.param(
            'fsq_place_id,name,latitude,longitude\nf1,Old Mill,"12,01","-30,01"\nf2,"Pier, North","12,02","-30,02"\n',
            id="decimal commas in quotes",
        ),
    ],
)
def test_a_csv_is_read_as_its_program_wrote_it(tmp_path, content):
    assert taken(tmp_path, content) == BOTH


@pytest.mark.fault("P18")
def test_quotes_may_be_escaped_by_a_backslash(tmp_path):
    content = f'{HEADER}\nf1,"The \\"Old\\" Mill, Inc",12.01,-30.01\nf2,Pier,12.02,-30.02\n'
    assert [row[1] for row in taken(tmp_path, content)] == ['The "Old" Mill, Inc', "Pier"]


@pytest.mark.fault("P18")
@pytest.mark.parametrize(
    ("written", "name"),
    [
        pytest.param('The \\"Old\\" Mill\\, Inc', 'The "Old" Mill, Inc', id="all escaped"),
        pytest.param('"Old" Mill', "Old Mill", id="a quote at the beginning"),
        pytest.param('6" Pizza', '6" Pizza', id="inches"),
        pytest.param('"The ""Old"" Mill"', 'The "Old" Mill', id="doubled"),
    ],
)
def test_quotes_in_a_name_move_no_value(tmp_path, written, name):
    content = f"{HEADER}\nf1,{written},12.01,-30.01\nf2,Pier,12.02,-30.02\n"
    assert [row[1] for row in taken(tmp_path, content)] == [name, "Pier"]


@pytest.mark.fault("P18")
def test_a_row_with_too_many_values_is_counted_and_moves_none(tmp_path):
    content = f"{HEADER}\nf1,Mill, Old,12.01,-30.01\nf2,Pier,12.02,-30.02\n"
    assert judged(tmp_path, content) == (["f2"], ["too_many_values"])


@pytest.mark.fault("P18")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            f"{HEADER}\n0,f1,Mill,12.01,-30.01\n", "rows have more values than its header", id="one too many"
        ),
        pytest.param(
            f'{HEADER}\nf1,"Mill,12.01,-30.01\nf2,Pier,12.02,-30.02\n', "line 3: unexpected end", id="a quote"
        ),
        pytest.param(f"{HEADER}\nf1,Mühle,12.01,-30.01\n".encode("cp1252"), "no text in UTF-8", id="Latin"),
    ],
)
def test_a_csv_that_cannot_be_read_says_why(tmp_path, content, message):
    with pytest.raises(StageError, match=message):
        rows(tmp_path, content)


@pytest.mark.fault("P16")
@pytest.mark.parametrize("kind", [pa.decimal128(9, 6), pa.decimal256(50, 9), pa.float32(), pa.float64(), pa.string()])
def test_coordinates_of_every_type_are_read_from_parquet(tmp_path, kind):
    table = pa.table(
        {"fsq_place_id": ["f1"], "name": ["x"], "latitude": [Decimal("12.5")], "longitude": [Decimal("-30")]}
    )
    for column in ("latitude", "longitude"):
        table = table.set_column(table.schema.get_field_index(column), column, table[column].cast(kind))
    parquet.write_table(table, tmp_path / "pois.parquet")
    (row,) = read_poi_file(tmp_path / "pois.parquet")
    assert (float(row.latitude), float(row.longitude)) == (12.5, -30.0)


@pytest.mark.fault("P16")
def test_ranks_and_popularities_may_have_thousands_set_off(tmp_path):
    content = f'{HEADER},rank,popularity\nf1,x,12,-30,"1,234","2,345.5"\n'
    (row,) = rows(tmp_path, content)
    assert (row.rank, row.popularity) == (1234, 2345.5)
    (row,) = rows(tmp_path, content.replace(",", ";").replace(";234", ",234").replace("2;345.5", "2,345.5"))
    assert (row.rank, row.popularity) == (1234, 2345.5)
    (row,) = rows(tmp_path, "id;name;lat;lon;rank;popularity\n1;x;12,1;-30,1;1.234;0,5\n")
    assert (row.latitude, row.rank, row.popularity) == (12.1, 1234, 0.5)


@pytest.mark.fault("P27")
def test_a_coordinate_written_otherwise_than_the_others_is_read(tmp_path):
    content = f'{HEADER}\nf1,x,"12,01",30.01 W\nf2,y,12.02,-30.02\n'
    assert [row[2:4] for row in taken(tmp_path, content)] == [(12.01, -30.01), (12.02, -30.02)]


@pytest.mark.fault("P16")
def test_thousands_are_no_degrees(tmp_path):
    content = f'{HEADER}\nf1,x,"12,010","-30,010"\nf2,x,12.02,-30.02\nf3,x,NULL,-30.02\n'
    assert judged(tmp_path, content) == (["f2"], ["bad_coordinates", "no_coordinates"])


@pytest.mark.fault("P17")
@pytest.mark.parametrize("column", ["date_closed", "closed", "is_closed", "Date Closed"])
def test_nothing_and_no_are_open_and_all_else_is_closed(tmp_path, column):
    words = ["NULL", r"\N", "NaN", "None", "N/A", "N", "f", "0.0", "", "2024-01-01", "Y"]
    lines = [f"f{n},x,12,-30,{word}" for n, word in enumerate(words)]
    ids, reasons = judged(tmp_path, "\n".join([f"{HEADER},{column}", *lines]))
    assert (len(ids), reasons) == (9, ["closed", "closed"])


@pytest.mark.fault("P17")
@pytest.mark.parametrize(
    "word",
    [
        "(null)",
        "[NULL]",
        "(none)",
        "'NULL'",
        r"\\N",
        "#VALUE!",
        "1899-12-30",
        "99991231",
        "never",
        "unknown",
        "Active",
        "?",
    ],
)
def test_more_words_that_say_that_a_place_is_open(tmp_path, word):
    assert judged(tmp_path, f"{HEADER},date_closed\nf1,x,12,-30,{word}\nf2,x,12,-30,2024-01-01")[0] == ["f1"]


@pytest.mark.fault("P17")
@pytest.mark.parametrize(
    ("fields", "is_closed"),
    [
        ({"date_closed": None, "closed": True}, True),
        ({"date_closed": "0", "closed": "t"}, True),
        ({"date_closed": "2024-01-01", "closed_bucket": "LikelyOpen"}, True),
        ({"closed_bucket": "VeryLikelyClosed"}, True),
        ({"operating_status": "permanently_closed"}, True),
        ({"business_status": "OPERATIONAL"}, False),
        ({"date_closed": 0.0, "closed": False, "closed_bucket": "Unsure"}, False),
    ],
)
def test_each_column_may_say_that_a_place_is_closed(tmp_path, fields, is_closed):
    (row,) = rows(tmp_path, json.dumps([OLD_MILL | fields]), "pois.json")
    assert row.is_closed == is_closed


LINES = [json.dumps({"tags": [], **OLD_MILL}), json.dumps({"flags": ["x"], "lists": [{}], **PIER})]
POINTS = [
    {"type": "Feature", "id": place["fsq_place_id"], "properties": {"name": place["name"], "latitude": 0}}
    | {"geometry": {"type": "Point", "coordinates": [place["longitude"], place["latitude"], 5.0]}}
    for place in (OLD_MILL, PIER)
]
FEATURES = {"type": "FeatureCollection", "name": "layer", "features": POINTS}


@pytest.mark.fault("P19")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.json", "\n".join(LINES), id="an object per line"),
        pytest.param("a.ndjson", "\r\n".join([*LINES, "", ""]), id="also as .ndjson"),
        pytest.param("a.jsonl", "\ufeff" + "\n".join(LINES), id="with a mark"),
        pytest.param("a.json", "".join(LINES), id="without lines"),
        pytest.param("a.json", "\n".join(json.dumps(place, indent=1) for place in (OLD_MILL, PIER)), id="indented"),
        pytest.param("a.json", json.dumps({"meta": [1], "places": [OLD_MILL, PIER]}), id="under a key"),
        pytest.param("a.json", json.dumps({key: [OLD_MILL[key], PIER[key]] for key in PIER}), id="columns as lists"),
        pytest.param(
            "a.json", json.dumps({key: {"0": OLD_MILL[key], "1": PIER[key]} for key in PIER}), id="pandas' to_json"
        ),
        pytest.param("a.json", json.dumps({"0": OLD_MILL, "1": PIER}), id="pandas' index"),
        pytest.param(
            "a.json",
            json.dumps({"columns": [*PIER], "index": [0, 1], "data": [[*OLD_MILL.values()], [*PIER.values()]]}),
            id="pandas' split",
        ),
        pytest.param("a.geojson", json.dumps(FEATURES), id="GeoJSON"),
        pytest.param("a.json", json.dumps(FEATURES), id="GeoJSON as .json"),
        pytest.param("a.geojsonl", "\x1e" + "\n\x1e".join(map(json.dumps, POINTS)), id="a sequence of GeoJSON"),
    ],
)
def test_json_of_every_shape_is_read(tmp_path, name, content):
    assert taken(tmp_path, content, name) == BOTH


@pytest.mark.fault("P19")
def test_a_line_without_coordinates_is_a_row_too(tmp_path):
    content = "\n".join([*LINES, json.dumps({"fsq_place_id": "f3", "name": "x", "labels": [{"a": 1}, {"a": 2}]})])
    assert judged(tmp_path, content, "a.json") == (["f1", "f2"], ["no_coordinates"])


@pytest.mark.fault("P19")
def test_one_object_alone_is_one_poi(tmp_path):
    place = OLD_MILL | {"fsq_category_ids": ["13035"]}
    assert taken(tmp_path, json.dumps(place), "a.json") == BOTH[:1]


@pytest.mark.fault("P19")
def test_what_is_no_point_and_no_object_is_counted(tmp_path):
    area = {**POINTS[0], "geometry": {"type": "Polygon", "coordinates": [[[-30, 12], [-30, 12.1], [-30.1, 12]]]}}
    nowhere = {**POINTS[0], "geometry": None, "properties": {"name": "x"}}
    content = json.dumps({**FEATURES, "features": [area, POINTS[1], nowhere, None]})
    assert judged(tmp_path, content, "a.geojson") == (["f2"], ["not_a_point", "no_coordinates", "bad_record"])


@pytest.mark.fault("P19")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(LINES[0] + "\n" + LINES[1][:-9], "not a JSON file of POIs .*line 2", id="cut in a line"),
        pytest.param(
            json.dumps({**FEATURES, "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}}),
            "EPSG::3857: POIs need WGS84",
            id="metres",
        ),
        pytest.param("5", "no list of POIs", id="a number"),
        pytest.param('[["f1", "Old Mill", 12.01, -30.01]]', "no list of POIs", id="values without names"),
    ],
)
def test_json_that_cannot_be_read_says_why(tmp_path, content, message):
    with pytest.raises(StageError, match=message):
        rows(tmp_path, content, "a.json")


@pytest.mark.fault("P19")
def test_json_has_the_size_of_a_city_and_beyond_a_limit_another_format_is_advised(tmp_path, monkeypatch):
    many = json.dumps([OLD_MILL | {"fsq_place_id": "f2", "tel": "x" * (17 * 2**20)}, OLD_MILL])
    assert [row.poi_id for row in rows(tmp_path, many, "a.json")] == ["f2", "f1"]
    monkeypatch.setattr(tables, "MAX_JSON_BYTES", 2**20)
    with pytest.raises(StageError, match=r"more than 1 MiB; give it as CSV or Parquet"):
        rows(tmp_path, many, "a.json")


@pytest.mark.fault("P22")
@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("poiId,name,latitude,longitude", r"no id that is known here: .*fsq_place_id.*this file has .*poiid"),
        ("venueId,name,latitude,longitude", r"no id that is known here"),
        ("name,latitude,longitude", r"no id that is known here"),
        ("id,label,lat,lon", r"no name that is known here: .*called name, title.*label"),
        ("id,name,breite,lon", r"no latitude that is known here: .*called latitude, lat"),
        ("f01,Harbour Museum,12.01,-30.01", r"no id that is known here"),
    ],
)
def test_a_file_without_a_known_column_is_refused_with_the_known_ones(tmp_path, header, message):
    with pytest.raises(StageError, match=message):
        rows(tmp_path, f"{header}\n" + ",".join(["5"] * len(header.split(","))))


@pytest.mark.fault("P22")
@pytest.mark.parametrize("column", ["id", "name", "latitude"])
def test_a_column_without_a_value_is_none(tmp_path, column):
    places = [
        OLD_MILL | {"id": "f1", "fsq_place_id": None, column: None},
        {**PIER, "fsq_place_id": " ", column: "NULL"},
    ]
    with pytest.raises(StageError, match=f"has no {column} that is known here: .* with values"):
        rows(tmp_path, json.dumps(places), "a.json")


@pytest.mark.fault("P22")
def test_geojson_without_ids_is_refused_with_the_known_ones(tmp_path):
    features = [{name: point[name] for name in ("type", "properties", "geometry")} for point in POINTS]
    with pytest.raises(StageError, match=r"no id that is known here: .*fsq_place_id"):
        rows(tmp_path, json.dumps({**FEATURES, "features": features}), "a.geojson")


@pytest.mark.fault("P22")
def test_that_no_row_names_a_category_is_said(store, tmp_path):
    assert any("hospitals" in note for note in build(store, tmp_path, [poi()]).record.notes)
    assert build(store, tmp_path, [poi(category_name="Retail > Bookstore")]).record.notes == []


@pytest.mark.fault("P22")
def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(StageError, match="is a folder"):
        read_poi_file(tmp_path)


@pytest.mark.fault("P21")
def test_of_several_rows_of_an_id_the_newest_counts(tmp_path):
    lines = ["f1,x,12,-30,2024-12-03,", "f1,x,12,-30,2025-09-09,2025-08-01", "f2,x,12,-30,2025-09-09,"]
    content = "\n".join([f"{HEADER},dt,date_closed", *lines])
    assert judged(tmp_path, content) == (["f2"], ["older_row", "closed"])
    refreshed = content.replace("dt,", "date_refreshed,")
    assert judged(tmp_path, refreshed) == (["f2"], ["older_row", "closed"])
