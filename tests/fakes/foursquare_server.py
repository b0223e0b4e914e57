"""A Places API of Foursquare (2025) over a world of made-up places: key, version, circle, order, pages by cursor."""

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from pipeline.geo import distance_km
from tests.fakes.http_server import Answer, FakeServer, Request

KEY = "FSQKEY0123456789CANARY0123456789"
API_VERSION = "2025-06-17"
CENTRE = (12.0, -30.0)
MUSEUM, PARK, CHURCH = "4bf58dd8d48988d181941735", "4bf58dd8d48988d163941735", "4bf58dd8d48988d132941735"
NAMES = {MUSEUM: "Museum", PARK: "Park", CHURCH: "Church"}
PREMIUM = ("popularity", "rating")


def fake_place(number: int, category: str = MUSEUM, **changes: Any) -> dict[str, Any]:
    """A place as a full answer returns it; the lower its number, the more popular. None takes a field out."""
    place = {
        "fsq_place_id": f"{number:024x}",
        "latitude": round(CENTRE[0] + 0.0005 * (number % 40), 6),
        "longitude": round(CENTRE[1] + 0.0005 * (number // 40), 6),
        "categories": [fake_category(category)],
        "date_created": "2025-05-05",
        "date_refreshed": "2025-05-05",
        "distance": 0,
        "extended_location": {},
        "link": f"/places/{number:024x}",
        "location": {
            "address": f"{number} Main St",
            "locality": "Town",
            "region": "Isles",
            "postcode": "0001",
            "country": "XX",
            "formatted_address": f"{number} Main St, Town 0001",
        },
        "name": f"Place {number}",
        "placemaker_url": f"https://placemaker.invalid/{number:024x}",
        "related_places": {},
        "social_media": {"twitter": ""},
        "tel": "0000",
        "website": "https://place.invalid",
        "popularity": round(1 / (1 + number), 4),
        "rating": 5.0,
        **changes,
    }
    return {name: value for name, value in place.items() if value is not None}


def fake_category(category: str, name: str | None = None) -> dict[str, Any]:
    """A category as an answer returns it."""
    name = name or NAMES.get(category, "Something")
    return {
        "fsq_category_id": category,
        "name": name,
        "short_name": name,
        "plural_name": f"{name}s",
        "icon": {"prefix": "https://icons.invalid/", "suffix": ".png"},
    }


class FakeFoursquare(FakeServer):
    """Answers GET /places/search of the places it was given; everything else is 404."""

    def __init__(
        self, places: Iterable[dict[str, Any]] = (), *, key: str = KEY, page_size: int = 50, port: int = 0
    ) -> None:
        super().__init__(self._search, port)
        self.places, self.key, self.page_size = list(places), key, page_size

    @property
    def num_searches(self) -> int:
        """How often it was asked."""
        return self.count("/places/search")

    def _search(self, request: Request) -> Answer:
        if request.method != "GET" or request.path != "/places/search":
            return Answer.json({"message": "Not found"}, 404)
        headers = {name.lower(): value for name, value in request.headers.items()}
        is_known = headers.get("authorization") == f"Bearer {self.key}"
        if not is_known or headers.get("x-places-api-version") != API_VERSION:
            return Answer.json({"message": "Invalid request token."}, 401)
        try:
            query, offset = _asked(request.query)
            return self._page(query, offset)
        except (KeyError, ValueError, binascii.Error) as error:
            return Answer.json({"message": f"Bad request: {type(error).__name__}"}, 400)

    def _page(self, query: dict[str, str], offset: int) -> Answer:
        latitude, longitude = map(float, query["ll"].split(","))
        radius, limit = int(query["radius"]), min(int(query.get("limit", 10)), self.page_size)
        if not 0 <= radius <= 100_000 or not 1 <= int(query.get("limit", 10)) <= 50:
            raise ValueError("out of range")
        found = [place for place in self.places if _is_wanted(place, query, latitude, longitude, radius)]
        found.sort(key=_order(query.get("sort", "RELEVANCE"), latitude, longitude))
        shown = [_shown(place, query.get("fields", "")) for place in found[offset : offset + limit]]
        circle = {"center": {"latitude": latitude, "longitude": longitude}, "radius": radius}
        headers = {}
        if offset + limit < len(found):
            cursor = base64.urlsafe_b64encode(json.dumps([query, offset + limit]).encode()).decode()
            headers["Link"] = f'<{self.url}/places/search?{urlencode({"cursor": cursor})}>; rel="next"'
        return Answer.json({"results": shown, "context": {"geo_bounds": {"circle": circle}}}, headers=headers)


def _asked(query: dict[str, str]) -> tuple[dict[str, str], int]:
    """The question and the offset: of a first page, or those that its cursor holds."""
    if "cursor" not in query:
        return query, 0
    asked, offset = json.loads(base64.urlsafe_b64decode(query["cursor"]))
    return asked, int(offset)


def _is_wanted(place: dict[str, Any], query: dict[str, str], latitude: float, longitude: float, radius: int) -> bool:
    wanted = set(filter(None, query.get("fsq_category_ids", "").split(",")))
    own = {category["fsq_category_id"] for category in place.get("categories") or [] if isinstance(category, dict)}
    is_there = isinstance(place.get("latitude"), float) and isinstance(place.get("longitude"), float)
    away_km = distance_km(place["latitude"], place["longitude"], latitude, longitude) if is_there else 0
    return (not wanted or bool(wanted & own)) and away_km * 1000 <= radius


def _order(sort: str, latitude: float, longitude: float) -> Any:
    if sort == "DISTANCE":
        return lambda place: float(distance_km(place["latitude"], place["longitude"], latitude, longitude))
    if sort in ("POPULARITY", "RATING"):
        return lambda place: -place.get(sort.lower(), 0.0)
    return lambda place: 0


def _shown(place: dict[str, Any], fields: str) -> dict[str, Any]:
    wanted = fields.split(",") if fields else [name for name in place if name not in PREMIUM]
    return {name: place[name] for name in place if name in wanted}
