"""POIs: the places of a city that a post can be located at, from a file that somebody has.

Reads  a CSV, Parquet or JSON file
Writes pois
Law: every row of the file is a POI, or counted with the first reason against it, or beyond `max_pois`.
"""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from pipeline.cities import City, Settings
from pipeline.collect.geo import distance_km, valid_coordinates
from pipeline.collect.poi_files import PoiRow, number, read_poi_file
from pipeline.collect.sources import demo_city
from pipeline.ledger import reason_counts
from pipeline.stage import Outcome, StageError, StageReport, run_stage
from pipeline.store import Store
from pipeline.store.digests import file_digest

STAGE = "pois"
CODE_VERSION = "1"


class PoisSettings(Settings):
    """Which POIs a city has."""

    file: Path | None = Field(None, description="CSV, Parquet or JSON file of POIs; by default the demo generator's")
    max_pois: int = Field(40, ge=1, description="the most popular ones are taken")


def build_pois(store: Store, city: City, settings: PoisSettings) -> StageReport:
    """Take a city's POIs from a file.

    Raises:
        StageError: no file was named, it cannot be read, or no POI in it lies in the city.
    """
    with store.lock(city.key, STAGE):
        path = _file(store, city, settings)
        rows = read_poi_file(path)
        circle = f"{city.latitude} {city.longitude} {city.radius_km}"
        return run_stage(
            store, city, STAGE, code_version=CODE_VERSION, settings=settings,
            inputs={"file": file_digest(path), "circle": circle}, outputs=("pois",),
            work=lambda: _work(store, city, settings, path, rows),
        )  # fmt: skip


def _file(store: Store, city: City, settings: PoisSettings) -> Path:
    if settings.file is not None:
        return settings.file.expanduser()
    demo = demo_city(store, city)
    if demo is not None:
        return demo.pois_file
    raise StageError(
        f"city {city.key} has no source of POIs: name a CSV, Parquet or JSON file with the columns poi_id, name, "
        "latitude and longitude in cities.yaml, under this city as `pois: {file: path/to/file}`"
    )


def _work(store: Store, city: City, settings: PoisSettings, path: Path, rows: list[PoiRow]) -> Outcome:
    pois, drops = select_pois(rows, city)
    if not pois:
        told = ", ".join(f"{reason.split('/')[1]} {count}" for reason, count in reason_counts(drops).items())
        raise StageError(
            f"none of the {len(rows)} rows of {path} is a POI of {city.key} ({told or 'the file is empty'}): "
            "look at the file, and at the city's latitude, longitude and radius_km in cities.yaml"
        )
    taken = pois[: settings.max_pois]
    store.tables.replace(city.key, "pois", _table_rows(taken, "demo" if city.is_synthetic else "file"))
    counts = {
        "rows": len(rows), "pois": len(taken), "beyond_max_pois": len(pois) - len(taken), "dropped": len(drops),
        **reason_counts(drops),
    }  # fmt: skip
    return Outcome(counts=counts)


def select_pois(rows: list[PoiRow], city: City) -> tuple[list[PoiRow], dict[str, str]]:
    """The good rows, the most popular first, and `row <n>` -> reason of the others."""
    good: dict[str, PoiRow] = {}
    drops: dict[str, str] = {}
    for index, row in enumerate(rows):
        reason = _reason(row, city) or ("duplicate" if row.poi_id in good else "")
        if reason:
            drops[f"row {index}"] = reason
        else:
            good[row.poi_id] = row
    return sorted(good.values(), key=_preference), drops


def _reason(row: PoiRow, city: City) -> str:
    """The first reason against a row, "" where there is none."""
    if not row.poi_id:
        return "no_id"
    if row.is_closed:
        return "closed"
    if row.is_flagged:
        return "flagged"
    if row.latitude is None or row.longitude is None:
        return "no_coordinates"
    coordinates = valid_coordinates(number(row.latitude), number(row.longitude))
    if coordinates is None:
        return "bad_coordinates"
    if distance_km(*coordinates, city.latitude, city.longitude) > city.radius_km:
        return "outside_city"
    return ""


def _preference(row: PoiRow) -> tuple[float, float]:
    """By rank, then popularity; rows without either keep the order of the file."""
    rank = row.rank if row.rank is not None else float("inf")
    return rank, -(row.popularity if row.popularity is not None else -1.0)


def _table_rows(pois: list[PoiRow], source: str) -> list[dict[str, object]]:
    retrieved_utc = datetime.now(UTC)
    num_of_name = Counter(poi.name for poi in pois)
    return [
        {
            "poi_id": poi.poi_id,
            "name": _display_name(poi, is_shared=num_of_name[poi.name] > 1),
            "latitude": number(poi.latitude),
            "longitude": number(poi.longitude),
            "category_ids": list(poi.category_ids),
            "category_name": poi.category_name,
            "semantic_label": poi.semantic_label,
            "rank": rank,
            "popularity": poi.popularity,
            "source": source,
            "retrieved_utc": retrieved_utc,
        }
        for rank, poi in enumerate(pois, start=1)
    ]


def _display_name(poi: PoiRow, *, is_shared: bool) -> str:
    """The name; two of one name in a city (a chain) get their address behind it, the nameless their id."""
    if not poi.name:
        return poi.poi_id
    return f"{poi.name} ({poi.address})" if is_shared and poi.address else poi.name
