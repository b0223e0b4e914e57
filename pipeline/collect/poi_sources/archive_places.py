"""POIs from one's own archive: the places that its posts name, by Instagram's id of the place.

Law: every place that a post names is a row, with the number of its posts as popularity; the same archive gives the
same rows, wherever it lies. A post counts once, and one that may not be used (opted out, private) not at all.
What the newest post says of a place counts (`pipeline.collect.archive.locations`); a place of which no post has the
coordinates lies where the newest post says that itself was made.
Instagram has several pages of many places: those of the same words (without the city's), within `SAME_PLACE_M`, are
one; the page that most posts name stands for it. A page of the city itself, of a country or of the world is no POI.
Not known of such places: their category. Their names give it where they can (`kinds_by_name`).
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from pipeline.collect.archive.fields import LocationStub, PostFields
from pipeline.collect.archive.folder import Entry
from pipeline.collect.archive.locations import NamedLocation, Point, locations_of
from pipeline.collect.poi_sources.area_names import AreaNames
from pipeline.collect.poi_sources.files import NO_NAME, PoiRow
from pipeline.collect.poi_sources.kinds_by_name import kinds_of_name
from pipeline.collect.sources import ArchiveSettings
from pipeline.geo import distance_km
from pipeline.privacy.opt_out import OptOut
from pipeline.text.place_names import normal_name, without_words

SAME_PLACE_M = 300
"""So far apart at most lie two pages of one place; as far as a location from its POI by default."""

REACH_DEGREES = SAME_PLACE_M / 110_000
"""The same to the north and south, a little more."""

FROM_ARCHIVE: Literal["from_archive"] = "from_archive"
SAME_PLACE, CITY_ITSELF, AREA, TOO_FEW_POSTS = "same_place", "city_itself", "area", "too_few_posts"
ADVICE = {
    TOO_FEW_POSTS: "lower min_posts of from_archive, or collect more posts",
    "no_coordinates": "save the posts again with Instaloader 4.13 or newer, signed in (`instaloader --login NAME "
    "NAME`): its files hold the coordinates of the places; gallery-dl's never do",
    "outside_city": "look at the city's latitude, longitude and radius_km in cities.yaml",
}
BLIND_ARCHIVE = (
    "an archive does not say what kind of place a place is: those of a sensitive kind (hospitals, places of worship, "
    "...) were left out by the words of their names alone; read the names in the table pois, and forbid what should "
    "not be there in the overrule file of places (poi_id,location_id,no, both of them its id)"
)


class ArchivePoisSettings(ArchiveSettings):
    """Which places of an archive are POIs."""

    min_posts: int = Field(10, ge=1, description="minimum number of posts of a place")


class SamePlaces:
    """Places, and which of them another one is: one of the same words that lies within `SAME_PLACE_M`."""

    def __init__(self, city_name: str) -> None:
        self._city_words = frozenset(normal_name(city_name).split())
        self._by_words: dict[str, list[tuple[Point, str]]] = {}  # from south to north: a chain has thousands of places
        self._ids: set[str] = set()

    def add(self, place: LocationStub) -> None:
        """One more place; its name may have its id behind it."""
        self._ids.add(place.location_id)
        if place.name and place.coordinates:
            insort(self._by_words.setdefault(self._words(place), []), (place.coordinates, place.location_id))

    def find(self, place: LocationStub) -> str:
        """The id of the place that this is: its own, else of the nearest of the same words; "" where there is none."""
        if place.location_id in self._ids:
            return place.location_id
        if not place.name or not place.coordinates:
            return ""
        there, (latitude, _) = self._by_words.get(self._words(place), []), place.coordinates
        first = bisect_left(there, latitude - REACH_DEGREES, key=_latitude)
        last = bisect_right(there, latitude + REACH_DEGREES, key=_latitude)
        apart = [(float(distance_km(*place.coordinates, *point)), other) for point, other in there[first:last]]
        apart_km, nearest = min(apart, default=(0.0, ""))
        return nearest if 1000 * apart_km <= SAME_PLACE_M else ""

    def _words(self, place: LocationStub) -> str:
        name = normal_name(place.name)
        words = without_words(name, self._city_words | {normal_name(place.location_id)})
        return " ".join(sorted(words.split())) or name


def _latitude(place: tuple[Point, str]) -> float:
    return place[0][0]


def read_places(
    entries: Iterable[Entry], city_name: str, min_posts: int, opt_out: OptOut
) -> tuple[list[PoiRow], dict[str, int]]:
    """The places of an archive as rows, in the order of their ids, and counts of its posts."""
    seen: set[str] = set()
    places = locations_of(_usable(entries, opt_out, seen))
    other_pages = _other_pages(places, city_name)
    num_posts = {place.location_id: len(place.posts) for place in places}
    for page, place_id in other_pages.items():
        num_posts[place_id] += num_posts[page]
    names = AreaNames(city_name, (place.stub.name for place in places))
    rows = [
        _row(place, num_posts[place.location_id], names, min_posts, is_page=place.location_id in other_pages)
        for place in places
    ]
    placed = set().union(*(place.posts for place in places))
    return rows, {"posts": len(seen), "posts_without_place": len(seen - placed)}


def _usable(entries: Iterable[Entry], opt_out: OptOut, seen: set[str]) -> Iterator[PostFields]:
    """The posts of an archive that may be used; `seen` gets their ids."""
    for entry in entries:
        fields = entry.fields
        if fields is None or fields.is_private or opt_out.covers(fields.author_names, fields.media_id):
            continue
        seen.add(fields.media_id)
        yield fields


def _other_pages(places: list[NamedLocation], city_name: str) -> dict[str, str]:
    """Id of a further page of a place -> id of the page that stands for it, the one that most posts name."""
    chosen = SamePlaces(city_name)
    others = []
    for stub in (place.stub for place in sorted(places, key=lambda place: (-len(place.posts), place.location_id))):
        if chosen.find(stub):
            others.append(stub)
        else:
            chosen.add(stub)
    return {stub.location_id: chosen.find(stub) for stub in others}


def _row(place: NamedLocation, num_posts: int, names: AreaNames, min_posts: int, *, is_page: bool) -> PoiRow:
    stub = place.stub
    kinds = kinds_of_name(stub.name)
    latitude, longitude = stub.coordinates or place.of_post or (None, None)
    problem = NO_NAME if not stub.name else SAME_PLACE if is_page else ""
    return PoiRow(
        poi_id=stub.location_id,
        name=stub.name,
        latitude=latitude,
        longitude=longitude,
        category_name=kinds[0].rpartition(" > ")[2] if kinds else "",
        category_labels=kinds,
        address=stub.location_id,
        popularity=num_posts,
        problem=problem or (CITY_ITSELF if names.is_city(stub.name) else AREA if names.is_area(stub.name) else ""),
        last_problem=TOO_FEW_POSTS if num_posts < min_posts else "",
    )
