"""What an endpoint over a place's posts is, and the reading of grids that several endpoints share.

Law: a page is read whole or not at all: a post whose place in the answer is unknown is never passed over in silence.
Covered: an answer without the keys that lead to the posts, an empty section, more posts announced without a cursor.
Not covered: the posts themselves, which are handed on as they came.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.collect.archive.fields import LocationStub
from pipeline.collect.instagram.client import Client
from pipeline.collect.web.errors import SourceChangedError

CURSOR_OF_KEY = {"next_page": "page", "next_max_id": "max_id", "next_media_ids": "next_media_ids"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a place's posts, as it came: in the order shown, with what is shown twice.

    location: what the page says of the place. cursor: JSON-able; None where nothing comes after this page.
    """

    medias: tuple[dict[str, Any], ...]
    location: LocationStub | None
    cursor: dict[str, Any] | None


class Endpoint(Protocol):
    """One way to the posts of a place."""

    name: str
    needs_login: bool

    def first(self, client: Client, location_id: str) -> Page:
        """The first page.

        Raises:
            SourceChangedError: the answer has a shape that this endpoint does not know.
        """
        ...

    def after(self, client: Client, location_id: str, cursor: dict[str, Any]) -> Page:
        """The page that an earlier page's cursor leads to; raises as `first` does."""
        ...


def place_path(location_id: str) -> str:
    """The address of a place's page, which is also what a request about it comes from."""
    return f"explore/locations/{location_id}/"


def native_data(answer: dict[str, Any]) -> dict[str, Any]:
    """What an answer holds about a place.

    Raises:
        SourceChangedError: `no_native_location_data`.
    """
    native = answer.get("native_location_data")
    if not isinstance(native, dict):
        raise SourceChangedError("no_native_location_data")
    return native


def read_tab(tab: object) -> tuple[tuple[dict[str, Any], ...], dict[str, Any] | None]:
    """The posts of a tab's page and the cursor to the next one.

    Raises:
        SourceChangedError: `no_tab`, `no_sections`, `section_without_medias`, `empty_section`, `entry_without_media`,
            `no_more_available`, `more_without_cursor` or `bad_cursor`.
    """
    if not isinstance(tab, dict):
        raise SourceChangedError("no_tab")
    return section_medias(tab.get("sections")), _cursor(tab)


def section_medias(sections: object) -> tuple[dict[str, Any], ...]:
    """The posts of a list of sections; raises as `read_tab` does."""
    if not isinstance(sections, list):
        raise SourceChangedError("no_sections")
    return tuple(media for section in sections for media in _medias(section))


def _medias(section: object) -> Iterator[dict[str, Any]]:
    content = section.get("layout_content") if isinstance(section, dict) else None
    lists = (
        [entries for entries in _entry_lists(content) if isinstance(entries, list)]
        if isinstance(content, dict)
        else []
    )
    if not lists:
        raise SourceChangedError("section_without_medias")
    if not any(lists):
        raise SourceChangedError("empty_section")
    for entry in (entry for entries in lists for entry in entries):
        media = entry.get("media") if isinstance(entry, dict) else None
        if not isinstance(media, dict):
            raise SourceChangedError("entry_without_media")
        yield media


def _entry_lists(content: dict[str, Any]) -> Iterator[object]:
    """The lists of entries of the known grids: rows of equal tiles, and one tall tile beside small ones."""
    yield content.get("medias")
    tall = content.get("one_by_two_item")
    clips = tall.get("clips") if isinstance(tall, dict) else None
    yield clips.get("items") if isinstance(clips, dict) else None
    yield content.get("fill_items")


def _cursor(tab: dict[str, Any]) -> dict[str, Any] | None:
    if not isinstance(tab.get("more_available"), bool):
        raise SourceChangedError("no_more_available")
    if not tab["more_available"]:
        return None
    if not tab.get("next_max_id"):
        raise SourceChangedError("more_without_cursor")
    cursor = {name: tab[key] for key, name in CURSOR_OF_KEY.items() if tab.get(key) is not None}
    are_words = all(isinstance(cursor.get(name, ""), str | int) for name in ("max_id", "page"))
    if not are_words or _has_surrogate(json.dumps(cursor, ensure_ascii=False)):
        raise SourceChangedError("bad_cursor")
    return cursor


def _has_surrogate(text: str) -> bool:
    """Whether a text cannot be sent: half of a pair stands alone in it."""
    return any("\ud800" <= sign <= "\udfff" for sign in text)
