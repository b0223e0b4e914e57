"""Files of POIs as one kind of row: CSV, Parquet and JSON, with the column names of several sources.

Known names are those of our own table, of Foursquare's APIs (2025, v3, v2) and of its OS Places extract. In a recorded
answer of an API the order is the rank; what v2 calls `rating` is no popularity and is not read.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from pipeline.collect.archive.json_files import UnreadableFile, read_json
from pipeline.errors import StageError
from pipeline.text.captions import clean_name

SUFFIXES = (".csv", ".parquet", ".json")

_ID = ("poi_id", "fsq_place_id", "fsq_id", "place_id", "id")
_NAME = ("name", "title")
_LATITUDE = ("latitude", "lat", "location.lat", "location.latitude", "geocodes.main.latitude")
_LONGITUDE = ("longitude", "lng", "lon", "long", "location.lng", "location.longitude", "geocodes.main.longitude")
_CATEGORY_IDS = ("category_ids", "fsq_category_ids", "fsq_category_id", "category_id")
_CATEGORY_NAME = ("category_name", "category", "fsq_category_labels", "category_labels")
_SEMANTIC_LABEL = ("semantic_label",)
_ADDRESS = ("address", "location.address", "location.formatted_address")
_RANK = ("rank",)
_POPULARITY = ("popularity",)
_CLOSED = ("date_closed", "closed", "closed_bucket")
_CLOSED_BUCKETS = ("veryLikelyClosed", "LikelyClosed", "VeryLikelyClosed", "likelyClosed")
_FLAGS = ("unresolved_flags",)
BAD_FLAGS = {"closed", "delete", "doesnt_exist", "duplicate", "inappropriate", "privatevenue"}
_PATH = ">"
_SEPARATOR = "|"
MAX_NESTING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PoiRow:
    """One row of a source as it stands there: nothing is checked yet; None or "" where it says nothing.

    category_labels: names or paths "A > B > C" of its categories. semantic_label: only where the source names one.
    problem: a reason against the row that no field shows.
    """

    poi_id: str
    name: str = ""
    latitude: object = None
    longitude: object = None
    category_ids: tuple[str, ...] = ()
    category_name: str = ""
    category_labels: tuple[str, ...] = ()
    semantic_label: str = ""
    address: str = ""
    rank: float | None = None
    popularity: float | None = None
    is_closed: bool = False
    is_flagged: bool = False
    problem: str = ""


def read_poi_file(path: Path) -> list[PoiRow]:
    """The rows of a file of POIs.

    Raises:
        StageError: the file is missing, is of another kind, cannot be read, or has no column of coordinates.
    """
    if not path.is_file():
        raise StageError(f"there is no file of POIs at {path}: name one as `pois: {{file: ...}}` in cities.yaml")
    records = read_records(path)
    known = {name for record in records for name in record}
    for kind, names in (("latitude", _LATITUDE), ("longitude", _LONGITUDE)):
        if records and not known & set(names):
            raise StageError(
                f"{path} has no {kind}: POIs need columns latitude and longitude (WGS84 degrees), "
                f"this file has {', '.join(sorted(known)[:20])}"
            )
    return [poi_of_record(record) for record in records]


def number(value: object) -> float | None:
    """A finite number from a number or its text, None where it is neither (`"12,5"` is text)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def read_records(path: Path) -> list[dict[str, Any]]:
    """The rows of a table by column name in small letters, those of an object inside an object as `outer.inner`.

    Raises:
        StageError: the file is of another kind, or cannot be read.
    """
    try:
        match path.suffix.lower():
            case ".csv":
                frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
                records: list[dict[Any, Any]] = frame.to_dict(orient="records")
            case ".parquet":
                records = parquet.read_table(path).to_pylist()
            case ".json":
                records = _objects(path)
            case _:
                raise StageError(f"{path} is no file of POIs: it must end in {', '.join(SUFFIXES)}")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, pa.ArrowException, OSError) as error:
        raise StageError(f"{path} cannot be read as {path.suffix} ({error}): write it anew") from None
    return [dict(_flat(record, "")) for record in records]


