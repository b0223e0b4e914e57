"""Of large Parquet files only the rows asked for are read."""

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.parquet_rows import Box, parquet_columns, rows_in_boxes


def test_rows_in_boxes_are_found_over_several_files(tmp_path):
    for name, latitudes in (("a", [1.0, 2.0, None]), ("b c", [2.0, 3.0, float("nan")])):
        table = pa.table({"id": [name] * 3, "latitude": latitudes, "longitude": [10.0, -10.0, 10.0]})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    files = sorted(tmp_path.glob("*.parquet"))
    assert parquet_columns(files[0]) == {"id": "string", "latitude": "double", "longitude": "double"}
    boxes = [Box(south=1, north=2, west=10, east=10), Box(south=2, north=2.5, west=-11, east=-9)]
    found = rows_in_boxes(files, ["id", "latitude"], boxes).sort_by("id")
    assert found.to_pydict() == {"id": ["a", "a", "b c"], "latitude": [1.0, 2.0, 2.0]}


@pytest.mark.fault("S22")
@pytest.mark.parametrize("name", ["a%2Fb", "My [x]", "a\\b", "{a,b}", "a\\*[b", "a?#b", "a\tb", "**"])
def test_files_of_rows_lie_in_a_folder_of_any_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    with (folder / "a.parquet").open("wb") as file:
        parquet.write_table(pa.table({"id": ["a"], "latitude": [1.0], "longitude": [1.0]}), file)
    files = [folder / "a.parquet"]
    assert list(parquet_columns(files[0])) == ["id", "latitude", "longitude"]
    assert rows_in_boxes(files, ["id"], [Box(south=0, north=2, west=0, east=2)]).to_pydict() == {"id": ["a"]}


def test_a_broken_file_is_an_error_of_the_disk(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(OSError, match=r"a\.parquet"):
        parquet_columns(tmp_path / "a.parquet")
    with pytest.raises(OSError):
        rows_in_boxes([tmp_path / "a.parquet"], ["id"], [Box(south=0, north=1, west=0, east=1)])
