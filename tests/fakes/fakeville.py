"""Fakeville: a made-up city that stands on a fake Foursquare and a fake Instagram alike, and the files to collect it.

Its places are the same on both, by name and coordinates; besides there are two POIs that one location may both be, a
POI that Instagram does not know, and a church, which is sensitive and must never be asked for.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from pipeline.collect.instagram.terms import PRIVACY_VERSION
from tests.fakes.foursquare_server import CENTRE, CHURCH, KEY, MUSEUM, PARK, fake_place
from tests.fakes.http_server import Answer, FakeServer
from tests.fakes.instagram_world import World

CITY = "fakeville"
NAMES = (
    "Lighthouse Point",
    "Harbour Museum",
    "Fish Market",
    "Botanic Garden",
    "Old Theatre",
    "Castle Rock",
    "Observatory Hill",
    "Paper Mill",
    "Glass House",
    "Tram Depot",
)
FAST = 1_000_000
STEP_DEGREES = 0.006


def name_of(number: int) -> str:
    """The name of a place, another one for each number."""
    round_number, index = divmod(number, len(NAMES))
    return NAMES[index] + (f" {'I' * round_number}" if round_number else "")


def point_of(number: int) -> tuple[float, float]:
    """Where a place lies: on a grid, more than 600 m from the next."""
    row, column = divmod(number, 10)
    return round(CENTRE[0] + STEP_DEGREES * (column - 5), 6), round(CENTRE[1] + STEP_DEGREES * row, 6)


def fakeville_world(num_places: int = 6, num_posts: int = 60) -> World:
    """What Instagram holds of it; the last places are the one that two POIs may be, and the church's."""
    world = World()
    for number in range(num_places):
        world.add_location(str(5000 + number), name_of(number), *point_of(number), num_posts=num_posts)
    for number, name in ((num_places, "Twin Fountain"), (num_places + 1, "Chapel of Saint Nobody")):
        world.add_location(str(5000 + number), name, *point_of(number), num_posts=num_posts)
    return world


def fakeville_pois(num_places: int = 6) -> list[dict[str, Any]]:
    """What Foursquare holds of it."""
    pois = [_poi(number, name_of(number), point_of(number)) for number in range(num_places)]
    latitude, longitude = point_of(num_places)
    for twin, away in enumerate((-5e-5, 5e-5)):  # as far from the location, to both sides
        pois.append(_poi(num_places + twin, "Twin Fountain", (latitude + away, longitude), PARK))
    chapel, nowhere = num_places + 2, num_places + 3
    pois.append(_poi(chapel, "Chapel of Saint Nobody", point_of(num_places + 1), CHURCH))
    return [*pois, _poi(nowhere, "Forgotten Archive", point_of(nowhere))]


def write_fakeville(folder: Path, world: World, *, is_slow: bool = False) -> dict[str, str]:
    """Write cities.yaml and the cookie file; the variables that lead to them, but for the addresses of the servers."""
    folder.mkdir(parents=True, exist_ok=True)
    live = {"purpose": "trying the pipeline", "legal_basis": "synthetic data", "contact": "nobody@example.org"}
    pace = {} if is_slow else {"reads_per_minute": FAST, "reads_per_hour": FAST}
    city = {
        "name": "Fakeville",
        "latitude": CENTRE[0],
        "longitude": CENTRE[1],
        "radius_km": 50,
        "live": {**live, **pace},
        "curated_posts": {"min_hashtag_count": 2, "min_posts_per_poi": 5},
        "image_features": {"weights": "builtin", "image_size": 96},
    }
    (folder / "cities.yaml").write_text(yaml.safe_dump({"cities": {CITY: city}}, sort_keys=False))
    cookies = folder / "cookies.json"
    cookies.touch(mode=0o600)
    cookies.chmod(0o600)
    cookies.write_text(
        json.dumps(
            [{"name": name, "value": value, "domain": ".instagram.com"} for name, value in world.cookies().items()]
        )
    )
    return {
        "MRLF_CITIES": str(folder / "cities.yaml"),
        "MRLF_DATA": str(folder / "data"),
        "FOURSQUARE_API_KEY": KEY,
        "MRLF_INSTAGRAM_COOKIES": str(cookies),
        "I_HAVE_READ_PRIVACY_MD": PRIVACY_VERSION,
    }


def fail_sometimes(server: FakeServer, percent: float) -> None:
    """Let so many of a hundred requests fail, in turn by a 503 and by a connection that is reset."""
    if percent > 0:
        every = max(1, round(200 / percent))
        server.fail("", Answer.json({"message": "try again"}, 503), times=None, every=every)
        server.fail("", Answer(ending="reset"), times=None, every=every, skip=every // 2)


def _poi(number: int, name: str, point: tuple[float, float], category: str = MUSEUM) -> dict[str, Any]:
    return fake_place(number, category, name=name, latitude=point[0], longitude=point[1])
