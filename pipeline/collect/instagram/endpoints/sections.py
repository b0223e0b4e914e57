"""The endpoint of a place's posts: its `web_info`, then its sections page by page, newest first; needs a login."""

import json
from typing import Any

from pipeline.collect.instagram.client import Client
from pipeline.collect.instagram.endpoints.endpoint import Page, native_data, place_path, read_tab
from pipeline.collect.instagram.locations import read_location

WEB_INFO = "api/v1/locations/web_info/"
TAB = "recent"


class SectionsEndpoint:
    """Page one is the tab `recent` of `web_info`; a cursor is `page`, `max_id` and `next_media_ids` as they came."""

    name = "sections"
    needs_login = True

    def first(self, client: Client, location_id: str) -> Page:
        """The newest posts and the place."""
        answer = client.get_json(
            WEB_INFO, {"location_id": location_id, "show_nearby": "false"}, referer=place_path(location_id)
        )
        native = native_data(answer)
        medias, cursor = read_tab(native.get(TAB))
        return Page(medias=medias, location=read_location(native.get("location_info")), cursor=cursor)

    def after(self, client: Client, location_id: str, cursor: dict[str, Any]) -> Page:
        """The next older posts."""
        answer = client.post_json(
            f"api/v1/locations/{location_id}/sections/", _form(cursor), referer=place_path(location_id)
        )
        medias, cursor_after = read_tab(answer)
        return Page(medias=medias, location=None, cursor=cursor_after)


def _form(cursor: dict[str, Any]) -> dict[str, str]:
    form = {"surface": "grid", "tab": TAB, "max_id": str(cursor["max_id"])}
    if "page" in cursor:
        form["page"] = str(cursor["page"])
    return form | {"next_media_ids": json.dumps(cursor.get("next_media_ids", []))}
