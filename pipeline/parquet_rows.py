"""Rows of large Parquet files by their coordinates or by the values of a column: other rows are not read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

_OF_PATTERNS = re.compile(r"[*?\[\]{}\\]")
"""What the reader of Parquet files, which takes a path as a pattern, would not take for itself."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """Latitudes and longitudes from border to border, WGS84 degrees, both borders within."""

    south: float
    north: float
    west: float
    east: float


def parquet_columns(file: Path) -> dict[str, str]:
    """The columns of a Parquet file and their types.

    Raises:
        OSError: it is no Parquet file.
    """
    return {field.name: str(field.type) for field in _schema(file)}


def rows_in_boxes(files: Sequence[Path], columns: list[str], boxes: Sequence[Box]) -> pa.Table:
    """These columns of the rows whose `latitude` and `longitude` lie in one of the boxes; the files share the columns.

    The boxes go down to the reader: row groups outside are skipped by their statistics, other columns are not read.
    Coordinates of another type (decimals, text) come as floats.

    Raises:
        OSError: a file is cut or broken.
    """
    from daft import col

    latitude, longitude = (_degrees(files[0], name) for name in ("latitude", "longitude"))
    inside = [latitude.between(box.south, box.north) & longitude.between(box.west, box.east) for box in boxes]
    degrees = {"latitude": latitude, "longitude": longitude}
    return _rows_where(files, reduce(or_, inside), [degrees.get(name, col(name)).alias(name) for name in columns])


def rows_of_values(files: Sequence[Path], columns: list[str], column: str, values: list[str]) -> pa.Table:
    """These columns of the rows that have one of the values in `column`; raises as `rows_in_boxes`."""
    from daft import col

    return _rows_where(files, col(column).is_in(values), [col(name) for name in columns])


def _rows_where(files: Sequence[Path], is_wanted: Any, columns: list[Any]) -> pa.Table:
    import daft
    from daft.exceptions import DaftCoreException

    from pipeline.engine_workers import quieten_engine

    quieten_engine()
    paths = [_OF_PATTERNS.sub(r"[\g<0>]", str(path.absolute())) for path in files]
    try:
        return daft.read_parquet(paths).where(is_wanted).select(*columns).to_arrow()
    except (DaftCoreException, FileNotFoundError) as error:
        raise OSError(str(error).splitlines()[0]) from None


def _degrees(file: Path, name: str) -> Any:
    """The column as floats; one of floats is taken as it is, so that its statistics hold."""
    from daft import DataType, col

    return col(name) if pa.types.is_floating(_schema(file).field(name).type) else col(name).cast(DataType.float64())


def _schema(file: Path) -> pa.Schema:
    try:
        return parquet.read_schema(file)
    except pa.ArrowException as error:
        raise OSError(f"{file.name}: {error}") from None
