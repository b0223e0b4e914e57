"""The allow-list: the only fields of a post that leave the parser, from every era of Instaloader's files.

Law: a field that is not in `PostFields` reaches no table, log or file; nothing here touches the network.
The API's own media take the same path: `pipeline.collect.archive.api_media` makes Instaloader's structure of them.
Read through Instaloader's structures, except where those are wrong or would ask Instagram: `Post.location` makes a
request even when the file holds the place; `int("123_456")` in `Post.mediaid` is 123456; `Post.date_utc` is naive.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from pipeline.collect.archive.json_files import UnreadableFile
from pipeline.geo import valid_coordinates
from pipeline.privacy.authors import account_names, author_accounts, coauthor_accounts, raw_ids
from pipeline.text.captions import clean_caption, clean_name

if TYPE_CHECKING:
    from instaloader import InstaloaderContext, Post

MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{5,40}")
LOCATION_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
MAX_CAPTION_CHARACTERS = 10_000
"""Instagram's own limit is 2,200."""

MAX_CAROUSEL = 20
"""Instagram's own limit for a post."""

EARLIEST_UTC = datetime(2010, 10, 6, tzinfo=UTC)
"""Instagram's first day."""

NEVER_UTC = datetime(2100, 1, 1, tzinfo=UTC)
"""A time from here on is no clock's mistake but no time at all."""

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationStub:
    """What a post says of its place; older files leave out the coordinates."""

    location_id: str
    name: str
    coordinates: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostFields:
    """The allowed fields of one post.

    owner: the account's id, else `@` and its name; only for making the pseudonym.
    owner_names: every way in which the account is named, ids first, then `@` and its name in lower case; only for
        asking whether the account is forgotten or wants to be left out, never stored.
    coauthor_names: the same of the accounts that made the post together with the owner.
    is_private: the file says that only followers may see one of these accounts.
    taken_utc: None where the file's time cannot be one. ahead_utc: the time that it states, if only this machine's
        clock stands against it: it is still to come.
    is_videos: one entry per photo or video in carousel order; None where the file does not say.
    coordinates: of the post itself, else of its location.
    """

    media_id: str
    owner: str
    owner_names: tuple[str, ...]
    is_private: bool
    taken_utc: datetime | None
    ahead_utc: datetime | None = None
    caption: str
    is_videos: tuple[bool, ...] | None
    location: LocationStub | None
    coordinates: tuple[float, float] | None
    coauthor_names: tuple[str, ...] = ()

    @property
    def author_names(self) -> tuple[str, ...]:
        """Every way in which any of its authors is named."""
        return *self.owner_names, *self.coauthor_names


class OfflineContext:
    """Stands for Instaloader's context where a file is read: it has no way to the network at all."""

    is_logged_in = False
    iphone_support = False

    def __getattr__(self, name: str) -> NoReturn:
        raise NotInFileError(name)


class NotInFileError(Exception):
    """Instaloader wanted to ask Instagram for what a file does not hold."""


_ABSENT = (NotInFileError, AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError)


def post_fields(structure: object, now: datetime) -> PostFields:
    """The allowed fields of a file's JSON.

    Raises:
        UnreadableFile: `not_instaloader`, `not_a_post` (a profile, story, comments, an iterator), `instaloader_v3`,
            `bad_media_id` or `no_owner`.
    """
    return fields_of(_load(structure), now)


def fields_of(post: "Post", now: datetime) -> PostFields:
    """The allowed fields of a post of Instaloader's; raises UnreadableFile: `bad_media_id` or `no_owner`."""
    node = post._node
    owners, coauthors = author_accounts(node), coauthor_accounts(node)
    owner_names = account_names(owners)
    if not owner_names:
        raise UnreadableFile("no_owner")
    location = _location(node)
    return PostFields(
        media_id=_media_id(node),
        owner=owner_names[0],
        owner_names=owner_names,
        coauthor_names=tuple(name for name in account_names(coauthors) if name not in owner_names),
        is_private=any(account.get("is_private") is True for account in (*owners, *coauthors)),
        taken_utc=_taken_utc(node, now),
        ahead_utc=_ahead_utc(node, now),
        caption=_caption(post, node),
        is_videos=_is_videos(post),
        location=location,
        coordinates=_post_coordinates(node) or (location.coordinates if location else None),
    )


