"""Distances on the globe."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_KM = 6371.0088


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
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180) or (latitude == 0 and longitude == 0):
        return None  # NaN fails the comparison too
    return float(latitude), float(longitude)
