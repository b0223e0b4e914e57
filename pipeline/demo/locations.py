"""Where the demo city's places are, and the Instagram locations that stand for them or for nothing."""

from dataclasses import dataclass
from math import cos, radians

import numpy as np

from pipeline.demo.places import ELSEWHERE, PLACES

Rng = np.random.Generator

KM_PER_DEGREE = 111.32
NEAR_KM = 0.05  # how far at most an Instagram location is off its place
FIRST_LOCATION_ID = 900_000_001


@dataclass(frozen=True, kw_only=True)
class Location:
    """An Instagram location: one of a place's, or one that is no place of the list (`place` None)."""

    location_id: int
    name: str
    latitude: float
    longitude: float
    place: int | None


def moved(start: tuple[float, float], distance_km: float, angle: float) -> tuple[float, float]:
    """The point at this distance in this direction, rounded to about 10 cm."""
    latitude = start[0] + distance_km * float(np.sin(angle)) / KM_PER_DEGREE
    longitude = start[1] + distance_km * float(np.cos(angle)) / (KM_PER_DEGREE * cos(radians(start[0])))
    return round(latitude, 6), round(longitude, 6)


def place_coordinates(
    rng: Rng, count: int, centre: tuple[float, float], radius_km: float
) -> tuple[tuple[float, float], ...]:
    """A sunflower's spiral: no two POIs are close, none is near the edge."""
    turn = rng.uniform(0, 2 * np.pi)
    return tuple(
        moved(centre, radius_km * 0.8 * ((index + 0.6) / count) ** 0.5, turn + 2.39996 * index)
        for index in range(count)
    )


def city_locations(
    rng: Rng, coordinates: tuple[tuple[float, float], ...], centre: tuple[float, float]
) -> tuple[Location, ...]:
    """One or two locations per POI, tens of metres off, then those that are no POI."""
    rows: list[tuple[str, tuple[float, float], float, int | None]] = [
        (name, near, NEAR_KM, place) for place, near in enumerate(coordinates) for name in PLACES[place].location_names
    ]
    rows += [(name, centre, 10 * NEAR_KM, None) for name in ELSEWHERE]
    made = []
    for number, (name, near, reach_km, place) in enumerate(rows):
        latitude, longitude = moved(near, rng.uniform(0.2, 1.0) * reach_km, rng.uniform(0, 2 * np.pi))
        made.append(
            Location(
                location_id=FIRST_LOCATION_ID + number, name=name, latitude=latitude, longitude=longitude, place=place
            )
        )
    return tuple(made)
