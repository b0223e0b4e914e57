"""Extracts of OS Places and the stage that reads them."""

import pyarrow as pa
from pyarrow import parquet

from pipeline.cities import City
from pipeline.collect.pois import PoisSettings, build_pois

CITY = City(key="town", name="Town", latitude=12, longitude=-30, radius_km=10)
MUSEUM = "4bf58dd8d48988d181941735"
TEXTS = (
    "address",
    "locality",
    "region",
    "postcode",
    "admin_region",
    "post_town",
    "po_box",
    "country",
    "tel",
    "website",
    "email",
    "instagram",
    "twitter",
    "placemaker_url",
    "date_created",
    "date_refreshed",
    "date_closed",
)
SCHEMA = pa.schema(
    [
        ("fsq_place_id", pa.string()),
        ("name", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        *((name, pa.string()) for name in TEXTS),
        ("facebook_id", pa.int64()),
        ("fsq_category_ids", pa.list_(pa.string())),
        ("fsq_category_labels", pa.list_(pa.string())),
        ("unresolved_flags", pa.list_(pa.string())),
        ("geom", pa.binary()),
        ("bbox", pa.struct([("xmin", pa.float64()), ("ymin", pa.float64())])),
    ]
)


def place(number=1, **changes):
    """A good place in the city, then `changes`."""
    return {
        "fsq_place_id": f"{number:024x}",
        "name": f"Place {number}",
        "latitude": 12.0,
        "longitude": -30.0,
        "fsq_category_ids": [MUSEUM],
        "fsq_category_labels": ["Arts and Entertainment > Museum"],
        "geom": b"point" * 8,
        "bbox": {"xmin": 0.0, "ymin": 0.0},
        **changes,
    }


def write(path, rows, **options):
    """A Parquet file of these places."""
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = options.pop("schema", SCHEMA)
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), path, **options)
    return path


def build(store, path, city=CITY, **settings):
    return build_pois(store, city, PoisSettings(os_places=path, **settings))


def ids(rows):
    return [int(row.poi_id, 16) for row in rows]


def table(store):
    return sorted(store.tables.read("town", "pois").to_pylist(), key=lambda row: row["rank"])
