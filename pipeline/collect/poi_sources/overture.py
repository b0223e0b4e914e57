"""Overture's places: the POIs of a city from GeoParquet files here or in Overture's bucket, without a key.

Reads  Parquet files of `theme=places/type=place` (a file, a folder, a pattern, or an s3:// address of a release), and
       GeoJSON as `overturemaps download` writes it; of several releases only the newest
Law: row groups elsewhere are skipped by the statistics of `bbox`, and nothing is read of websites, socials, emails and
phones. A place of less than `min_confidence` is dropped with its reason; one without a confidence is not.
Rank: Overture has no popularity. A place with a category comes before one without, then the one that more of
Overture's sources know, then the one of higher confidence, then by id. This is a rule of ours and no popularity.
"""

import glob
import math
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from operator import and_, or_
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import pyarrow as pa
from pyarrow import compute, dataset, fs

from pipeline.cities import City
from pipeline.collect.poi_sources.files import PoiRow, poi_of_record
from pipeline.collect.poi_sources.found import FoundPois
from pipeline.collect.poi_sources.os_places import boxes_around, release_of
from pipeline.collect.poi_sources.overture_categories import overture_top_level
from pipeline.collect.poi_sources.tables import SUFFIXES, read_records
from pipeline.collect.poi_sources.values import number, text, words
from pipeline.errors import StageError
from pipeline.geo import distance_km, valid_coordinates
from pipeline.store.digests import json_digest

LOW_CONFIDENCE = "low_confidence"
LICENCES = (
    "CDLA-Permissive-2.0 (Meta, Microsoft and others), Apache-2.0 (Foursquare), CC0-1.0 (AllThePlaces): name Overture "
    "Maps Foundation and these sources where you publish"
)
REGION = "us-west-2"
PARQUET = (".parquet", ".geoparquet")
MARGIN = 1e-4
"""Degrees added to every box: `bbox` is of 32-bit floats, which are up to 0.00002 off."""

_CATEGORIES = ("categories", "basic_category", "taxonomy")
_LEAVES = (
    *("id", "names.primary", "confidence", "operating_status", "categories.primary"),
    *("categories.main", "categories.alternate"),
    *("basic_category", "taxonomy.primary", "taxonomy.hierarchy", "taxonomy.alternates", "taxonomy.alternate"),
    *("addresses", "sources", "geometry", "bbox", "latitude", "longitude"),
)
_PRIMARY = ("taxonomy.primary", "categories.primary", "categories.main", "basic_category")
_OTHERS = ("taxonomy.hierarchy", "taxonomy.alternates", "taxonomy.alternate", "categories.alternate")
_WKB_POINT, _EWKB_SRID = 1, 0x20000000


def found_in_overture(address: str, city: City, min_confidence: float) -> FoundPois:
    """The places of Overture in the city's circle; they are read where something changed.

    Raises:
        StageError: there is no file, or later: it cannot be read, or names no categories at all.
    """
    store, files = _files(address)
    release = max(map(release_of, map(Path, files)))
    files = [file for file in files if release_of(Path(file)) == release]
    infos = [store.get_file_info(file) for file in files]

    def read() -> tuple[list[PoiRow], dict[str, int]]:
        return read_overture(files, city, min_confidence, store)

    return FoundPois(
        source="overture",
        origin=f"Overture's places at {address}",
        rows=[],
        late=read,
        inputs={"overture": json_digest([[info.path, info.size, info.mtime_ns] for info in infos])},
        about={
            "rank": "by category, number of sources and confidence; Overture has no popularity",
            "licences": LICENCES,
            **({"release": release} if release else {}),
        },
    )


def read_overture(
    files: list[str], city: City, min_confidence: float, store: fs.FileSystem | None = None
) -> tuple[list[PoiRow], dict[str, int]]:
    """The rows in the order of their rank, and how many of them each of Overture's sources knows.

    Raises:
        StageError: a file cannot be read, or none of its columns names a category.
    """
    store = store or fs.LocalFileSystem()
    records = [record for file in files for record in _records(file, city, store)]
    records.sort(key=_preference)
    counts = Counter(f"of_source/{name}" for record in records for name in sorted(_sources(record)))
    return [_row(record, rank, min_confidence) for rank, record in enumerate(records, start=1)], dict(counts)


