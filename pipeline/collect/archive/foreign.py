"""What other tools leave: gallery-dl's metadata, which is read, and formats that lack what is needed.

gallery-dl writes a file for each picture (`<picture>.json`) or, if told so, one for each post; both become the nodes
that `pipeline.collect.archive.api_media` reads. Its files name a place by id and short name, without coordinates.
Not readable: Instagram's own export, which names neither places nor ids, and pictures without metadata. Law: they are
named, and how to make something readable.
"""

import os
import re
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.collect.archive.api_media import api_post
from pipeline.collect.archive.fields import MAX_CAROUSEL, PostFields
from pipeline.collect.archive.json_files import UnreadableFile
from pipeline.privacy.authors import is_of_coauthors

HOW_TO_FILL = (
    "put files there that Instaloader saved (.json or .json.xz, with their pictures beside them), gallery-dl's with "
    "--write-metadata or saved pages, or name another folder as `archive` of posts in cities.yaml"
)
OWN_EXPORT = "own_export"
OF_OWN_EXPORT = (
    'this is Instagram\'s own export ("Download your information"), which says of no post where it was made: save '
    "your own posts with Instaloader (`instaloader --login NAME NAME` writes .json.xz files that name the places) and "
    "name that folder as `archive` of posts in cities.yaml"
)
NOT_OURS = "this user may not read them: give it the right to, or run this as the user who may"
WITHOUT_JSON = (
    "these are files of `instaloader --no-metadata-json`, which say neither whose nor where a post is: run "
    "Instaloader in that folder again without this option; pictures that are there are not fetched again"
)
WITHOUT_SIDECARS = (
    "these are pictures of gallery-dl without what it knows of them: fetch them again with "
    "`gallery-dl --write-metadata`"
)

MAX_LOOKED_AT = 50
"""Parts of a file that may be one of the export's: what tells stands near its beginning."""

_NOT_POSTS = ("stories", "highlights", "avatar", "info", "followers", "following")
_OF_INSTALOADER = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_UTC(_\d+|_location)?\.\w+")
_OF_GALLERY_DL = re.compile(r"\d{15,25}(_\d{15,25})?\.(jpe?g|png|webp|heic|mp4)")
_OF_EXPORT = re.compile(r"instagram-.+\.zip|posts_\d+\.(html|json)|start_here\.html|your_instagram_activity")
_KEYS_OF_EXPORT = ("string_list_data", "string_map_data", "media_map_data", "label_values")


def is_sidecar(structure: object) -> bool:
    """Whether this is gallery-dl's JSON of a picture or post of Instagram; before 2020 it named no `post_id`."""
    if not isinstance(structure, dict):
        return False
    is_early = structure.get("category") == "instagram" and {"media_id", "shortcode"} <= structure.keys()
    return is_early or {"post_id", "post_shortcode"} <= structure.keys()


def sidecar_fields(sidecar: dict[str, Any], now: datetime) -> PostFields:
    """The allowed fields of the post; `is_videos` is of this one picture, None where the file is of a whole post.

    Raises:
        UnreadableFile: `not_a_post`, `bad_media_id` or `no_owner`.
    """
    if sidecar.get("subcategory") in _NOT_POSTS or "/stories/" in str(sidecar.get("post_url")):
        raise UnreadableFile("not_a_post")
    caption, slug = sidecar.get("description"), sidecar.get("location_slug")
    is_video = bool(sidecar.get("video_url"))
    node = {
        "__typename": "GraphVideo" if is_video else "GraphImage",
        "id": _first(sidecar, "post_id", "sidecar_media_id", "media_id"),
        "shortcode": _first(sidecar, "post_shortcode", "sidecar_shortcode", "shortcode"),
        "is_video": is_video,
        "taken_at_timestamp": _seconds(sidecar.get("post_date")) or _seconds(sidecar.get("date")),
        "edge_media_to_caption": {"edges": [{"node": {"text": caption}}] if isinstance(caption, str) else []},
        "owner": {"id": sidecar.get("owner_id"), "username": sidecar.get("username")},
        "location": {
            "id": sidecar.get("location_id"),
            "name": slug.replace("-", " ") if isinstance(slug, str) else "",
        },
        **{name: value for name, value in sidecar.items() if is_of_coauthors(name)},
    }
    fields = api_post(node, now).fields
    return fields if is_of_picture(sidecar) else replace(fields, is_videos=None)


def _first(sidecar: dict[str, Any], *names: str) -> object:
    return next((sidecar[name] for name in names if sidecar.get(name)), None)


def is_of_picture(sidecar: dict[str, Any]) -> bool:
    """Whether the file is of one picture and not of its whole post."""
    return sidecar.get("media_id") is not None


def part_of(sidecar: dict[str, Any]) -> tuple[int, int]:
    """Which picture of how many; (1, 1) where there is one, or the file does not say."""
    number, count = (_count(sidecar.get(name)) for name in ("num", "count"))
    return number, max(number, count)


def _count(value: object) -> int:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_CAROUSEL
    return int(str(value)) if is_count else 1


def _seconds(value: object) -> float | None:
    """UTC where it does not say otherwise, as gallery-dl writes it."""
    try:
        stated = datetime.fromisoformat(str(value))
        return (stated if stated.tzinfo else stated.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def is_own_export(structure: object) -> bool:
    """Whether this is a file of Instagram's own export, of any year; looks at the first part of every list alone."""
    waiting, keys = [structure], set[str]()
    for _ in range(MAX_LOOKED_AT):
        if not waiting:
            break
        part = waiting.pop(0)
        if isinstance(part, dict):
            keys |= {name for name in part if isinstance(name, str)}
            waiting.extend(inner for inner in part.values() if isinstance(inner, dict | list))
        elif isinstance(part, list):
            waiting.extend(part[:1])
    return bool(keys.intersection(_KEYS_OF_EXPORT)) or {"uri", "creation_timestamp"} <= keys


def how_to_fill(root: Path, reasons: Collection[str] = ()) -> str:
    """What to do about a folder in which no post was found, for these reasons; names its format if that is known."""
    if OWN_EXPORT in reasons:
        return OF_OWN_EXPORT
    if "not_readable" in reasons:
        return NOT_OURS
    for _, folders, names in os.walk(root):
        for pattern, advice in (
            (_OF_EXPORT, OF_OWN_EXPORT),
            (_OF_INSTALOADER, WITHOUT_JSON),
            (_OF_GALLERY_DL, WITHOUT_SIDECARS),
        ):
            if any(pattern.fullmatch(name) for name in (*folders, *names)):
                return advice
    return HOW_TO_FILL
