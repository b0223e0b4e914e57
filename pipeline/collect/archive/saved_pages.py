"""A saved page of Instagram's API: the media in it, wherever the page holds them.

Known: `sections[].layout_content.medias[].media` under any tab, `edges[].node` of GraphQL pages and of `xdt_` tabs,
`items[]` of feeds, a single media; with whatever else lies around them.
Law: one media per place where the page holds one, in the order of the file; a media of a section that is none is
named too, so that it can be counted. What lies inside a media (its parts, comments, people) is no media.
Covered: hostile nesting (no recursion), pages of millions of media. Not covered: media that only a name gives away.
"""

from collections.abc import Iterator

from pipeline.collect.archive.json_files import UnreadableFile

MAX_MEDIAS = 20_000
"""A page holds some dozens; a file of 16 MiB that holds more of them is none."""

_CODES = ("shortcode", "code")
_IDS = ("pk", "id")
_MARKS = ("taken_at", "taken_at_timestamp", "media_type", "owner", "user")


def page_medias(structure: object) -> list[object]:
    """The media of a page in their order; none where the JSON is no page, as Instaloader's own files are not.

    Raises:
        UnreadableFile: `too_many_medias`.
    """
    if isinstance(structure, dict) and ("instaloader" in structure or "shortcode" in structure):
        return []
    medias = []
    for media in _walk(structure):
        medias.append(media)
        if len(medias) > MAX_MEDIAS:
            raise UnreadableFile("too_many_medias")
    return medias


def shortcode(media: object) -> str:
    """The code in the address of a post, by which tools name its files; "" where it is not stated."""
    codes = [media.get(name) for name in _CODES] if isinstance(media, dict) else []
    return next((code for code in codes if isinstance(code, str)), "")


def _walk(structure: object) -> Iterator[object]:
    """Every media in order; a list stands for nothing: what is in it is under the list's own keys."""
    waiting: list[tuple[tuple[str, str], object]] = [(("", ""), structure)]
    while waiting:
        where, value = waiting.pop()
        if where == ("medias", "media") or _is_media(value):
            yield value
        elif isinstance(value, dict):
            waiting.extend(((where[1], name), inner) for name, inner in reversed(value.items()))
        elif isinstance(value, list):
            waiting.extend((where, inner) for inner in reversed(value))


def _is_media(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return all(any(name in value for name in names) for names in (_CODES, _IDS, _MARKS))
