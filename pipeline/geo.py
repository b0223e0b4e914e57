"""Distances on the globe, and coordinates as files state them."""

import re
from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_KM = 6371.0088
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_PART = r"\d{1,3}(?:\.\d+|,(?!\d{3}(?!\d))\d+)?"
"""`12,010` is no part: of thousands and decimals nobody knows which is meant"""
_WRITTEN = re.compile(
    rf"([NSEW])?\s*([+-])?\s*({_PART})\s*(?:[°º]\s*(?:({_PART})\s*['′’]\s*(?:({_PART})\s*(?:''|[\"″”])\s*)?)?)?([NSEW])?",
    re.IGNORECASE,
)


def distance_km(
    latitude_a: ArrayLike, longitude_a: ArrayLike, latitude_b: ArrayLike, longitude_b: ArrayLike
) -> NDArray[np.float64]:
    """Great-circle distance of points in WGS84 degrees, element by element; right across the date line and the poles.

    d = 2 R asin sqrt(h),  h = sin²(Δφ/2) + cos φa cos φb sin²(Δλ/2)
    """
    lat_a, lng_a, lat_b, lng_b = (
        np.radians(np.asarray(value, dtype=np.float64)) for value in (latitude_a, longitude_a, latitude_b, longitude_b)
    )
    h = np.sin((lat_b - lat_a) / 2) ** 2 + np.cos(lat_a) * np.cos(lat_b) * np.sin((lng_b - lng_a) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(h, 1.0))))  # h reached 1.0000000000000002


def valid_coordinates(latitude: object, longitude: object) -> tuple[float, float] | None:
    """The pair as floats; None where one is missing, not a number or out of range, or both are 0 (the null island)."""
    north, east = degrees(latitude, "NS"), degrees(longitude, "EW")
    if north is None or east is None:
        return None
    if not (-90 <= north <= 90 and -180 <= east <= 180) or (north == 0 and east == 0):
        return None  # NaN fails the comparison too
    return north, east


def degrees(value: object, letters: Literal["NS", "EW"]) -> float | None:
    """Degrees from a number or an unambiguous text of one, in whatever range: `40.7`, `40,7`, `40.7° N`,
    `W 74.006`, `40°42'46" N`; None for all else.

    letters: what stands for north and south, or east and west.
    """
    if isinstance(value, str):
        return _degrees_of_text(value.strip().replace("\u2212", "-"), letters)
    return float(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


def _degrees_of_text(text: str, letters: str) -> float | None:
    if _NUMBER.fullmatch(text):
        return float(text)
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    before, sign, whole, minutes, seconds, after = found.groups()
    if sum(mark is not None for mark in (before, sign, after)) > 1:
        return None  # of `-40.7 S` nobody knows which side is meant
    side = (before or after or letters[0]).upper()
    parts = [float(part.replace(",", ".")) for part in (whole, minutes, seconds) if part is not None]
    if side not in letters or any(part >= 60 for part in parts[1:]) or any(part % 1 for part in parts[:-1]):
        return None
    size = sum(part / 60.0**power for power, part in enumerate(parts))
    return -size if sign == "-" or side == letters[1] else size
