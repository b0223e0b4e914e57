"""Names that are an area's and no place's: the city itself, also in short, a country, a continent, the whole world.

Reads  area_names.csv beside this file
Law: the whole name counts, never a word within one: `Australia Zoo`, `Melbourne Museum` and `NYC Ferry` are places.
What the pages of the city name behind a comma (`Melbourne, Victoria, Australia`) are areas, too.
Covered: countries in English and in their own and their neighbours' languages, as people write them.
Not covered: quarters and other towns, nicknames (`The Big Apple`), states on their own that no page of the city names.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pipeline.collect.poi_sources.kinds_by_name import kinds_of_name
from pipeline.text.place_names import normal_name, without_words

AREAS = Path(__file__).parent / "area_names.csv"
MIN_SHORT = 3
"""Letters of a short name such as `Melb`."""
_OF_A_CITY = frozenset(
    "city of the stadt ville ciudad de cidade citta di metropolitan area greater cbd downtown innenstadt".split()
)
_STATE = "state"


class AreaNames:
    """Which names are areas', for one city and the names that stand in one archive."""

    def __init__(self, city_name: str, names: Iterable[str]) -> None:
        self._words = normal_name(city_name).split()
        self._regions: frozenset[str] = frozenset()
        pages = [_parts(name) for name in names]
        self._regions = frozenset(part for first, *others in pages if self._is_city(first) for part in others if part)

    def is_city(self, name: str) -> bool:
        """Whether this is the city: `Melbourne, Victoria, Australia`, `Melbourne VIC`, `Melb`, `NYC`."""
        return self._is_city(_parts(name)[0])

    def is_area(self, name: str) -> bool:
        """Whether this is a country or larger, or a region that the city lies in, as `Victoria, Australia`."""
        first, *others = _parts(name)
        is_state = bool(others) and first in _areas()[_STATE]
        return (is_state or self._is_region(first)) and all(map(self._is_region, others))

    def _is_region(self, part: str) -> bool:
        areas = _areas()
        return part in self._regions or any(part in names for kind, names in areas.items() if kind != _STATE)

    def _is_city(self, name: str) -> bool:
        bare = without_words(name, _OF_A_CITY - set(self._words))
        if set(self._words) <= set(name.split()):
            rest = without_words(bare, frozenset(self._words))
            return (
                not rest or rest.isdigit() or self._is_region(rest) or any(_is_short(rest, of) for of in self._regions)
            )
        return _is_short(bare, " ".join(self._words))


def _parts(name: str) -> list[str]:
    """The parts between commas as they are compared."""
    return [normal_name(part).removeprefix("the ") for part in name.split(",")]


def _is_short(name: str, of: str) -> bool:
    """Whether a name is short for another: its initials (`NY`, `NYC` of New York), run together (`newyork`), or the
    beginning of a single word (`Melb`) that is no word for a kind of place (`Bar` of Barcelona)."""
    words = of.split()
    if len(words) > 1:
        initials = "".join(word[0] for word in words)
        return name.replace(" ", "") in {initials, f"{initials}c", "".join(words)}
    is_begun = MIN_SHORT <= len(name) < len(of) and of.startswith(name)
    return is_begun and not kinds_of_name(name)


@cache
def _areas() -> dict[str, set[str]]:
    """The names of the file by kind."""
    areas: dict[str, set[str]] = defaultdict(set)
    with AREAS.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(line for line in lines if not line.startswith("#")):
            areas[row["kind"]].update(map(normal_name, row["names"].split("|")))
    return areas
