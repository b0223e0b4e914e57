"""OS Places, Foursquare's open extract: the POIs of a city from Parquet files on this machine, without a key.

Reads  Parquet files with the columns of OS Places (a file, a folder, or a pattern), also of several monthly releases
Law: of an id that stands in several releases the newest row counts, wherever it now lies; a release is known by the
date in its path (`dt=2025-09-09`), within one by `date_refreshed`. Hidden files (`._x`, `_temporary`) are none of it.
Rank: the extract has no popularity, so a place stands the higher the more it offers: one with a category before one
without; then by how many of address, website, telephone and a social account it has; then the one refreshed last; then
by id. This is a rule of ours and no popularity.
"""

import glob
import math
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.cities import City
from pipeline.collect.poi_sources.categories import Taxonomy
from pipeline.collect.poi_sources.files import PoiRow, poi_of_record
from pipeline.collect.poi_sources.tables import SUFFIXES
from pipeline.collect.poi_sources.values import day, is_nothing, words
from pipeline.errors import StageError
from pipeline.geo import EARTH_RADIUS_KM, distance_km
from pipeline.parquet_rows import Box, parquet_columns, rows_in_boxes, rows_of_values
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

_DATE = re.compile(r"(?<![0-9A-Za-z])(20\d\d)[-_]?(0[1-9]|1[0-2])(?:[-_]?(0[1-9]|[12]\d|3[01]))?(?![0-9A-Za-z])")
_FOLDERS = re.compile(
    r"/(?:year=)?(20\d\d)(?:/(?:month=)?(0?[1-9]|1[0-2]))?(?:/(?:day=)?(0?[1-9]|[12]\d|3[01]))?(?=/)"
)


def extract_files(given: Path) -> list[Path]:
    """The Parquet files of an extract, sorted: a file, those of a folder (its `categories` left out), or a pattern.

    Raises:
        StageError: there are none.
    """
    path = given.expanduser()
    if path.is_dir():
        files = (file for file in path.rglob("*") if file.suffix.lower() == ".parquet" and file.is_file())
        inner = ((file, file.relative_to(path).parts) for file in files)
        found = [file for file, parts in inner if "categories" not in parts and not any(map(_is_hidden, parts))]
    elif path.is_file() and path.suffix.lower() in SUFFIXES and path.suffix.lower() != ".parquet":
        raise StageError(f"{path} is no Parquet file, as an extract of OS Places is: name it as `pois: {{file: ...}}`")
    elif path.is_file():
        found = [path]
    else:
        named = (Path(name) for name in glob.glob(str(path), recursive=True))
        num_fixed = next((n for n, part in enumerate(path.parts) if glob.has_magic(part)), len(path.parts))
        found = [file for file in named if file.is_file() and not any(map(_is_hidden, file.parts[num_fixed:]))]
    if not found:
        raise StageError(
            f"there is no extract of OS Places at {path}: name its Parquet file, folder or pattern as "
            "`pois: {os_places: ...}` in cities.yaml"
        )
    return sorted(found)


def _is_hidden(name: str) -> bool:
    """Whether a file or folder is of the system or of a writer that has not ended: `._x` of macOS, `_temporary`."""
    return name.startswith((".", "_"))


def release_of(file: Path) -> str:
    """The day of the release that a file belongs to, as its path says; "" where it says none."""
    found = list(_DATE.finditer(str(file))) or list(_FOLDERS.finditer(str(file)))
    return "-".join((found[-1][n] or "1").zfill(2) for n in (1, 2, 3)) if found else ""


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
        records = _newest_in_circle(_groups(files), city)
    except OSError as error:
        raise StageError(f"the extract at {files[0].parent} cannot be read ({error}): download it again") from None
    if categories:
        wanted = frozenset(categories)
        newest = {record["fsq_place_id"]: record for record in sorted(records, key=_age)}
        kept = {place_id for place_id, record in newest.items() if _is_of(record, wanted, taxonomy)}
        records = [record for record in records if record["fsq_place_id"] in kept]
    records.sort(key=_preference)
    return [poi_of_record({**record, "rank": rank}) for rank, record in enumerate(records, start=1)]


_Group = tuple[str, tuple[tuple[str, str], ...]]


def _groups(files: list[Path]) -> dict[_Group, list[Path]]:
    """The files by release, columns and their types: later releases have columns that earlier ones lack."""
    groups: dict[_Group, list[Path]] = defaultdict(list)
    for file in files:
        there = parquet_columns(file)
        missing = [name for name in NEEDED if name not in there]
        if missing:
            raise StageError(f"{file} is no extract of OS Places: it has no column {', '.join(missing)}")
        columns = tuple((name, there[name]) for name in (*NEEDED, *OPTIONAL) if name in there)
        groups[release_of(file), columns].append(file)
    return groups


def _newest_in_circle(groups: dict[_Group, list[Path]], city: City) -> list[dict[str, Any]]:
    """The rows in the circle, and those of the same ids in newer releases that are elsewhere by now."""
    boxes = boxes_around(city.latitude, city.longitude, city.radius_km)
    records = []
    for (release, columns), files in groups.items():
        table = _in_circle(rows_in_boxes(files, list(dict(columns)), boxes), city)
        records += [{**record, "dt": release} for record in table.to_pylist()]
    seen: dict[str, str] = {}
    for record in records:
        seen[record["fsq_place_id"]] = max(record["dt"], seen.get(record["fsq_place_id"], ""))
    for (release, columns), files in groups.items():
        gone = sorted(place_id for place_id, newest in seen.items() if place_id and newest < release)
        if gone:
            found = rows_of_values(files, list(dict(columns)), "fsq_place_id", gone).to_pylist()
            records += [{**record, "dt": release} for record in found]
    return records


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
    ids = words(record.get("fsq_category_ids"))
    return any(not wanted.isdisjoint((category_id, *taxonomy.above(category_id))) for category_id in ids)


def _age(record: dict[str, Any]) -> tuple[str, int]:
    """The greater, the newer."""
    return record["dt"], day(record.get("date_refreshed"))


def _preference(record: dict[str, Any]) -> tuple[bool, int, int, str]:
    """The smaller, the higher the rank."""
    is_there = {name: not is_nothing(value) for name, value in record.items()}
    has_social = any(is_there.get(name, False) for name in ("facebook_id", "instagram", "twitter"))
    offers = [is_there.get(name, False) for name in ("address", "website", "tel")]
    return (
        not words(record.get("fsq_category_ids")),
        -sum((*offers, has_social)),
        -day(record.get("date_refreshed")),
        str(record["fsq_place_id"]),
    )