def _files(address: str) -> tuple[fs.FileSystem, list[str]]:
    """The file system and the files of an address, sorted; those of other themes and hidden ones left out."""
    if address.startswith("s3://"):
        store = fs.S3FileSystem(anonymous=True, region=REGION)
        root = address.removeprefix("s3://").rstrip("*").rstrip("/")
        try:
            infos = store.get_file_info(fs.FileSelector(root, recursive=True))
        except OSError as error:
            raise StageError(f"{address} cannot be listed ({error}): look at the release and the network") from None
        found = [info.path for info in infos if info.is_file and _is_places(PurePosixPath(info.path), root)]
    else:
        store, path = fs.LocalFileSystem(), Path(address).expanduser()
        if path.is_dir():
            found = [str(file) for file in path.rglob("*") if file.is_file() and _is_places(file, str(path))]
        else:
            found = [str(path)] if path.is_file() else glob.glob(str(path), recursive=True)
            found = [file for file in found if Path(file).is_file()]
    if not found:
        raise StageError(
            f"there are no places of Overture at {address}: name the Parquet or GeoJSON file, the folder or pattern "
            "that `overturemaps download --type=place` or a copy of a release wrote, as `pois: {overture: ...}`"
        )
    return store, sorted(found)


def _is_places(file: PurePath, root: str) -> bool:
    parts = file.relative_to(root).parts
    types = [part for part in file.parts if part.startswith("type=")]
    is_hidden = any(part.startswith((".", "_")) for part in parts)
    return file.suffix.lower() in PARQUET and not is_hidden and types in ([], ["type=place"])


def _records(file: str, city: City, store: fs.FileSystem) -> list[dict[str, Any]]:
    """The flat records of a file's places in the city's circle."""
    suffix = Path(file).suffix.lower()
    if suffix in SUFFIXES and suffix not in PARQUET:
        found = read_records(Path(file))
        _check_categories({column for record in found for column in record}, file)
        return [record for record in found if _is_near(record, city)]
    try:
        return [record for record in _parquet_records(file, city, store) if _is_near(record, city)]
    except (pa.ArrowException, OSError) as error:
        raise StageError(f"{file} cannot be read ({str(error).splitlines()[0]}): download it again") from None


def _parquet_records(file: str, city: City, store: fs.FileSystem) -> Iterator[dict[str, Any]]:
    places = dataset.dataset(file, filesystem=store, format="parquet")
    schema = places.schema
    leaves = [leaf for leaf in _LEAVES if _has(schema, leaf)]
    if not {"id", "names.primary"} <= set(leaves) or not {"geometry", "bbox", "latitude"} & set(leaves):
        raise StageError(
            f"{file} is no file of Overture's places: it needs id, names.primary, and geometry or bbox; it has "
            f"{', '.join(schema.names[:20])}. A table of other columns is read as `pois: {{file: ...}}`"
        )
    _check_categories({*schema.names, *leaves}, file)
    columns = {leaf: compute.field(*leaf.split(".")) for leaf in leaves}
    for batch in places.to_batches(columns=columns, filter=_inside(schema, city)):
        yield from map(_placed, batch.to_pylist())


def _has(schema: pa.Schema, leaf: str) -> bool:
    outer, _, inner = leaf.partition(".")
    if outer not in schema.names:
        return False
    kind = schema.field(outer).type
    return not inner or (pa.types.is_struct(kind) and kind.get_field_index(inner) >= 0)


def _check_categories(columns: set[str], file: str) -> None:
    """A column of a name that holds text in place of an object, as some copies do, names no categories."""
    if columns and columns.isdisjoint((*_PRIMARY, *_OTHERS)):
        raise StageError(
            f"{file} has none of the columns {', '.join(_CATEGORIES)} as Overture writes them, so that no place "
            "of a sensitive kind (hospitals, places of worship, ...) could be left out: copy it again with them"
        )