def _flat(record: dict[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Names and values, those of an object inside an object as `outer.inner`."""
    for name, value in record.items():
        full = prefix + str(name).strip().lower()
        if isinstance(value, dict) and full.count(".") < MAX_NESTING:
            yield from _flat(value, full + ".")
        else:
            yield full, value


def _objects(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON file: a list of them, or an object that holds one, as the answers of Foursquare's APIs."""
    try:
        content = read_json(path)
    except UnreadableFile as error:
        raise StageError(f"{path} is not a JSON file of POIs ({error.reason}): write it anew") from None
    if isinstance(content, dict):
        content = _of_answer(content)
    if not isinstance(content, list):
        raise StageError(f"{path} holds no list of POIs: it must be a list of objects, or an object with such a list")
    return [value for value in content if isinstance(value, dict)]


def _of_answer(content: dict[str, Any]) -> list[Any] | None:
    """The places of an answer in their order: `results` (2025, v3), `response.venues` or groups of v2."""
    response = content.get("response")
    if isinstance(response, dict) and isinstance(response.get("groups"), list):
        groups = [group["items"] for group in response["groups"] if isinstance(group, dict) and "items" in group]
        items = [item for group in groups if isinstance(group, list) for item in group]
        return _ranked([item.get("venue") for item in items if isinstance(item, dict)])
    if isinstance(response, dict) and isinstance(response.get("venues"), list):
        return _ranked(response["venues"])
    if isinstance(content.get("results"), list):
        return _ranked(content["results"])
    return next((value for value in content.values() if isinstance(value, list)), None)


def _ranked(places: list[Any]) -> list[Any]:
    """The places with their order as `rank`, where they state none."""
    return [{"rank": rank, **place} for rank, place in enumerate(places, start=1) if isinstance(place, dict)]


def poi_of_record(record: dict[str, Any]) -> PoiRow:
    """The POI of a row of a table, by the known names of columns."""
    categories = _primary_first(record.get("categories"))
    labels = _texts(_first(record, _CATEGORY_NAME)) or _of_categories(categories, ("name",))
    return PoiRow(
        poi_id=_text(_first(record, _ID)),
        name=clean_name(_text(_first(record, _NAME))),
        latitude=_first(record, _LATITUDE),
        longitude=_first(record, _LONGITUDE),
        category_ids=tuple(
            _texts(_first(record, _CATEGORY_IDS)) or _of_categories(categories, ("fsq_category_id", "id"))
        ),
        category_name=clean_name(labels[0].split(_PATH)[-1]) if labels else "",
        category_labels=tuple(clean_name(label) for label in labels),
        semantic_label=clean_name(_text(_first(record, _SEMANTIC_LABEL))),
        address=clean_name(_text(_first(record, _ADDRESS))),
        rank=number(_first(record, _RANK)),
        popularity=number(_first(record, _POPULARITY)),
        is_closed=_is_closed(record),
        is_flagged=bool(BAD_FLAGS & {flag.lower() for flag in _texts(_first(record, _FLAGS))}),
    )


def _first(record: dict[str, Any], names: Iterable[str]) -> Any:
    return next((record[name] for name in names if name in record and not _is_empty(record[name])), None)


def _is_empty(value: object) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())


def _text(value: object) -> str:
    """Text of an id or name; a whole number from a column of floats keeps no `.0`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def _texts(value: object) -> list[str]:
    """A list from a list, an array, JSON or text with `|` between its parts."""
    if isinstance(value, str):
        if value.startswith("["):
            try:
                value = json.loads(value)
            except ValueError:
                return [_text(value)]
        else:
            return [part.strip() for part in value.split(_SEPARATOR) if part.strip()]
    if value is None or not isinstance(value, Iterable):
        return [] if value is None else [_text(value)]
    return [_text(part) for part in value if not _is_empty(part)]


def _primary_first(categories: object) -> object:
    """The categories of a place; the one that v2 calls primary comes first."""
    if not isinstance(categories, list):
        return categories
    return sorted(categories, key=lambda category: not (isinstance(category, dict) and category.get("primary")))


def _of_categories(categories: object, keys: tuple[str, ...]) -> list[str]:
    if not isinstance(categories, list):
        return []
    found = (_first(category, keys) for category in categories if isinstance(category, dict))
    return [_text(value) for value in found if value is not None]


def _is_closed(record: dict[str, Any]) -> bool:
    closed = _first(record, _CLOSED)
    if closed is None or closed is False or _text(closed).lower() in ("0", "false", "no"):
        return False
    return "closed_bucket" not in record or _text(closed) in _CLOSED_BUCKETS
