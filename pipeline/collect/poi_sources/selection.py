"""Which rows of a source are POIs, and the table that they become.

Law: every row is a POI, or counted with the first reason against it, or beyond the number wanted. What is taken
depends on the rows, the city and what it does about sensitive places, and not on where the rows came from.
"""

from collections import Counter
from datetime import datetime

from pipeline.cities import City
from pipeline.collect.poi_sources.categories import Sensitivity, Taxonomy
from pipeline.collect.poi_sources.files import PoiRow, mark_older
from pipeline.geo import degrees, distance_km, valid_coordinates


def select_pois(rows: list[PoiRow], city: City, sensitivity: Sensitivity) -> tuple[list[PoiRow], dict[str, str]]:
    """The good rows, the most popular first, and `row <n>` -> reason of the others; the newest row of an id counts."""
    good: dict[str, PoiRow] = {}
    drops: dict[str, str] = {}
    for index, row in enumerate(mark_older(rows)):
        reason = _reason(row, city, sensitivity) or ("duplicate" if row.poi_id in good else "")
        if reason:
            drops[f"row {index}"] = reason
        else:
            good[row.poi_id] = row
    return sorted(good.values(), key=_preference), drops


def table_rows(pois: list[PoiRow], source: str, taxonomy: Taxonomy, now: datetime) -> list[dict[str, object]]:
    """The POIs, in the order of their rank, as rows of the table `pois`."""
    num_of_name = Counter(poi.name for poi in pois)
    return [
        {
            "poi_id": poi.poi_id,
            "name": _display_name(poi, is_shared=num_of_name[poi.name] > 1),
            "latitude": degrees(poi.latitude, "NS"),
            "longitude": degrees(poi.longitude, "EW"),
            "category_ids": list(poi.category_ids),
            "category_name": poi.category_name,
            "semantic_label": top_level(poi, taxonomy) or poi.category_name,
            "rank": rank,
            "popularity": poi.popularity,
            "source": source,
            "retrieved_utc": now,
        }
        for rank, poi in enumerate(pois, start=1)
    ]


def top_level(poi: PoiRow, taxonomy: Taxonomy) -> str:
    """The top-level category: the one that the source names, else by the taxonomy; "" where neither knows."""
    return poi.semantic_label or taxonomy.top_level(poi.category_ids, poi.category_labels)


def _reason(row: PoiRow, city: City, sensitivity: Sensitivity) -> str:
    """The first reason against a row, "" where there is none."""
    if row.problem:
        return row.problem
    if not row.poi_id:
        return "no_id"
    if row.is_closed:
        return "closed"
    if row.is_flagged:
        return "flagged"
    if row.latitude is None or row.longitude is None:
        return "no_coordinates"
    coordinates = valid_coordinates(row.latitude, row.longitude)
    if coordinates is None:
        return "bad_coordinates"
    if distance_km(*coordinates, city.latitude, city.longitude) > city.radius_km:
        return "outside_city"
    return "sensitive_category" if sensitivity.is_left_out(row) else row.last_problem


def _preference(row: PoiRow) -> tuple[float, float]:
    """By rank, then popularity; rows without either keep the order of the source."""
    rank = row.rank if row.rank is not None else float("inf")
    return rank, -(row.popularity if row.popularity is not None else -1.0)


def _display_name(poi: PoiRow, *, is_shared: bool) -> str:
    """The name; two of one name in a city (a chain) get their address behind it, the nameless their id."""
    if not poi.name:
        return poi.poi_id
    return f"{poi.name} ({poi.address})" if is_shared and poi.address else poi.name
