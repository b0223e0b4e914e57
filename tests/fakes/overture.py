"""Overture's places in the schema of its releases, of 2024 (`categories`) and of 2026 (`taxonomy` beside it)."""

import struct

import pyarrow as pa
from pyarrow import parquet

from pipeline.collect.pois import PoisSettings, build_pois
from tests.fakes.os_places import CITY

RULE = pa.struct([("variant", pa.string()), ("language", pa.string()), ("value", pa.string())])
NAMES = pa.struct([("primary", pa.string()), ("common", pa.map_(pa.string(), pa.string())), ("rules", pa.list_(RULE))])
ADDRESS = pa.struct([(key, pa.string()) for key in ("freeform", "locality", "postcode", "region", "country")])
SOURCE = pa.struct(
    [
        *((key, pa.string()) for key in ("property", "dataset", "license", "record_id", "update_time")),
        ("confidence", pa.float64()),
        ("between", pa.list_(pa.float64())),
    ]
)
TAXONOMY = pa.struct(
    [("primary", pa.string()), ("hierarchy", pa.list_(pa.string())), ("alternates", pa.list_(pa.string()))]
)
OF_2024 = pa.schema(
    [
        ("id", pa.string()),
        ("geometry", pa.binary()),
        ("bbox", pa.struct([(key, pa.float32()) for key in ("xmin", "xmax", "ymin", "ymax")])),
        ("version", pa.int32()),
        ("sources", pa.list_(SOURCE)),
        ("names", NAMES),
        ("categories", pa.struct([("primary", pa.string()), ("alternate", pa.list_(pa.string()))])),
        ("confidence", pa.float64()),
        ("websites", pa.list_(pa.string())),
        ("socials", pa.list_(pa.string())),
        ("emails", pa.list_(pa.string())),
        ("phones", pa.list_(pa.string())),
        ("brand", pa.struct([("wikidata", pa.string()), ("names", NAMES)])),
        ("addresses", pa.list_(ADDRESS)),
    ]
)
SCHEMA = pa.schema(
    [*OF_2024, ("operating_status", pa.string()), ("basic_category", pa.string()), ("taxonomy", TAXONOMY)]
)


def place(number=1, *, latitude=12.0, longitude=-30.0, category="museum", path=(), **changes):
    """A good place in the city, as a release has it, then `changes`."""
    return {
        "id": f"{number:08x}-0000-4000-8000-000000000000",
        "geometry": struct.pack("<BI2d", 1, 1, longitude, latitude),
        "bbox": {"xmin": longitude, "xmax": longitude, "ymin": latitude, "ymax": latitude},
        "version": 1,
        "sources": [{"property": "", "dataset": "meta", "record_id": "1"}],
        "names": {"primary": f"Place {number}", "common": [("en", "Other")], "rules": None},
        "categories": category and {"primary": category, "alternate": None},
        "confidence": 0.9,
        "websites": ["https://example.org"],
        "socials": ["https://example.org/social"],
        "addresses": [{"freeform": "1 Street", "country": "XX"}],
        "operating_status": "open",
        "basic_category": None,
        "taxonomy": (path or None) and {"primary": path[-1], "hierarchy": list(path), "alternates": None},
        **changes,
    }


def write(path, rows, **options):
    """A GeoParquet file of these places."""
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = options.pop("schema", SCHEMA)
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), path, **options)
    return path


def build(store, path, city=CITY, **settings):
    return build_pois(store, city, PoisSettings(overture=str(path), **settings))


def numbers(rows):
    return [int(row.poi_id[:8], 16) for row in rows]
