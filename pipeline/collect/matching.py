"""Which Instagram location is which POI: by distance and name, and by the file in which a person overrules that.

A location matches one POI at most, the one of the most similar name; of about equal names the nearer one; where the
distances are about equal too, none (`ambiguous`). Many locations may match one POI. Where the POIs are locations of an
archive themselves, the id decides, and for another page of one place its words and the distance.
The person's file: a CSV `poi_id,location_id,is_match` with yes or no, made with its header where it is absent; `#`
begins a remark. As spreadsheets write it back: `;` or tabs between the columns, other columns beside them under a
header, `212928653.0`, UTF-16.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rapidfuzz import fuzz

from pipeline.collect.archive.fields import LOCATION_ID, LocationStub
from pipeline.collect.poi_sources.archive_places import SamePlaces
from pipeline.collect.poi_sources.tables import SEPARATORS
from pipeline.collect.poi_sources.values import decoded, whole
from pipeline.errors import StageError
from pipeline.geo import distance_km
from pipeline.store.files import write_atomically
from pipeline.text.place_names import normal_name, without_words

BY_BOTH, BY_NAME, AMBIGUOUS, OVERRULE = "distance_and_name", "name_only", "ambiguous", "overrule"
BY_ID, SAME_PLACE = "location_id", "same_place"

PART_OF_NAME = 0.94
"""Weight of a name that is a part of the other, against equal names."""

HEADER = ("poi_id", "location_id", "is_match")
TEMPLATE = (
    "# Overrule the matching of places: one line per pair, is_match is yes or no, for example 4b72f0c2,212928653,no.\n"
    "# A yes makes the location that POI's and no other's; a no forbids the pair. Then build the stage places again.\n"
    "poi_id,location_id,is_match\n"
)
_WORDS = {
    **dict.fromkeys(("yes", "y", "true", "t", "1", "1.0"), True),
    **dict.fromkeys(("no", "n", "false", "f", "0", "0.0"), False),
}


@dataclass(frozen=True, kw_only=True)
class NamedPoint:
    """A POI as the matching sees it. is_location: it is a location of the archive, whose id is its own."""

    poi_id: str
    name: str
    latitude: float
    longitude: float
    is_location: bool = False


@dataclass(frozen=True, kw_only=True)
class MatchRules:
    """From where on two places are one; a tie is when a second POI comes that close to the best."""

    max_distance_m: float
    min_name_similarity: float
    min_name_only_similarity: float
    tie_similarity: float
    tie_distance_m: float


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A POI and a location that were compared."""

    poi_id: str
    location_id: str
    distance_m: float | None
    similarity: float
    is_match: bool
    decided_by: str


def name_similarity(a: str, b: str) -> float:
    """0 to 100 of two normal names; 95 and more only for nearly the same words, `park` in `park zoo` is 94."""
    if not a or not b:
        return 0.0
    return float(max(fuzz.token_sort_ratio(a, b), PART_OF_NAME * fuzz.token_set_ratio(a, b)))


class Matcher:
    """The POIs of a city, to which locations are matched one by one."""

    def __init__(self, pois: Sequence[NamedPoint], city_name: str, rules: MatchRules) -> None:
        self.pois = pois
        self._rules = rules
        self._city_words = frozenset(normal_name(city_name).split())
        self._names = [normal_name(poi.name) for poi in pois]
        self._short_names = [self._without_city(name) or name for name in self._names]
        self._points = np.array([(poi.latitude, poi.longitude) for poi in pois]).reshape(-1, 2)
        self._are_locations = any(poi.is_location for poi in pois)
        self._locations = SamePlaces(city_name)
        for poi in pois:
            if poi.is_location:
                point = (poi.latitude, poi.longitude)
                self._locations.add(LocationStub(location_id=poi.poi_id, name=poi.name, coordinates=point))

    def pairs(self, location: LocationStub, overruled: Mapping[str, bool] | None = None) -> list[Pair]:
        """The pairs of one location that are within reach, at most one of them a match.

        overruled: poi_id -> what a person decided of this location; a yes decides alone, a no takes that POI out.
        """
        decisions = overruled or {}
        place_id = self._locations.find(location)
        compared = self._with_distance(location) if location.coordinates else self._by_name(location)
        candidates = [
            replace(pair, is_match=decisions[pair.poi_id], decided_by=OVERRULE) if pair.poi_id in decisions else pair
            for pair in compared
            if pair.poi_id in decisions or pair.poi_id == place_id or self._is_within_reach(pair)
        ]
        if any(decisions.values()):
            return candidates
        return self._of_locations(candidates, place_id) if self._are_locations else self._decided(candidates)

    def _of_locations(self, pairs: list[Pair], place_id: str) -> list[Pair]:
        """The pair of this POI matches; one that a person forbade stays forbidden."""
        return [
            replace(pair, is_match=True, decided_by=BY_ID if pair.location_id == place_id else SAME_PLACE)
            if pair.poi_id == place_id and pair.decided_by != OVERRULE
            else pair
            for pair in pairs
        ]

    def _with_distance(self, location: LocationStub) -> list[Pair]:
        """Compared without the words of the city's name: else the page of New York is the New York Public Library."""
        assert location.coordinates is not None
        distances_m = 1000 * distance_km(self._points[:, 0], self._points[:, 1], *location.coordinates)
        name = self._without_city(normal_name(location.name))
        return [
            Pair(
                poi_id=poi.poi_id,
                location_id=location.location_id,
                distance_m=float(distance_m),
                similarity=name_similarity(name, poi_name),
                is_match=False,
                decided_by=BY_BOTH,
            )
            for poi, poi_name, distance_m in zip(self.pois, self._short_names, distances_m, strict=True)
        ]

    def _by_name(self, location: LocationStub) -> list[Pair]:
        name = normal_name(location.name)
        return [
            Pair(
                poi_id=poi.poi_id,
                location_id=location.location_id,
                distance_m=None,
                similarity=name_similarity(name, poi_name),
                is_match=False,
                decided_by=BY_NAME,
            )
            for poi, poi_name in zip(self.pois, self._names, strict=True)
        ]

    def _without_city(self, name: str) -> str:
        return without_words(name, self._city_words)

    def _is_within_reach(self, pair: Pair) -> bool:
        if pair.distance_m is None:
            return pair.similarity >= self._rules.min_name_similarity
        return pair.distance_m <= self._rules.max_distance_m

    def _decided(self, pairs: list[Pair]) -> list[Pair]:
        rivals = self._rivals([pair for pair in pairs if pair.decided_by != OVERRULE])
        if len(rivals) == 1:
            return [replace(pair, is_match=True) if pair.poi_id in rivals else pair for pair in pairs]
        return [replace(pair, decided_by=AMBIGUOUS) if pair.poi_id in rivals else pair for pair in pairs]

    def _rivals(self, pairs: list[Pair]) -> set[str]:
        """The POIs that a location may be: none, one, or several that cannot be told apart."""
        rules = self._rules
        by_name = {pair.poi_id for pair in pairs if pair.similarity >= rules.min_name_only_similarity}
        near = [(pair.similarity, pair.distance_m, pair.poi_id) for pair in pairs if pair.distance_m is not None]
        if not near:
            return by_name
        best = max(similarity for similarity, _, _ in near)
        alike = [
            (distance_m, poi_id)
            for similarity, distance_m, poi_id in near
            if similarity >= max(rules.min_name_similarity, best - rules.tie_similarity)
        ]
        nearest_m = min((distance_m for distance_m, _ in alike), default=0.0)
        return {poi_id for distance_m, poi_id in alike if distance_m <= nearest_m + rules.tie_distance_m}


