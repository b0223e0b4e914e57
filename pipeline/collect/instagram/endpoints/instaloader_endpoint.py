"""The address that `instaloader.get_location_posts` asks, page by page, so that it can be resumed; needs a login.

Instaloader's own iterator is not used: it cannot be resumed, and it breaks on the pages that `read_tab` refuses. The
address answers 201 Created since March 2024.
"""

from typing import Any

from pipeline.collect.instagram.client import Client
from pipeline.collect.instagram.endpoints.endpoint import Page, native_data, place_path, read_tab
from pipeline.collect.instagram.locations import read_location

AS_JSON = {"__a": "1", "__d": "dis"}


class InstaloaderEndpoint:
    """Every page is asked at the place's address; a cursor is `max_id` alone."""

    name = "instaloader"
    needs_login = True

    def first(self, client: Client, location_id: str) -> Page:
        """The newest posts and the place."""
        return self._page(client, location_id, AS_JSON)

    def after(self, client: Client, location_id: str, cursor: dict[str, Any]) -> Page:
        """The next older posts and the place."""
        return self._page(client, location_id, {**AS_JSON, "max_id": str(cursor["max_id"])})

    def _page(self, client: Client, location_id: str, params: dict[str, str]) -> Page:
        path = place_path(location_id)
        native = native_data(client.get_json(path, params, referer=path))
        medias, cursor = read_tab(native.get("recent"))
        return Page(
            medias=medias,
            location=read_location(native.get("location_info")),
            cursor=None if cursor is None else {"max_id": cursor["max_id"]},
        )
