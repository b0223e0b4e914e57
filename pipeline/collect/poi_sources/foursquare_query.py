"""What is asked of Foursquare for a city: the parameters, and the digest that names their answers on the disk."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pipeline.cities import City
from pipeline.store.digests import json_digest

Sort: TypeAlias = Literal["POPULARITY", "RELEVANCE", "RATING", "DISTANCE"]

MAX_RADIUS_M = 100_000
PAGE_SIZE = 50
FREE_FIELDS = (
    "fsq_place_id",
    "name",
    "latitude",
    "longitude",
    "categories",
    "location",
    "date_closed",
    "unresolved_flags",
)
PREMIUM_FIELDS = ("popularity", "rating")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacesQuery:
    """A city's circle, and what of it."""

    latitude: float
    longitude: float
    radius_m: int
    categories: tuple[str, ...] = ()
    sort: Sort
    is_premium: bool = False
    base_url: str

    @classmethod
    def of_city(
        cls, city: City, categories: list[str], sort: Sort, *, is_premium: bool, base_url: str
    ) -> "PlacesQuery":
        """The query of a city; of a circle above 100 km Foursquare searches the inner 100 km."""
        return cls(
            latitude=city.latitude,
            longitude=city.longitude,
            radius_m=min(math.ceil(city.radius_km * 1000), MAX_RADIUS_M),
            categories=tuple(sorted(set(categories))),
            sort=sort,
            is_premium=is_premium,
            base_url=base_url,
        )

    def params(self) -> dict[str, str]:
        """The parameters of the first page."""
        fields = FREE_FIELDS + (PREMIUM_FIELDS if self.is_premium else ())
        params = {
            "ll": f"{self.latitude:.6f},{self.longitude:.6f}",
            "radius": str(self.radius_m),
            "sort": self.sort,
            "limit": str(PAGE_SIZE),
            "fields": ",".join(fields),
        }
        if self.categories:
            params["fsq_category_ids"] = ",".join(self.categories)
        return params

    def digest(self) -> str:
        """Equal for equal questions to the same server."""
        return json_digest([self.base_url, self.params()])[:32]
