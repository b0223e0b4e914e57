"""OS Places, Foursquare's open extract: the POIs of a city from Parquet files on this machine, without a key.

Reads  Parquet files with the columns of OS Places (a file, a folder, or a pattern)
Rank: the extract has no popularity, so a place stands the higher the more it offers: one with a category before one
without; then by how many of address, website, telephone and a social account it has; then the one refreshed last; then
by id. This is a rule of ours and no popularity.
"""

import glob
import math
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.cities import City
from pipeline.collect.poi_sources.categories import Taxonomy
from pipeline.collect.poi_sources.files import PoiRow, poi_of_record
from pipeline.engine import Box, parquet_columns, rows_in_boxes
from pipeline.errors import StageError
from pipeline.geo import EARTH_RADIUS_KM, distance_km
from pipeline.store.digests import json_digest

NEEDED = ("fsq_place_id", "name", "latitude", "longitude")
OPTIONAL = (
    "fsq_category_ids",
    "fsq_category_labels",
    "address",
    "website",
    "tel",
    "facebook_id",
    "instagram",
    "twitter",
    "date_refreshed",
    "date_closed",
    "unresolved_flags",
)
MARGIN = 1e-9
"""Degrees added to every box, so that rounding loses no place at its border; the exact circle follows."""


def extract_files(given: Path) -> list[Path]:
    """The Parquet files of an extract, sorted: a file, those of a folder (its `categories` left out), or a pattern.

    Raises:
        StageError: there are none.
    """
    path = given.expanduser()
    if path.is_dir():
        found = [file for file in path.rglob("*.parquet") if "categories" not in file.relative_to(path).parts]
    elif path.is_file():
        found = [path]
    else:
        found = [Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file()]
    if not found:
        raise StageError(
            f"there is no extract of OS Places at {path}: name its Parquet file, folder or pattern as "
            "`pois: {os_places: ...}` in cities.yaml"
        )
    return sorted(found)


def listing_digest(files: list[Path]) -> str:
    """What stands for the files' content without reading 11 GB: their paths, sizes and times of change."""
    stats = [(str(path.absolute()), path.stat()) for path in files]
    return json_digest([[path, stat.st_size, stat.st_mtime_ns] for path, stat in stats])


def read_os_places(files: list[Path], city: City, categories: list[str], taxonomy: Taxonomy) -> list[PoiRow]:
    """The places of the extract in the city's circle, in the order of their rank.

    categories: only places of these or of categories below them; all where it is empty.

    Raises:
        StageError: a needed column is missing, or a file cannot be read.
    """
    try:
        there = set(parquet_columns(files))
        missing = [name for name in NEEDED if name not in there]
        if missing:
            raise StageError(f"{files[0]} is no extract of OS Places: it has no column {', '.join(missing)}")
        columns = [*NEEDED, *(name for name in OPTIONAL if name in there)]
        table = rows_in_boxes(files, columns, boxes_around(city.latitude, city.longitude, city.radius_km))
    except OSError as error:
        raise StageError(f"the extract at {files[0].parent} cannot be read ({error}): get it anew") from None
    records = _in_circle(table, city).to_pylist()
    if categories:
        wanted = frozenset(categories)
        records = [record for record in records if _is_of(record, wanted, taxonomy)]
    records.sort(key=_preference)
    return [poi_of_record({**record, "rank": rank}) for rank, record in enumerate(records, start=1)]


def boxes_around(latitude: float, longitude: float, radius_km: float) -> list[Box]:
    """The boxes that hold a circle: two where it crosses ±180°, a cap of all longitudes where it holds a pole."""
    angle = radius_km / EARTH_RADIUS_KM
    reach = math.degrees(angle) + MARGIN
    south, north = latitude - reach, latitude + reach
    if south <= -90 or north >= 90:
        return [Box(south=max(south, -90.0), north=min(north, 90.0), west=-180.0, east=180.0)]
    ratio = math.sin(angle) / math.cos(math.radians(latitude))  # below 1: the circle holds no pole
    width = math.degrees(math.asin(min(1.0, ratio))) + MARGIN
    west, east = longitude - width, longitude + width
    spans = [(max(west, -180.0), min(east, 180.0))]
    if west < -180:
        spans.append((west + 360, 180.0))
    if east > 180:
        spans.append((-180.0, east - 360))
    return [Box(south=south, north=north, west=first, east=last) for first, last in spans]


def _in_circle(table: pa.Table, city: City) -> pa.Table:
    if not table.num_rows:
        return table
    latitudes, longitudes = (table[name].to_numpy(zero_copy_only=False) for name in ("latitude", "longitude"))
    near = distance_km(latitudes, longitudes, city.latitude, city.longitude) <= city.radius_km
    return table.filter(pa.array(near))


def _is_of(record: dict[str, Any], wanted: frozenset[str], taxonomy: Taxonomy) -> bool:
    ids = record.get("fsq_category_ids") or ()
    return any(not wanted.isdisjoint((category_id, *taxonomy.above(category_id))) for category_id in ids)


def _preference(record: dict[str, Any]) -> tuple[bool, int, int, str]:
    """The smaller, the higher the rank."""
    has_social = any(record.get(name) for name in ("facebook_id", "instagram", "twitter"))
    offers = [record.get("address"), record.get("website"), record.get("tel"), has_social]
    return (
        not record.get("fsq_category_ids"),
        -sum(map(bool, offers)),
        -_day(record.get("date_refreshed")),
        str(record["fsq_place_id"]),
    )


def _day(value: object) -> int:
    """The day of a date or its text as a number; 0 where there is none."""
    if isinstance(value, date):
        return value.toordinal()
    try:
        return date.fromisoformat(str(value)[:10]).toordinal()
    except ValueError:
        return 0