def _inside(schema: pa.Schema, city: City) -> compute.Expression | None:
    """What rows to read: those whose `bbox` meets a box around the city; all where there is none."""
    if not _has(schema, "bbox.xmin") or not _has(schema, "bbox.ymin"):
        return None
    x, y = compute.field("bbox", "xmin"), compute.field("bbox", "ymin")
    boxes = boxes_around(city.latitude, city.longitude, city.radius_km)
    return reduce(
        or_,
        [
            reduce(
                and_,
                [
                    x >= box.west - MARGIN,
                    x <= box.east + MARGIN,
                    y >= box.south - MARGIN,
                    y <= box.north + MARGIN,
                ],
            )
            for box in boxes
        ],
    )


def _placed(record: dict[str, Any]) -> dict[str, Any]:
    """The record with its point as GeoJSON's records have it."""
    geometry, box = record.pop("geometry", None), record.pop("bbox", None) or {}
    point = _point(geometry)
    if point is None and box.get("xmin") is not None:
        point = box["xmin"], box["ymin"]
    longitude, latitude = point or (record.get("longitude"), record.get("latitude"))
    addresses = record.pop("addresses", None) or [{}]
    return {
        **record,
        "geometry.lat": latitude,
        "geometry.lon": longitude,
        "address": (addresses[0] or {}).get("freeform") or "",
    }


def _point(geometry: object) -> tuple[float, float] | None:
    """Longitude and latitude of a point in WKB, or of its later form with a reference system; else None."""
    if isinstance(geometry, dict):
        return (geometry["x"], geometry["y"]) if {"x", "y"} <= geometry.keys() else None
    if not isinstance(geometry, bytes) or len(geometry) < 21:
        return None
    order = "<" if geometry[0] else ">"
    (kind,) = struct.unpack_from(f"{order}I", geometry, 1)
    start = 9 if kind & _EWKB_SRID else 5
    if kind & 0xFF != _WKB_POINT or len(geometry) < start + 16:
        return None
    longitude, latitude = struct.unpack_from(f"{order}2d", geometry, start)
    return (longitude, latitude) if math.isfinite(longitude) and math.isfinite(latitude) else None


def _is_near(record: dict[str, Any], city: City) -> bool:
    found = valid_coordinates(record.get("geometry.lat"), record.get("geometry.lon"))
    return found is not None and bool(distance_km(*found, city.latitude, city.longitude) <= city.radius_km)


def _sources(record: dict[str, Any]) -> set[str]:
    """The data sets that know the place."""
    given = record.get("sources")
    parts = given if isinstance(given, list) else []
    return {text(part.get("dataset")) for part in parts if isinstance(part, dict)} - {""}


def _categories(record: dict[str, Any]) -> list[str]:
    """The ids of its categories, the primary one first."""
    found = [text(record.get(column)) for column in _PRIMARY]
    found += [word for column in _OTHERS for word in reversed(words(record.get(column)))]
    return list(dict.fromkeys(filter(None, found)))


def _preference(record: dict[str, Any]) -> tuple[bool, int, float, str]:
    """The smaller, the higher the rank."""
    confidence = number(record.get("confidence"))
    return not _categories(record), -len(_sources(record)), -(confidence or 0.0), text(record.get("id"))


def _row(record: dict[str, Any], rank: int, min_confidence: float) -> PoiRow:
    row = poi_of_record({**record, "rank": rank})
    categories, confidence = _categories(record), number(record.get("confidence"))
    is_unsure = confidence is not None and confidence < min_confidence
    return replace(
        row,
        category_ids=tuple(categories),
        category_name=categories[0].replace("_", " ").capitalize() if categories else "",
        semantic_label=overture_top_level(categories),
        problem=row.problem or ("" if row.name else "no_name"),
        last_problem=LOW_CONFIDENCE if is_unsure else "",
    )
