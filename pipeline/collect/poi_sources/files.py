"""Files of POIs as one kind of row, whatever program wrote them: what a row says is normalised first and judged later.

Known names of columns are those of our own table, of Foursquare's APIs (2025, v3, v2) and its OS Places extract, of
OpenStreetMap and of Overture's GeoJSON. In a recorded answer of an API the order is the rank; what v2 calls `rating`
is no popularity and is not read.
Law: every column that names a category counts when sensitive places are looked for; the first of them is shown.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pipeline.collect.poi_sources import osm
from pipeline.collect.poi_sources.tables import PROBLEM, Record, read_records
from pipeline.collect.poi_sources.values import (
    day,
    is_date,
    is_nothing,
    is_yes,
    name,
    number,
    parts,
    text,
    whole,
    words,
)
from pipeline.errors import StageError
from pipeline.geo import degrees
from pipeline.text.captions import clean_name

_ID = ("poi_id", "fsq_place_id", "fsq_id", "@id", "full_id", "osm_id", "place_id", "id", "feature.id")
_NAME = ("name", "title", *(f"tags.{key}" for key in osm.NAMES), "names.primary", *osm.NAMES[1:])
_LATITUDE = (
    *("latitude", "lat", "@lat", "location.lat", "location.latitude", "geocodes.main.latitude", "center.lat"),
    *("coordinates.latitude", "geometry.location.lat", "y"),
)
_LONGITUDE = (
    *("longitude", "lng", "lon", "long", "@lon", "location.lng", "location.lon", "location.longitude"),
    *("geocodes.main.longitude", "center.lon", "coordinates.longitude", "geometry.location.lng", "x"),
)
_POINT = ("geometry.lat", "geometry.lon")
_CATEGORY_IDS = ("category_ids", "fsq_category_ids", "fsq_category_id", "category_id")
_CATEGORY_NAME = (
    *("category_name", "category", "fsq_category_labels", "category_labels", "category_names", "categories"),
    *("categories.primary", "basic_category", "taxonomy.hierarchy", "main_category", "fclass", "types", "kinds"),
    *("kind", "class", "poi_type", "place_type", "type", "subcategory", "sub_category", "categories.alternate"),
    *("taxonomy.primary", "taxonomy.alternates"),
)
_NO_CATEGORIES = {"node", "way", "relation", "feature", "point", "place", "poi", "point_of_interest", "establishment"}
_SEMANTIC_LABEL = ("semantic_label",)
_ADDRESS = ("address", "location.address", "location.formatted_address")
_RANK = ("rank",)
_POPULARITY = ("popularity",)
_CLOSED = ("date_closed", "closed", "is_closed", "permanently_closed")
_STATUS = ("operating_status", "business_status")
_CLOSED_BUCKETS = ("verylikelyclosed", "likelyclosed")
_FLAGS = ("unresolved_flags",)
_AS_OF = ("dt", "date_refreshed")
BAD_FLAGS = {"closed", "delete", "doesnt_exist", "duplicate", "inappropriate", "privatevenue"}
OLDER_ROW, NO_NAME = "older_row", "no_name"
BLIND = (
    "no row of the file names a category, so that no place of a sensitive kind (hospitals, places of worship, ...) "
    "could be left out: name categories in columns category_name or category_ids"
)
_PATH = ">"
_HEX_ID = 24
_CATEGORY_ID = re.compile(rf"(?:1\d{{4}}|[0-9a-fA-F]{{{_HEX_ID}}})\Z")
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d{1,3},\d+\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoiRow:
    """One row of a source as it stands there: nothing is checked yet; None or "" where it says nothing.

    category_labels: names or paths "A > B > C" of its categories. semantic_label: only where the source names one.
    problem: a reason against the row that no field shows. last_problem: one that counts where there is no other.
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
    as_of: tuple[int, ...] = ()
    problem: str = ""
    last_problem: str = ""


def read_poi_file(path: Path) -> list[PoiRow]:
    """The rows of a file of POIs.

    Raises:
        StageError: the file is missing, is of another kind, cannot be read, or has no column of ids, names or
            coordinates.
    """
    if path.is_dir():
        raise StageError(
            f"{path} is a folder, and `pois: {{file: ...}}` names a file: name the file in it, or write "
            "`pois: {os_places: ...}` for the Parquet files of an extract of OS Places"
        )
    if not path.is_file():
        raise StageError(f"there is no file of POIs at {path}: name one as `pois: {{file: ...}}` in cities.yaml")
    records = read_records(path)
    _check_columns(records, path)
    decimal = _decimal(records)
    return [poi_of_record(record, decimal) for record in records]


def _check_columns(records: list[Record], path: Path) -> None:
    good = [record for record in records if PROBLEM not in record]
    needed = (("id", _ID, ""), ("name", _NAME, ""), ("latitude", _LATITUDE, " (WGS84 degrees)"))
    for kind, names, unit in (*needed, ("longitude", _LONGITUDE, " (WGS84 degrees)")):
        known = (*names, *(_POINT if unit else ()))
        if good and not any(_first(record, known) is not None for record in good):
            there = sorted({column for record in good for column in record})
            raise StageError(
                f"{path} has no {kind} that is known here: POIs need a column {kind}{unit} with values, called "
                f"{', '.join(names[:9])}; this file has {', '.join(there[:20])}. Rename its column"
            )


