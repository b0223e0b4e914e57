"""A fake Instagram's pages of a place: sections, tabs with their cursors, and the oddities that a place has."""

import base64
import heapq
import json
from collections.abc import Sequence
from typing import Any

from tests.fakes.instagram_media import facebook_id, media, node
from tests.fakes.instagram_world import FIRST_PK, FakePlace, World, mixed

IN_A_ROW = 3
RANKED_AT_FIRST = 9


class WrongCursorError(Exception):
    """The client changed the cursor that it was given."""


def web_info(world: World, place: FakePlace, *, tab: str = "", form: dict[str, str] | None = None) -> dict[str, Any]:
    """`native_location_data`: the place, the first page of both tabs, or of `tab` the page that `form` asks for."""
    pages = {"ranked": ranked(world, place), "recent": recent(world, place, {})}
    if form and form.get("max_id"):
        pages[tab] = recent(world, place, form)
    return {
        "location_info": location_info(world, place),
        **pages,
        "show_qr_modal": False,
        "nearby_locations_list": [],
    }


def location_info(world: World, place: FakePlace, id_key: str = "pk") -> dict[str, Any]:
    """What an answer says of a place; its id is a number here and text on its page."""
    number: int | str = int(place.location_id) if place.location_id.isdecimal() else place.location_id
    stated = {
        id_key: number if id_key == "pk" else place.location_id,
        "name": place.name,
        "slug": slug(place),
        "category": "Landmark",
        "phone": "",
        "website": "",
        "location_address": "",
        "location_city": place.city,
        "location_zip": "",
        "price_range": 0,
        "media_count": len(world.shown(place.location_id)),
        "facebook_places_id": facebook_id(place),
    }
    return stated | ({"lat": place.latitude, "lng": place.longitude} if place.has_coordinates else {})


def slug(place: FakePlace) -> str:
    """The place's name as its address has it."""
    return "-".join(place.name.lower().split())


def recent(world: World, place: FakePlace, form: dict[str, str], *, checks_all: bool = False) -> dict[str, Any]:
    """A page of the tab `recent`: the first, or the one that the cursor in `form` asks for.

    checks_all: the cursor is `page`, `max_id` and `next_media_ids`, else `max_id` alone.

    Raises:
        WrongCursorError: it is not one that was given out.
    """
    page, num_left = (1, len(place.pks))
    if form.get("max_id"):
        page, num_left = _read_cursor(place, form, checks_all=checks_all)
    if page in place.empty_pages_at:
        return _tab(world, place, page, [], _cursor(place, page + 1, num_left))
    left = place.pks[len(place.pks) - num_left :]
    shown = [(n, pk) for n, pk in enumerate(left) if world.is_shown(pk)]
    taken = shown[: world.page_size]
    following = None
    if len(shown) > len(taken):
        last, _ = taken[max(0, len(taken) - 1 - place.pages_overlap)]
        following = _cursor(place, page + 1, num_left - last - 1)
    if page == place.loop_at_page:
        following = _cursor(place, page, num_left)
    return _tab(world, place, page, [pk for _, pk in taken], following)


def ranked(world: World, place: FakePlace) -> dict[str, Any]:
    """The first page of the tab `ranked`, in an order of its own."""
    shown = world.shown(place.location_id)
    taken = heapq.nsmallest(RANKED_AT_FIRST, shown, key=lambda pk: mixed(pk, 31))
    return _tab(world, place, 1, taken, _cursor(place, 2, 0) if len(shown) > len(taken) else None)


def page_data(world: World, place: FakePlace) -> list[dict[str, Any]]:
    """The data that the place's own page embeds, by the era whose keys it has."""
    if world.page_era == "2026-09":
        edges = [{"node": node(world, pk), "cursor": None} for pk in world.shown(place.location_id)[: world.page_size]]
        page_info = {"has_next_page": True, "end_cursor": "QVFD", "has_previous_page": False, "start_cursor": None}
        info = location_info(world, place, "location_id")
        return [
            {"xdt_location_get_web_info": {"native_location_data": {"location_info": info}}},
            {"xdt_location_get_web_info_tab": {"edges": edges, "page_info": page_info}},
        ]
    if world.page_era == "2026-05":
        stated = web_info(world, place)
        return [
            {
                "xdt_api__v1__locations__web_info": {
                    "location_info": stated["location_info"],
                    "top": stated["ranked"],
                    "recent": stated["recent"],
                }
            }
        ]
    return [{"xdt_a_key_of_next_year": {"place": location_info(world, place)}}]


