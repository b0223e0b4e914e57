"""A place as Foursquare's Places API of 2025 returns it, checked at the border and turned into a row of POIs.

Law: an answer of another shape is a BadResponseError; one bad place in a good answer is one counted drop.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.collect.poi_sources.files import BAD_FLAGS, PoiRow
from pipeline.collect.poi_sources.values import is_date, number
from pipeline.collect.web.answers import excerpt
from pipeline.collect.web.errors import BadResponseError
from pipeline.text.captions import clean_name

BAD_RECORD = "bad_record"


class _Lenient(BaseModel):
    """Other fields than these are not read; values are not converted."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Category(_Lenient):
    """A category of a place."""

    fsq_category_id: str = Field(min_length=1)
    name: str | None = None


class Location(_Lenient):
    """Where a place is, in words."""

    address: str | None = None
    formatted_address: str | None = None


class Place(_Lenient):
    """A place; its coordinates are judged later, so that a bad pair has its own reason."""

    fsq_place_id: str = Field(min_length=1, max_length=200)
    name: str | None = None
    latitude: Any = None
    longitude: Any = None
    categories: list[Category] | None = None
    location: Location | None = None
    date_closed: str | None = None
    unresolved_flags: list[str] | None = None
    popularity: Any = None


@dataclass(frozen=True, slots=True)
class BadPlace:
    """A place that is none; `field` names what is wrong with it."""

    field: str


def read_places(answer: dict[str, Any], body: bytes) -> tuple[Place | BadPlace, ...]:
    """The places of an answer in their order.

    Raises:
        BadResponseError: `no_results`, the answer holds no list of them.
    """
    results = answer.get("results")
    if not isinstance(results, list):
        raise BadResponseError("no_results", excerpt(body))
    return tuple(_place(value) for value in results)


def poi_row(place: Place | BadPlace, rank: int) -> PoiRow:
    """The place as a row that comes `rank`-th in its city."""
    if isinstance(place, BadPlace):
        return PoiRow(poi_id="", problem=BAD_RECORD, rank=rank)
    categories = place.categories or []
    labels = tuple(clean_name(category.name) for category in categories if category.name)
    location = place.location or Location()
    return PoiRow(
        poi_id=place.fsq_place_id.strip(),
        name=clean_name(place.name),
        latitude=place.latitude,
        longitude=place.longitude,
        category_ids=tuple(category.fsq_category_id for category in categories),
        category_name=labels[0] if labels else "",
        category_labels=labels,
        address=clean_name(location.address or location.formatted_address),
        rank=rank,
        popularity=number(place.popularity),
        is_closed=is_date(place.date_closed),
        is_flagged=bool(BAD_FLAGS & {flag.lower() for flag in place.unresolved_flags or ()}),
    )


def _place(value: object) -> Place | BadPlace:
    try:
        return Place.model_validate(value)
    except ValidationError as error:
        return BadPlace(".".join(map(str, error.errors()[0]["loc"])) or "place")
