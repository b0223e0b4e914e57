"""A fake Instagram over real HTTP: places, their posts, searches, single posts and pictures.

Reads: a world, which a test changes while the server runs. What needs an account answers a redirect to the login page
to everybody else; the page of a place and pictures are open to all.
"""

import re
import traceback
from collections.abc import Callable, Iterable
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote

from pipeline.geo import distance_km
from tests.fakes.http_server import Answer, FakeServer, Request
from tests.fakes.instagram_grids import WrongCursorError, html_page, recent, slug, web_info, without
from tests.fakes.instagram_media import facebook_id, media, picture
from tests.fakes.instagram_world import FakePlace, World

MAX_FOUND = 20
NEAR_KM = 5.0


class FakeInstagram(FakeServer):
    """Serves a world on a free port while it is open; `world` may be changed at any time."""

    def __init__(self, world: World | None = None, port: int = 0) -> None:
        super().__init__(self._of_world, port)
        self.world = World() if world is None else world
        self.world.media_base = self.world.media_base or self.url
        self._endpoints: list[tuple[str, str, Callable[[Request, str], Answer]]] = [
            ("GET", r"/media/([^/]+)", self._picture),
            ("GET", r"/explore/locations/([^/]+)/(?:[^/]+/)?", self._place_page),
            ("GET", r"/accounts/login/()", lambda *_: Answer.html("<html><title>Log in</title></html>")),
            ("GET", r"/api/v1/locations/web_info/()", self._web_info),
            ("POST", r"/api/v1/locations/([^/]+)/sections/", self._sections),
            ("GET", r"/api/v1/media/([^/]+)/info/", self._media_info),
            ("GET", r"/api/v1/fbsearch/places/()", self._fbsearch),
            ("GET", r"/api/v1/location_search/()", self._location_search),
            ("GET", r"/web/search/topsearch/()", self._topsearch),
        ]

    def _of_world(self, request: Request) -> Answer:
        for method, path, answer in self._endpoints:
            if method == request.method and (found := re.fullmatch(path, request.path)):
                try:
                    return answer(request, found.group(1))
                except Exception:
                    traceback.print_exc()  # else a mistake of the fake looks like a reset of the connection
                    raise
        return Answer.html("<html><title>Page not found</title></html>", 404)

    def _picture(self, request: Request, name: str) -> Answer:
        status, body = picture(self.world, name)
        kind = "video/mp4" if name.endswith(".mp4") else "image/jpeg"
        return Answer(status=status, body=body, headers={"Content-Type": kind if status == 200 else "text/plain"})

    def _place_page(self, request: Request, place_id: str) -> Answer:
        if request.query.get("__a") == "1":
            return self._instaloader(request, place_id)
        if self.world.page_wants_login:
            return _login(request)
        place = self.world.place(place_id)
        if place is None:
            return Answer.html("<html><title>Page not found</title></html>", 404)
        return Answer.html(html_page(self.world, place))

    def _instaloader(self, request: Request, place_id: str) -> Answer:
        """The old address that Instaloader asks."""
        if not self._is_signed_in(request):
            return _login(request)
        if self.world.answers_201:
            return Answer(status=201, headers={"Content-Type": "text/html; charset=utf-8"})
        return self._grid(
            request,
            place_id,
            lambda place: {"native_location_data": web_info(self.world, place, tab="recent", form=request.query)},
        )

    def _web_info(self, request: Request, _: str) -> Answer:
        place_id = request.query.get("location_id", "")
        if not self._is_signed_in(request, wants_app_id=True):
            return _login(request)
        return self._grid(request, place_id, lambda place: {"native_location_data": web_info(self.world, place)})

    def _sections(self, request: Request, place_id: str) -> Answer:
        if not self._is_signed_in(request, wants_app_id=True, wants_token=True):
            return _login(request)
        if request.form.get("tab") != "recent" or request.form.get("surface") != "grid":
            return _failed(400, "Invalid tab")
        return self._grid(request, place_id, lambda place: recent(self.world, place, request.form, checks_all=True))

    def _grid(self, request: Request, place_id: str, make: Callable[[FakePlace], dict[str, Any]]) -> Answer:
        place = self.world.place(place_id)
        if place is None:
            return _failed(404, "Location not found")
        try:
            return Answer.json({**without(make(place), place), "status": "ok"})
        except WrongCursorError:
            self.world.wrong_cursors.append(request.form or request.query)
            return _failed(400, "Invalid cursor")

    def _media_info(self, request: Request, stated_pk: str) -> Answer:
        if not self._is_signed_in(request, wants_app_id=True):
            return _login(request)
        pk = int(stated_pk.split("_")[0]) if stated_pk.split("_")[0].isdecimal() else 0
        if self.world.place_of(pk) is None or pk in self.world.removed:
            return _failed(self.world.gone_status, "Media not found or unavailable")
        item = media(self.world, pk) | {"pk": str(pk)}
        return Answer.json(
            {
                "items": [item],
                "num_results": 1,
                "more_available": False,
                "auto_load_more_enabled": False,
                "status": "ok",
            }
        )

    def _fbsearch(self, request: Request, _: str) -> Answer:
        if not self._is_signed_in(request, wants_app_id=True):
            return _login(request)
        items = [
            {"location": _found(place), "title": place.name, "subtitle": place.city, "media_bundles": []}
            for place in self._by_name(request.query.get("query", ""), "fbsearch")
        ]
        return Answer.json({"items": items, "has_more": False, "rank_token": "x", "status": "ok"})

    def _location_search(self, request: Request, _: str) -> Answer:
        """Places nearby, those of the name first; their id is the one of Facebook."""
        if not self._is_signed_in(request, wants_app_id=True):
            return _login(request)
        point = (float(request.query.get("latitude", "nan")), float(request.query.get("longitude", "nan")))
        near = [
            place
            for place in self.world.places.values()
            if "location_search" in place.found_by and distance_km(place.latitude, place.longitude, *point) <= NEAR_KM
        ]
        named = list(self._by_name(request.query.get("search_query", ""), "location_search"))
        near.sort(key=lambda place: (place not in named, float(distance_km(place.latitude, place.longitude, *point))))
        venues = [
            {
                "external_id": str(facebook_id(place)),
                "external_id_source": "facebook_places",
                "name": place.name,
                "address": "",
                **({"lat": place.latitude, "lng": place.longitude} if place.has_coordinates else {}),
                "minimum_age": 0,
            }
            for place in near[:MAX_FOUND]
        ]
        return Answer.json({"venues": venues, "request_id": "x", "rank_token": "x", "status": "ok"})

    def _topsearch(self, request: Request, _: str) -> Answer:
        if not self._is_signed_in(request):
            return _login(request)
        places = [
            {
                "place": {
                    "location": _found(place) | {"pk": place.location_id},
                    "title": place.name,
                    "subtitle": place.city,
                    "media_bundles": [],
                    "slug": slug(place),
                },
                "position": position,
            }
            for position, place in enumerate(self._by_name(request.query.get("query", ""), "topsearch"))
        ]
        return Answer.json({"users": [], "places": places, "hashtags": [], "has_more": False, "status": "ok"})

    def _by_name(self, query: str, search: str) -> Iterable[FakePlace]:
        """The places that share a word with the query, those with more words first."""
        words = set(query.casefold().split())
        found = [
            (-len(words & set(place.name.casefold().split())), place.number, place)
            for place in self.world.places.values()
            if search in place.found_by
        ]
        return [place for num_words, _, place in sorted(found, key=lambda one: one[:2]) if num_words < 0][:MAX_FOUND]

    def _is_signed_in(self, request: Request, *, wants_app_id: bool = False, wants_token: bool = False) -> bool:
        headers = {name.lower(): value for name, value in request.headers.items()}
        cookies = {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
        return (
            cookies.get("sessionid") == self.world.session_id
            and headers.get("x-requested-with") == "XMLHttpRequest"
            and (not wants_app_id or bool(headers.get("x-ig-app-id")))
            and (not wants_token or headers.get("x-csrftoken") == cookies.get("csrftoken", ""))
        )


def _found(place: FakePlace) -> dict[str, Any]:
    """A place as the searches by name return it."""
    number: int | str = int(place.location_id) if place.location_id.isdecimal() else place.location_id
    stated = {
        "pk": number,
        "short_name": place.name,
        "facebook_places_id": facebook_id(place),
        "external_source": "facebook_places",
        "name": place.name,
        "address": "",
        "city": place.city,
        "has_viewer_saved": False,
    }
    return stated | ({"lng": place.longitude, "lat": place.latitude} if place.has_coordinates else {})


def _login(request: Request) -> Answer:
    return Answer.redirect(f"/accounts/login/?next={quote(request.path)}")


def _failed(status: int, message: str) -> Answer:
    return Answer.json({"message": message, "status": "fail"}, status)
