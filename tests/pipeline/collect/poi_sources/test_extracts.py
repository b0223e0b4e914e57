"""Extracts of OS Places as people have them: several releases in a folder, files of the system, other types."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.collect.poi_sources.categories import Taxonomy
from pipeline.collect.poi_sources.os_places import extract_files, read_os_places, release_of
from pipeline.errors import StageError
from tests.fakes.os_places import CITY, MUSEUM, SCHEMA, build, ids, place, table, write

FLAGS = SCHEMA.get_field_index("unresolved_flags")
CATEGORIES = SCHEMA.get_field_index("fsq_category_ids")


@pytest.mark.fault("P21")
@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("dt=2024-12-03/p.parquet", "dt=2025-09-09/p.parquet"),
        ("2025-09-09/places-0.parquet", "2025-10-01/places-0.parquet"),
        ("places_202412.parquet", "places_20250909.parquet"),
        ("2024/p.parquet", "2025/p.parquet"),
        ("year=2025/month=9/p.parquet", "year=2025/month=10/p.parquet"),
    ],
)
def test_of_several_releases_the_newest_row_of_an_id_counts(store, tmp_path, older, newer):
    write(tmp_path / "os" / older, [place(1), place(2), place(3), place(4)], schema=SCHEMA.remove(FLAGS))
    here = place(1), place(3, unresolved_flags=["duplicate", "closed"]), place(4, date_closed="2025-01-01")
    write(tmp_path / "os" / newer, [*here, place(2, latitude=50.0), place(9, latitude=50.0)])
    report = build(store, tmp_path / "os")
    assert [int(row["poi_id"], 16) for row in table(store)] == [1]
    assert report.counts["dropped/older_row"] == 4
    assert {name for name in report.counts if name.startswith("dropped/")} == {
        "dropped/older_row",
        "dropped/flagged",
        "dropped/closed",
        "dropped/outside_city",
    }


@pytest.mark.fault("P21")
@pytest.mark.parametrize(
    ("path", "release"),
    [
        ("/x/dt=2025-09-09/places/parquet/places-00000.zstd.parquet", "2025-09-09"),
        ("/2023-01-01/x/fsq_2024_12.parquet", "2024-12-01"),
        ("/x/2025/9/9/p.parquet", "2025-09-09"),
        ("/x/year=2025/p.parquet", "2025-01-01"),
        ("/x/part-2048.parquet", ""),
        ("/x/part-00001-20251399.parquet", ""),
        ("/x/abc20250909def/p.parquet", ""),
    ],
)
def test_the_release_of_a_file_stands_in_its_path(path, release):
    assert release_of(Path(path)) == release


@pytest.mark.fault("P21")
@pytest.mark.parametrize(("older", "newer"), [("a_2024-12", "b_2025-09"), ("b_2024-12", "a_2025-09")])
def test_an_older_category_of_a_place_does_not_count(tmp_path, older, newer):
    write(tmp_path / older / "p.parquet", [place(1), place(2)])
    write(tmp_path / newer / "p.parquet", [place(1, fsq_category_ids=["13035"]), place(2)])
    rows = read_os_places(extract_files(tmp_path), CITY, [MUSEUM], Taxonomy())
    assert ids(rows) == [2, 2]


@pytest.mark.fault("P21")
def test_what_the_system_and_unfinished_writers_leave_is_no_extract(tmp_path):
    path = write(tmp_path / "os" / "places.PARQUET", [place(1)])
    for name in ("._places.parquet", "_temporary/0/part.parquet", "__MACOSX/._places.parquet", ".x/a.parquet"):
        hidden = tmp_path / "os" / name
        hidden.parent.mkdir(parents=True, exist_ok=True)
        hidden.write_bytes(b"\0\5\x16\7")
    assert extract_files(tmp_path / "os") == [path]
    assert extract_files(tmp_path / "os" / "*p*ces*") == [path]
    write(tmp_path / "_of_mine" / "_x" / "a.parquet", [place(1)])
    path = write(tmp_path / "_of_mine" / "b" / "a.parquet", [place(1)])
    assert extract_files(tmp_path / "_of_mine" / "**" / "a.parquet") == [path]


@pytest.mark.fault("P16")
@pytest.mark.parametrize("kind", [pa.decimal128(9, 6), pa.float32(), pa.string()])
def test_coordinates_of_every_type_are_read(tmp_path, kind):
    rows = pa.Table.from_pylist([place(1, latitude=12.0, longitude=-30.0), place(2, latitude=50.0)], schema=SCHEMA)
    for column in ("latitude", "longitude"):
        rows = rows.set_column(rows.schema.get_field_index(column), column, rows[column].cast(kind))
    parquet.write_table(rows, tmp_path / "a.parquet")
    write(tmp_path / "b.parquet", [place(3)])
    found = read_os_places(extract_files(tmp_path), CITY, [], Taxonomy())
    assert ids(found) == [1, 3]
    assert (found[0].latitude, found[0].longitude) == (12.0, -30.0)


@pytest.mark.fault("P15")
def test_lists_may_be_text(store, tmp_path):
    schema = SCHEMA.set(FLAGS, pa.field("unresolved_flags", pa.string()))
    schema = schema.set(CATEGORIES, pa.field("fsq_category_ids", pa.string()))
    rows = [
        place(1, fsq_category_ids=f"[{MUSEUM}, 13035]", unresolved_flags="[]", date_closed="NULL"),
        place(2, fsq_category_ids="['4bf58dd8d48988d196941735']", unresolved_flags=None),
        place(3, fsq_category_ids=f"['{MUSEUM}' 'x']", unresolved_flags="[duplicate, closed]"),
        place(4, fsq_category_ids="[]", unresolved_flags=None),
    ]
    report = build(store, write(tmp_path / "a.parquet", rows, schema=schema))
    assert [int(row["poi_id"], 16) for row in table(store)] == [1, 4]
    assert (report.counts["dropped/sensitive_category"], report.counts["dropped/flagged"]) == (1, 1)
    assert build(store, tmp_path / "a.parquet", categories=[MUSEUM]).counts["rows"] == 2


@pytest.mark.fault("P21")
def test_a_table_that_is_no_parquet_is_sent_to_the_other_setting(tmp_path):
    (tmp_path / "places.csv").write_text("fsq_place_id,name,latitude,longitude")
    with pytest.raises(StageError, match=r"no Parquet file.*pois: \{file: \.\.\.\}"):
        extract_files(tmp_path / "places.csv")


@pytest.mark.fault("P21")
def test_the_releases_that_were_read_are_reported(store, tmp_path):
    first = write(tmp_path / "os" / "dt=2024-12-03" / "p.parquet", [place(1)])
    assert "releases" not in build(store, first).record.about
    write(tmp_path / "os" / "dt=2025-09-09" / "p.parquet", [place(1)])
    assert build(store, tmp_path / "os").record.about["releases"] == "2024-12-03, 2025-09-09"