def _decimal(records: list[Record]) -> str:
    """The mark before the fraction: `,` where coordinates are written with it, and none with a point."""
    values = [record[column] for record in records for column in (*_LATITUDE, *_LONGITUDE) if column in record]
    has_comma = any(isinstance(value, str) and _DECIMAL_COMMA.match(value) for value in values)
    return "," if has_comma and not any(map(_has_point, values)) else "."


def _has_point(value: object) -> bool:
    return number(value) is not None and (not isinstance(value, str) or "." in value)


def poi_of_record(record: Record, decimal: str = ".") -> PoiRow:
    """The POI of a record, by the known names of columns."""
    labels = _labels(record)
    is_osm = osm.is_osm(record)
    called = next(filter(None, (name(record[column]) for column in _NAME if column in record)), "")
    return PoiRow(
        poi_id=osm.osm_id(record, _ID) if is_osm else _id(_first(record, _ID)),
        name=called,
        latitude=_degrees(record, (_POINT[0], *_LATITUDE), "NS", decimal),
        longitude=_degrees(record, (_POINT[1], *_LONGITUDE), "EW", decimal),
        category_ids=tuple(_category_ids(record, labels)),
        category_name=clean_name(labels[0].split(_PATH)[-1]) if labels else "",
        category_labels=tuple(labels),
        semantic_label=clean_name(text(_first(record, _SEMANTIC_LABEL))),
        address=clean_name(text(_first(record, _ADDRESS))),
        rank=number(_first(record, _RANK), decimal),
        popularity=number(_first(record, _POPULARITY), decimal),
        is_closed=_is_closed(record) or (is_osm and osm.is_gone(record)),
        is_flagged=not BAD_FLAGS.isdisjoint(flag.lower() for flag in words(_first(record, _FLAGS))),
        as_of=tuple(day(record.get(column)) for column in _AS_OF),
        problem=record.get(PROBLEM, "") or (NO_NAME if is_osm and not called else ""),
    )


def mark_older(rows: list[PoiRow]) -> list[PoiRow]:
    """The same rows; of an id that stands in several releases all but the newest have a reason against them."""
    newest: dict[str, tuple[int, ...]] = {}
    for row in rows:
        newest[row.poi_id] = max(row.as_of, newest.get(row.poi_id, ()))
    return [
        replace(row, problem=row.problem or OLDER_ROW) if row.poi_id and row.as_of < newest[row.poi_id] else row
        for row in rows
    ]


def _first(record: Record, names: Iterable[str]) -> Any:
    return next((record[column] for column in names if column in record and not is_nothing(record[column])), None)


def _id(value: object) -> str:
    found = text(value)
    return whole(found) if found.removesuffix(".0").isdecimal() else found


def _degrees(record: Record, names: Iterable[str], letters: Literal["NS", "EW"], decimal: str) -> object:
    """A number, else what stands there, for the judgement to come."""
    value = _first(record, names)
    found = number(value, decimal)
    found = degrees(value, letters) if found is None else found
    return value if found is None else found


def _labels(record: Record) -> list[str]:
    """What the columns call the categories, in the order of the columns, then what OpenStreetMap's tags stand for."""
    values = [record[column] for column in _CATEGORY_NAME if column in record]
    found = [label for value in values for label in (_of_text(value) if isinstance(value, str) else _names(value))]
    found = [label for label in found if label.lower() not in _NO_CATEGORIES]
    found += osm.osm_labels(record)
    found += [osm.label_of_value(label) for label in found if label == label.lower()]
    return list(dict.fromkeys(filter(None, found)))


@lru_cache(maxsize=4096)
def _of_text(value: str) -> list[str]:
    return _names(value)  # the same few texts stand in all rows


def _names(value: object) -> list[str]:
    """Names of categories from a list of them or of objects; the one that v2 calls primary comes first."""
    objects = sorted(parts(value), key=lambda part: not (isinstance(part, dict) and is_yes(part.get("primary"))))
    found = (
        _first(part, ("name", "title", "label", "category_name")) if isinstance(part, dict) else part
        for part in objects
    )
    return [clean_name(text(label)) for label in found if not is_nothing(label)]


def _category_ids(record: Record, labels: list[str]) -> list[str]:
    """Ids of all columns of them, of the objects under `categories`, and those that stand where a label should."""
    found = [word for column in _CATEGORY_IDS if column in record for word in words(record[column])]
    objects = [part for part in parts(record.get("categories")) if isinstance(part, dict)]
    objects.sort(key=lambda part: not is_yes(part.get("primary")))
    found += [text(_first(part, ("fsq_category_id", "id"))) for part in objects]
    found += [label for label in labels if _CATEGORY_ID.match(label)]
    return list(dict.fromkeys(word.lower() if len(word) == _HEX_ID else word for word in found if word))


def _is_closed(record: Record) -> bool:
    bucket = text(record.get("closed_bucket")).lower()
    return (
        any(is_date(record.get(column)) for column in _CLOSED)
        or any("closed" in text(record.get(column)).lower() for column in _STATUS)
        or bucket in _CLOSED_BUCKETS
    )