def html_page(world: World, place: FakePlace) -> str:
    """The place's own page: an application's shell with its data in scripts."""
    data = [_wrapped(without(one, place)) for one in page_data(world, place)]
    scripts = "\n".join(
        f'<script type="application/json"  data-content-len="1" data-sjs>{_escaped(block)}</script>'
        for block in [{"config": {"app": "PolarisShell"}}, *data]
    )
    return f"<!DOCTYPE html><html><head><title>{len(place.name)}</title></head><body>\n{scripts}\n</body></html>"


def without(answer: Any, place: FakePlace) -> Any:
    """The answer without the keys that the place's `missing` names; posts stay whole."""
    if isinstance(answer, dict):
        return {
            key: value if key in ("media", "node") else without(value, place)
            for key, value in answer.items()
            if key not in place.missing
        }
    return [without(value, place) for value in answer] if isinstance(answer, list) else answer


def _tab(
    world: World, place: FakePlace, page: int, pks: Sequence[int], cursor: tuple[int, str, list[int]] | None
) -> dict[str, Any]:
    rows = [pks[n : n + IN_A_ROW] for n in range(0, len(pks), IN_A_ROW)]
    if page in place.empty_section_at:
        rows.append([])
    sections = [_section(place, [{"media": media(world, pk)} for pk in row]) for row in rows]
    next_page, max_id, media_ids = cursor or (None, None, [])
    return {
        "sections": sections,
        "more_available": cursor is not None,
        "next_max_id": max_id,
        "next_page": next_page,
        "next_media_ids": media_ids,
    }


def _section(place: FakePlace, medias: list[dict[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {"medias": medias}
    if place.other_grid:
        content = {"one_by_two_item": {"clips": {"items": medias[:1]}}, "fill_items": medias[1:]}
    info = {"num_columns": IN_A_ROW, "total_num_columns": IN_A_ROW, "aspect_ratio": 3.0, "autoplay": False}
    return {
        "layout_type": "one_by_two_left" if place.other_grid else "media_grid",
        "layout_content": content,
        "feed_type": "clips" if place.other_grid else "media",
        "explore_item_info": info,
    }


def _cursor(place: FakePlace, page: int, num_left: int) -> tuple[int, str, list[int]]:
    """Page, `max_id` and the ids that go with it; counted by the posts left, so that a newer post moves nothing."""
    text = json.dumps([place.location_id, page, num_left])
    return page, base64.urlsafe_b64encode(text.encode()).decode(), [FIRST_PK + num_left, page]


def _read_cursor(place: FakePlace, form: dict[str, str], *, checks_all: bool) -> tuple[int, int]:
    try:
        _, page, num_left = json.loads(base64.urlsafe_b64decode(form["max_id"]))
        made = _cursor(place, page, num_left)
        stated = (int(form["page"]), form["max_id"], json.loads(form["next_media_ids"])) if checks_all else made
    except (ValueError, KeyError, TypeError):
        raise WrongCursorError from None
    if made[1] != form["max_id"] or stated != made or not 0 <= num_left <= len(place.pks):
        raise WrongCursorError
    return page, num_left


def _wrapped(data: dict[str, Any]) -> dict[str, Any]:
    """As the page's own scripts hand data around."""
    bbox = {"__bbox": {"complete": True, "result": {"data": data, "extensions": {"is_final": True}}}}
    cache = ["RelayPrefetchedStreamCache", "next", [], ["adp_Polaris_x", bbox]]
    return {"require": [["ScheduledServerJS", "handle", None, [{"__bbox": {"require": [cache]}}]]]}


def _escaped(block: dict[str, Any]) -> str:
    return json.dumps(block).replace("<", "\\u003C")
