"""The place's own page, open to visitors: it embeds the place and its first grid as JSON in script blocks.

Its next page does not work (it answers the cursor that it was sent), so a first look is all this endpoint gives.
Covered: the keys of September 2026 and those of May 2026. Not covered: a script block cut on a border of JSON.
"""

from collections.abc import Iterator
from typing import Any

from pipeline.collect.instagram.client import Client
from pipeline.collect.instagram.endpoints.endpoint import Page, place_path, section_medias
from pipeline.collect.instagram.locations import read_location
from pipeline.collect.instagram.pages import GRID, OLDER, PLACE, scripts
from pipeline.collect.web.answers import json_object, part
from pipeline.collect.web.errors import SourceChangedError


class PageEndpoint:
    """One page, without a cursor."""

    name = "page"
    needs_login = False

    def first(self, client: Client, location_id: str) -> Page:
        """The posts that the page shows first, and the place."""
        return _read(_embedded(client.get_page(place_path(location_id))))

    def after(self, client: Client, location_id: str, cursor: dict[str, Any]) -> Page:
        """Nothing comes after the first look."""
        raise SourceChangedError("page_has_no_next")


def _read(found: dict[str, Any]) -> Page:
    if GRID in found:
        native = part(found.get(PLACE), "native_location_data")
        return Page(medias=_nodes(found[GRID]), location=read_location(part(native, "location_info")), cursor=None)
    older = found.get(OLDER)
    if isinstance(older, dict):
        grids = [section_medias(part(older.get(tab), "sections")) for tab in ("recent", "top") if older.get(tab)]
        medias = next((grid for grid in grids if grid), ())
        return Page(medias=medias, location=read_location(older.get("location_info")), cursor=None)
    raise SourceChangedError("no_grid_in_page")


def _nodes(grid: object) -> tuple[dict[str, Any], ...]:
    edges = part(grid, "edges")
    if not isinstance(edges, list):
        raise SourceChangedError("no_edges")
    nodes = [part(edge, "node") for edge in edges]
    if not all(isinstance(node, dict) for node in nodes):
        raise SourceChangedError("edge_without_node")
    return tuple(nodes)


def _embedded(page: str) -> dict[str, Any]:
    """The values of the known keys, wherever they stand in the page's data; the first of each."""
    found: dict[str, Any] = {}
    for attributes, text in scripts(page):
        if "application/json" in attributes and "data-sjs" in attributes and (PLACE in text or OLDER in text):
            for key, value in _values(json_object(text.encode("utf-8", "replace"), is_strict=False)):
                found.setdefault(key, value)
    return found


def _values(data: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The known keys of nested data and their values, without recursion: a page may be nested deep."""
    waiting: list[Any] = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from ((key, value[key]) for key in (PLACE, GRID, OLDER) if value.get(key) is not None)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
