"""Tables of places as programs write them, as one kind of record: CSV, Parquet, JSON, NDJSON, GeoJSON and Overpass.

A record is a dict of values by column, in small letters, `_` for spaces; what lies in an object is `outer.inner`, also
where the object stands as text in a column of tags. A point is `outer.lat` and `outer.lon`.
Law: every row, object, feature and element of a file is a record; one that is none holds `PROBLEM`, so that it is
counted.
Covered: `,` `;` tab and `|` between columns, Excel's `sep=` line, commas at the end of rows, quotes escaped by `"` or
`\\`; UTF-8 and UTF-16 with a mark; the answers of Foursquare's APIs; the orientations of pandas' `to_json`.
Not covered: other encodings (refused), coordinates that are not WGS84, files of more than `MAX_JSON_BYTES` of JSON.
"""

import csv
import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from pipeline.collect.archive.json_files import UnreadableFile, parse_json
from pipeline.collect.poi_sources.values import decoded, structure
from pipeline.errors import StageError

JSON_SUFFIXES = (".json", ".geojson", ".ndjson", ".jsonl", ".geojsonl")
SUFFIXES = (".csv", ".tsv", ".parquet", *JSON_SUFFIXES)
MAX_JSON_BYTES = 512 * 2**20
"""What is read of JSON at once; a city's OS Places are some 50 MB."""

PROBLEM = " problem"
"""Key of a reason against a record; no column has this name, for names are stripped."""
BAD_RECORD, TOO_MANY_VALUES, NOT_A_POINT = "bad_record", "too_many_values", "not_a_point"

MAX_NESTING = 4
SEPARATORS = ",;\t|"
_TAGS, _TAG_COLUMNS = "tags", ("tags", "other_tags", "all_tags")
_PAIR_KEYS, _PAIR_VALUES = ("key", "k", "@k"), ("value", "v", "@v")
_NEXT_TAG = re.compile(r"[;,|\n]\s*(?=[\w:.@-]+\s*=)")
_BETWEEN_VALUES = re.compile(r"[\s\x1e,]*")
_WGS84 = re.compile(r"(?:crs:?84|4326|4979)\Z", re.IGNORECASE)

Record = dict[str, Any]