def make_overrules(path: Path) -> None:
    """Write the file with its header where there is none."""
    if not path.exists():
        write_atomically(path, TEMPLATE.encode())


def read_overrules(path: Path, poi_ids: set[str], location_ids: set[str] | None) -> dict[str, dict[str, bool]]:
    """location_id -> poi_id -> what the person decided; any location may be named where `location_ids` is None.

    Raises:
        StageError: a line names an unknown POI or location, another word than yes or no, or contradicts an earlier
            one; the message names the line.
    """
    try:
        lines = decoded(path.read_bytes()).splitlines()
    except (UnicodeDecodeError, OSError) as error:
        raise StageError(f"the overrule file {path} cannot be read: {error}") from None
    decided: dict[str, dict[str, bool]] = {}
    header = list(HEADER)
    for number, line in enumerate(lines, start=1):
        cells = _cells(line)
        if not any(cells) or line.lstrip().startswith("#"):
            continue
        names = [cell.lower() for cell in cells]
        if set(names) >= set(HEADER):
            header = names
            continue
        values = _values(cells, header)
        reason = _wrong(values, poi_ids, location_ids, decided)
        if reason:
            raise StageError(f"line {number} of the overrule file {path} {reason}: correct the line or take it out")
        poi_id, location_id, word = values
        decided.setdefault(location_id, {})[poi_id] = _WORDS[word.lower()]
    return decided


def _cells(line: str) -> list[str]:
    """The values of a line, whatever stands between them."""
    mark = max(SEPARATORS, key=line.count)
    return [cell.strip() for cell in next(csv.reader([line], delimiter=mark), [])]


def _values(cells: list[str], header: list[str]) -> tuple[str, ...]:
    """The three values of a line by its header; all that stand there where they do not fit under it."""
    while len(cells) > len(header) and not cells[-1]:
        cells = cells[:-1]
    if len(cells) != len(header):
        return tuple(cells)
    poi_id, location_id, word = (cells[header.index(name)] for name in HEADER)
    return poi_id, whole(location_id), word


def _wrong(
    cells: tuple[str, ...], poi_ids: set[str], location_ids: set[str] | None, decided: dict[str, dict[str, bool]]
) -> str:
    """What is wrong with a line, "" where nothing is."""
    if len(cells) != len(HEADER):
        return f"has {len(cells)} values instead of poi_id,location_id,is_match"
    poi_id, location_id, word = cells
    if poi_id not in poi_ids:
        return f"names the POI {poi_id!r}, which this city does not have"
    if not LOCATION_ID.fullmatch(location_id):
        return f"names the location {location_id!r}, which is no id of Instagram's"
    if location_ids is not None and location_id not in location_ids:
        return f"names the location {location_id!r}, which no post of the archive has"
    if word.lower() not in _WORDS:
        return f"says {word!r} where yes or no is expected"
    earlier = decided.get(location_id, {})
    is_match = _WORDS[word.lower()]
    if earlier.get(poi_id, is_match) != is_match:
        return "says the contrary of an earlier line"
    if is_match and any(yes for other, yes in earlier.items() if other != poi_id):
        return f"gives the location {location_id!r} to a second POI"
    return ""