def _load(structure: object) -> "Post":
    from instaloader import load_structure

    if not isinstance(structure, dict):
        raise UnreadableFile("not_instaloader")
    about, node = structure.get("instaloader"), structure.get("node")
    if not isinstance(about, dict) or not isinstance(node, dict):
        raise UnreadableFile("instaloader_v3" if "shortcode" in structure else "not_instaloader")
    if about.get("node_type") != "Post":
        raise UnreadableFile("not_a_post")
    try:
        return cast("Post", load_structure(cast("InstaloaderContext", OfflineContext()), structure))
    except _ABSENT:
        raise UnreadableFile("bad_media_id") from None  # a node without a shortcode


def _read(read: Callable[[], ValueT]) -> ValueT | None:
    """What the file says, None where it does not or says it in another shape."""
    try:
        return read()
    except _ABSENT:
        return None


def _part(value: object, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _caption(post: "Post", node: dict[str, Any]) -> str:
    text = _read(lambda: post.caption)
    text = text or _part(node, "caption", "text") or _part(node, "iphone_struct", "caption", "text")
    return clean_caption(text[:MAX_CAPTION_CHARACTERS] if isinstance(text, str) else None)


def _media_id(node: dict[str, Any]) -> str:
    raw = node.get("id")
    text = str(raw) if isinstance(raw, str | int) and not isinstance(raw, bool) else ""
    if re.fullmatch(r"[0-9]+_[0-9]+", text):  # iPhone API: <media id>_<owner id>
        text = text.split("_")[0]
    if not MEDIA_ID.fullmatch(text):
        raise UnreadableFile("bad_media_id")
    return text


def latest_utc(now: datetime) -> datetime:
    """The latest time that a post can have been made at: clocks differ."""
    return now + timedelta(days=1)


def _raw_time(node: dict[str, Any]) -> int | float | None:
    raw = node.get("date", node.get("taken_at_timestamp"))
    if isinstance(raw, str) and re.fullmatch(r"[0-9]{1,15}", raw):
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    return raw


def _taken_utc(node: dict[str, Any], now: datetime) -> datetime | None:
    raw = _raw_time(node)
    if raw is None or not EARLIEST_UTC.timestamp() <= raw <= latest_utc(now).timestamp():
        return None  # 0, negative, milliseconds, the future
    return datetime.fromtimestamp(int(raw), UTC)


def _ahead_utc(node: dict[str, Any], now: datetime) -> datetime | None:
    raw = _raw_time(node)
    if raw is None or not latest_utc(now).timestamp() < raw < NEVER_UTC.timestamp():
        return None
    return datetime.fromtimestamp(int(raw), UTC)


def _is_videos(post: "Post") -> tuple[bool, ...] | None:
    are_videos = _read(post.get_is_videos)
    if not are_videos or not all(isinstance(is_video, bool) for is_video in are_videos):
        return None
    return tuple(are_videos)


def _location(node: dict[str, Any]) -> LocationStub | None:
    """The place that the file names first; what is not said of it there (coordinates) is taken from the second place
    in the file where it is named.
    """
    named = [
        LocationStub(
            location_id=location_id,
            name=clean_name(_part(raw, "name")),
            coordinates=valid_coordinates(_part(raw, "lat"), _part(raw, "lng")),
        )
        for raw in (node.get("location"), _part(node, "iphone_struct", "location"))
        if LOCATION_ID.fullmatch(location_id := next(iter(raw_ids(raw)), ""))
    ]
    if not named:
        return None
    same = [stub for stub in named if stub.location_id == named[0].location_id]
    return LocationStub(
        location_id=same[0].location_id,
        name=next((stub.name for stub in same if stub.name), ""),
        coordinates=next((stub.coordinates for stub in same if stub.coordinates), None),
    )


def _post_coordinates(node: dict[str, Any]) -> tuple[float, float] | None:
    for part in (node, node.get("iphone_struct")):
        coordinates = valid_coordinates(_part(part, "lat"), _part(part, "lng"))
        if coordinates:
            return coordinates
    return None