def read_records(path: Path) -> list[Record]:
    """The records of a file, in its order.

    Raises:
        StageError: the file is of another kind, or cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise StageError(f"{path} is no file of POIs: it must end in {', '.join(SUFFIXES)}")
    try:
        if suffix == ".parquet":
            raw = parquet.read_table(path).to_pylist()
        elif suffix in JSON_SUFFIXES:
            raw = _objects(read_json_values(path), path)
        else:
            return list(_csv_records(_decoded(path.read_bytes(), path), path))
    except PermissionError as error:
        raise StageError(
            f"{path} cannot be read ({os.strerror(error.errno or 0)}): give this user the right to"
        ) from None
    except (pa.ArrowException, OSError, csv.Error) as error:
        raise StageError(f"{path} cannot be read as {suffix} ({error}): re-create the file") from None
    return [_record(value) for value in raw]


def _decoded(data: bytes, path: Path) -> str:
    try:
        return decoded(data)
    except UnicodeDecodeError as error:
        raise StageError(
            f"{path} cannot be read: it is no text in UTF-8 ({error.reason} at byte {error.start}): re-create the "
            "file in UTF-8 (in Excel: save as CSV UTF-8)"
        ) from None


def _csv_records(source: str, path: Path) -> list[Record]:
    """The rows under the header; a row of empty cells is none.

    Raises:
        StageError: there is no header, or no row that fits under it.
    """
    csv.field_size_limit(2**31 - 1)
    stated = re.match(r'"?sep=(.)"?\r?\n', source)
    source = (source[stated.end() :] if stated else source).lstrip("\r\n")
    header, *rows = _rows(source, stated[1] if stated else _separator(source), path) or [[]]
    if not any(header):
        raise StageError(f"{path} cannot be read as CSV (it is empty): re-create the file")
    num_long = sum(_is_long(cells, header) for cells in rows)
    if rows and num_long == len(rows):
        raise StageError(
            f"{path} cannot be read as CSV: its {num_long} rows have more values than its header has names "
            f"({len(header)}); re-create the file, with the values that hold the separator in quotes"
        )
    return [_csv_record(header, cells) for cells in rows]


def _csv_record(header: list[str], cells: list[str]) -> Record:
    if _is_long(cells, header):
        return {PROBLEM: TOO_MANY_VALUES}
    return _record(dict(reversed(list(zip(header, cells, strict=False)))))  # the first of two columns of a name counts


def _separator(source: str) -> str:
    """What stands between the columns: the mark that makes most of the header, `,` where two make as many."""
    return max(SEPARATORS, key=lambda mark: len(next(csv.reader(StringIO(source, newline=""), delimiter=mark), [])))


def _rows(source: str, separator: str, path: Path) -> list[list[str]]:
    """The rows that are not empty: of the readings of quotes the first in which all rows fit under the header."""
    readings: list[list[list[str]]] = []
    why = ""
    for escape, is_strict in ((None, True), ("\\", True), (None, False)):
        lines = StringIO(source, newline="")
        reader = csv.reader(lines, delimiter=separator, escapechar=escape, strict=is_strict, skipinitialspace=True)
        try:
            rows = [row for row in reader if any(map(str.strip, row))]
        except csv.Error as error:
            why = why or f"line {reader.line_num}: {error}"
            continue
        if not is_strict and any("\n" in cell for row in rows for cell in row):
            continue  # an open quote would swallow what follows
        if not any(_is_long(row, rows[0]) for row in rows):
            return rows
        readings.append(rows)
    if not readings:
        raise StageError(f"{path} cannot be read as CSV ({why}): re-create the file, with quotes that close")
    return readings[0]


def _is_long(cells: list[str], header: list[str]) -> bool:
    return any(map(str.strip, cells[len(header) :]))


def read_json_values(path: Path) -> list[object]:
    """The JSON values of a file: one, or one after the other as in NDJSON.

    Raises:
        StageError: it is no JSON, or larger than `MAX_JSON_BYTES`.
    """
    if path.stat().st_size > MAX_JSON_BYTES:
        raise StageError(
            f"{path} is not a JSON file of POIs that can be read: it has more than {MAX_JSON_BYTES // 2**20} MiB; "
            "give it as CSV or Parquet"
        )
    data = path.read_bytes()
    try:
        return [parse_json(data)]
    except UnreadableFile as error:
        if error.reason == "nested_too_deep":
            raise StageError(f"{path} is not a JSON file of POIs ({error.reason}): re-create the file") from None
    source, decoder, at = _decoded(data, path), json.JSONDecoder(), 0
    values: list[object] = []
    while True:
        at = _BETWEEN_VALUES.match(source, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if at == len(source) and values:
            return values
        try:
            value, at = decoder.raw_decode(source, at)
        except (ValueError, RecursionError) as error:
            why = f"{error}".split(" (char")[0]
            raise StageError(f"{path} is not a JSON file of POIs ({why}): re-create the file") from None
        values.append(value)


def _objects(values: list[object], path: Path) -> list[Any]:
    """The places of JSON values; in a stream each value is one, unless it is a collection.

    Raises:
        StageError: there are none that have names for their values.
    """
    places: list[Any] = []
    for value in values:
        found = _collection(value, path)
        if found is None:
            found = [_feature(value)] if len(values) > 1 else _places(value)
        places += found
    if places and not any(isinstance(place, dict) for place in places):
        raise StageError(f"{path} holds no list of POIs: it must be a list of objects, or an object with such a list")
    return places


def _collection(content: object, path: Path) -> list[Any] | None:
    """The places of GeoJSON, of Overpass and of a Foursquare answer; None where it is none of these."""
    if not isinstance(content, dict):
        return None
    if content.get("type") == "FeatureCollection" and isinstance(content.get("features"), list):
        _check_wgs84(content, path)
        return [_feature(value) for value in content["features"]]
    if isinstance(content.get("elements"), list):
        _check_complete(content, path)
        return [_element(value) for value in content["elements"]]
    return _of_answer(content)


def _places(content: object) -> list[Any]:
    """The places that a JSON value holds, as objects."""
    if isinstance(content, list):
        return [_feature(value) for value in content]
    if not isinstance(content, dict):
        return [content]
    if content.get("type") == "Feature" or _is_place(content):
        return [_feature(content)]
    return _of_pandas(content) or _first_list(content)


def _is_place(content: dict[str, Any]) -> bool:
    """Whether an object is one place and holds none: it has coordinates, or no list and no object."""
    if len(content) > 2 and not any(isinstance(value, list | dict) for value in content.values()):
        return True
    columns = {_column(name): value for name, value in content.items()}
    has_latitude = any(isinstance(columns.get(name), str | int | float) for name in ("latitude", "lat"))
    return has_latitude or any(
        isinstance(columns.get(name), dict) and not isinstance(columns.get("name"), dict)
        for name in ("location", "geocodes", "geometry")
    )


def _of_answer(content: dict[str, Any]) -> list[Any] | None:
    """The places of a Foursquare answer in their order: `results` (2025, v3), `response.venues` or groups of v2."""
    response = content.get("response")
    if isinstance(response, dict) and isinstance(response.get("groups"), list):
        groups = [group["items"] for group in response["groups"] if isinstance(group, dict) and "items" in group]
        items = [item for group in groups if isinstance(group, list) for item in group]
        return _ranked([item.get("venue") for item in items if isinstance(item, dict)])
    if isinstance(response, dict) and isinstance(response.get("venues"), list):
        return _ranked(response["venues"])
    return _ranked(content["results"]) if isinstance(content.get("results"), list) else None


def _ranked(places: list[Any]) -> list[Any]:
    """The places with their order as `rank`, where they state none."""
    return [{"rank": rank, **place} for rank, place in enumerate(places, start=1) if isinstance(place, dict)]


def _of_pandas(content: dict[str, Any]) -> list[Any] | None:
    """What `to_json` writes by columns (its default), by `split` and by `index`, and `to_dict` by `list`."""
    columns, data = content.get("columns"), content.get("data")
    if isinstance(columns, list) and isinstance(data, list):
        return [dict(zip(map(str, columns), row, strict=False)) for row in data if isinstance(row, list)]
    values = list(content.values())
    if values and all(isinstance(value, dict) for value in values):
        if any(_column(name) in ("latitude", "lat", "name", "category_id") for name in content):
            return [{name: column.get(row) for name, column in content.items()} for row in values[0]]
        return values
    if len(values) > 1 and all(isinstance(value, list) and len(value) == len(values[0]) for value in values):
        return [dict(zip(content, row, strict=True)) for row in zip(*values, strict=True)]
    return None


def _first_list(content: dict[str, Any]) -> list[Any]:
    lists = [value for value in content.values() if isinstance(value, list)]
    found = next((value for value in lists if value and isinstance(value[0], dict)), next(iter(lists), None))
    return [None] if found is None else [_feature(value) for value in found]


def _feature(value: Any) -> Any:
    """A feature of GeoJSON as an object of its properties, id and point; any other value as it is."""
    if not isinstance(value, dict) or value.get("type") != "Feature":
        return value
    properties = value.get("properties")
    geometry = value.get("geometry")
    is_point = isinstance(geometry, dict) and geometry.get("type") == "Point"
    problem = {} if is_point or geometry is None else {PROBLEM: NOT_A_POINT}
    fields = properties if isinstance(properties, dict) else {}
    known = {"feature": {"id": value["id"]}} if "id" in value else {}
    return {**fields, **known, "geometry": geometry if is_point else None, **problem}


def _element(value: Any) -> Any:
    """An element of OpenStreetMap as an object: `@id` as `node/1`, its place (a way's centre), its tags."""
    if not isinstance(value, dict) or "id" not in value:
        return value
    bounds = value.get("bounds")
    if isinstance(bounds, dict) and "center" not in value and "lat" not in value:
        value = {**value, "center": _middle(bounds)}
    kept = {name: value[name] for name in ("lat", "lon", "center", "tags") if name in value}
    return {"@id": f"{value.get('type', 'node')}/{value['id']}", **kept}


def _middle(bounds: dict[str, Any]) -> dict[str, float] | None:
    try:
        return {name: (bounds[f"min{name}"] + bounds[f"max{name}"]) / 2 for name in ("lat", "lon")}
    except (KeyError, TypeError):
        return None


def _check_complete(content: dict[str, Any], path: Path) -> None:
    remark = str(content.get("remark") or "")
    if "error" in remark.lower():
        raise StageError(f"{path} is not the whole answer of Overpass ({remark[:200]}): ask for it again")


def _check_wgs84(content: dict[str, Any], path: Path) -> None:
    crs = content.get("crs")
    name = crs.get("properties", {}).get("name") if isinstance(crs, dict) else None
    if isinstance(name, str) and not _WGS84.search(name):
        raise StageError(
            f"{path} has coordinates in {name[:80]}: POIs need WGS84 degrees, so re-create the file in EPSG:4326"
        )


def _record(value: Any) -> Record:
    return dict(_flat(value, "")) if isinstance(value, dict) else {PROBLEM: BAD_RECORD}


def _flat(value: dict[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Names and values, those of an object inside an object, or of the text of one, as `outer.inner`."""
    for name, inner in value.items():
        full = PROBLEM if name == PROBLEM else prefix + _column(name)
        found = _tags(inner) if full in _TAG_COLUMNS else structure(inner) if _may_be_object(inner) else inner
        if isinstance(found, dict) and full.count(".") < MAX_NESTING:
            yield from _point(found, full)
            yield from _flat(found, f"{_TAGS if full in _TAG_COLUMNS else full}.")
        else:
            yield full, inner


def _tags(value: object) -> object:
    """A column of tags as an object; a list or text of pairs (`amenity=cafe;name=A`, `{"k": ..., "v": ...}`), too."""
    found = value if isinstance(value, list) else structure(_plain(value))
    if isinstance(found, str):
        found = _NEXT_TAG.split(found)
    if not isinstance(found, list):
        return found
    pairs = [_pair(part) for part in found]
    return dict(pair for pair in pairs if pair) if pairs and all(pairs) else structure(value)


def _pair(part: object) -> tuple[object, object] | None:
    """The key and value of one of a list of tags; None where it is none."""
    part = _plain(part)
    if isinstance(part, tuple) and len(part) == 2:  # of a map as Parquet reads it
        return _plain(part[0]), _plain(part[1])
    if isinstance(part, str):
        key, mark, each = part.partition("=")
        return (key, each.strip()) if mark else None
    if not isinstance(part, dict):
        return None
    keys, values = ([part[name] for name in names if name in part] for names in (_PAIR_KEYS, _PAIR_VALUES))
    return (_plain(keys[0]), _plain(values[0])) if keys and values else None


def _plain(value: object) -> object:
    """Text that stands as bytes, as osm-parquetizer writes it."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _may_be_object(value: object) -> bool:
    if isinstance(value, str):
        return value.lstrip()[:1] == "{" or "=>" in value
    return isinstance(value, dict | list)


def _point(value: dict[Any, Any], name: str) -> Iterator[tuple[str, Any]]:
    coordinates = value.get("coordinates")
    if value.get("type") == "Point" and isinstance(coordinates, list) and len(coordinates) > 1:
        yield from ((f"{name}.lat", coordinates[1]), (f"{name}.lon", coordinates[0]))


@lru_cache(maxsize=4096)
def _column(name: object) -> str:
    return "_".join(str(name).strip().lower().split())
