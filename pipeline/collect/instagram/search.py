"""Looking for the places of Instagram that a POI may be: three searches in a stated order, as few as are needed.

Law: one request a search; no search is asked once enough is found. City pages (ids like `c123`) are left out.
Covered: the same place found twice, by its id of Instagram and of Facebook. Not covered: whether it is the POI.
"""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.collect.archive.fields import LocationStub
from pipeline.collect.instagram.client import Client
from pipeline.collect.instagram.locations import id_text, read_location
from pipeline.collect.web.answers import part
from pipeline.collect.web.errors import SourceChangedError

log = logging.getLogger("mrlf")
CITY_PAGE = re.compile(r"c[0-9]+")
Search = Callable[[Client, str, float, float], list[Any]]


def search_places(
    client: Client,
    name: str,
    latitude: float,
    longitude: float,
    *,
    is_enough: Callable[[Sequence[LocationStub]], bool],
) -> list[LocationStub]:
    """The places found, those of the first search first; each once.

    is_enough: asked after each search with all that was found so far.

    Raises:
        SourceChangedError: `place_search_changed`, all searches answered in a shape that is not known.
    """
    found, num_changed = _Found(), 0
    for search in SEARCHES:
        try:
            answer = search(client, name, latitude, longitude)
        except SourceChangedError as error:  # the others may still know the place
            log.info("a place search answers in a shape that is not known: %s", error.reason)
            num_changed += 1
            continue
        found.add(answer)
        if is_enough(found.places):
            break
    if num_changed == len(SEARCHES):
        raise SourceChangedError("place_search_changed")
    return found.places


@dataclass
class _Found:
    """Places in the order found; the search by coordinates knows them by the id of Facebook alone.

    by_id: the place's number by the id it came with. by_facebook: by the id of Facebook beside that one.
    foreign: numbers of the places that may be known by the id of Facebook alone.
    """

    places: list[LocationStub] = field(default_factory=list)
    by_id: dict[str, int] = field(default_factory=dict)
    by_facebook: dict[str, int] = field(default_factory=dict)
    foreign: set[int] = field(default_factory=set)

    def add(self, answers: Iterable[Any]) -> None:
        for found in answers:
            place = read_location(found)
            if place and place.name and not CITY_PAGE.fullmatch(place.location_id):
                self._add(place, id_text(found.get("facebook_places_id")))

    def _add(self, place: LocationStub, facebook_id: str) -> None:
        number = self._number(place.location_id, facebook_id)
        if number is None:
            number = len(self.places)
            self.places.append(place)
        else:  # the first name stays
            coordinates = self.places[number].coordinates or place.coordinates
            own_id = place.location_id if facebook_id else self.places[number].location_id
            self.places[number] = replace(self.places[number], location_id=own_id, coordinates=coordinates)
        self.by_id[place.location_id] = number
        if facebook_id:
            self.by_facebook.setdefault(facebook_id, number)
            self.foreign.discard(number)
        elif place.location_id == self.places[number].location_id:
            self.foreign.add(number)

    def _number(self, location_id: str, facebook_id: str) -> int | None:
        """The number of the same place found before, if any."""
        if location_id in self.by_id:
            return self.by_id[location_id]
        if not facebook_id:
            return self.by_facebook.get(location_id)
        number = self.by_id.get(facebook_id)
        return number if number in self.foreign else None


def _by_text(client: Client, name: str, latitude: float, longitude: float) -> list[Any]:
    answer = client.get_json("api/v1/fbsearch/places/", {"query": name})
    return [part(item, "location") for item in _list(answer, "items")]


def _by_point(client: Client, name: str, latitude: float, longitude: float) -> list[Any]:
    params = {"latitude": str(latitude), "longitude": str(longitude), "search_query": name}
    return _list(client.get_json("api/v1/location_search/", params), "venues")


def _by_top_search(client: Client, name: str, latitude: float, longitude: float) -> list[Any]:
    answer = client.get_json("web/search/topsearch/", {"context": "place", "query": name})
    return [part(part(item, "place"), "location") for item in _list(answer, "places")]


SEARCHES: tuple[Search, ...] = (_by_text, _by_point, _by_top_search)
"""In the order in which they are asked."""


def _list(answer: dict[str, Any], key: str) -> list[Any]:
    places = answer.get(key)
    if not isinstance(places, list):
        raise SourceChangedError(f"no_{key}")
    return places
