"""Overture's categories: our top-level category of each of its ids, and the sensitive area where it has one.

Reads  overture_categories.csv beside this file, a versioned table: ids of `categories`, `taxonomy`, `basic_category`
"""

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).parent / "overture_categories.csv"


class Mapped(NamedTuple):
    """What a category of Overture is here; `area` is "" where it is not sensitive."""

    top_level: str
    area: str


@cache
def overture_table() -> dict[str, Mapped]:
    """The table by Overture's ids."""
    with TABLE.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return {row["category"]: Mapped(row["top_level"], row["area"]) for row in rows}


def overture_areas() -> dict[str, str]:
    """The sensitive areas by Overture's ids."""
    return {category: mapped.area for category, mapped in overture_table().items() if mapped.area}


def overture_top_level(categories: Iterable[str]) -> str:
    """The top-level category of the first of these that the table knows; "" where it knows none."""
    table = overture_table()
    return next((table[category].top_level for category in categories if category in table), "")
