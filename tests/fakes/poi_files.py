"""Files of POIs and the stage that reads them."""

import json

import pandas as pd

from pipeline.cities import City
from pipeline.collect.pois import PoisSettings, build_pois

CITY = City(key="town", name="Town", latitude=12, longitude=-30, radius_km=10)
ODD_NAMES = [
    ("a\0b", "ab"),
    ("\u202ex", "x"),
    ("../../x", "../../x"),
    ("CON", "CON"),
    ("🗼", "🗼"),
    ("x" * 300, "x" * 300),
    ("\u0301", "\u0301"),
]
"""A POI's name as a source has it, and as it is stored: a name is data, whatever it looks like."""


def poi(**changes) -> dict:
    """A good row; None takes a field out."""
    row = {"poi_id": "p1", "name": "Old Lighthouse", "latitude": 12.01, "longitude": -30.01, **changes}
    return {name: value for name, value in row.items() if value is not None}


def build(store, tmp_path, rows, city=CITY, name="pois.json", **settings):
    path = tmp_path / name
    if name.lower().endswith(".json"):
        path.write_text(json.dumps(rows))
    elif name.lower().endswith(".csv"):
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        pd.DataFrame(rows).to_parquet(path)
    return build_pois(store, city, PoisSettings(file=path, **settings))


def table(store):
    return store.tables.read("town", "pois").to_pylist()
