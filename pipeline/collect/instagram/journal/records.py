"""The journal's records: the state of a walk and of a post."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.store.digests import json_digest

DAY_S = 86_400.0
LONGEST_WAIT_S = 2 * DAY_S
FOR_PERSON = "for_person"
"""The note that holds why only a person can go on, "" where a run can."""

GONE_POST = "gone"
"""What the source says of a post when it is asked for by its id."""

FIRST_LOOK, PLACE_MISSING, PLACE_GONE = "first_look_only", "place_missing", "place_gone"
"""Reasons of walks: a visitor saw the first posts; the source said once, or twice, that there is no such place."""

OUR_COLUMNS = frozenset({"image_digests", "retrieved_utc", "state", "source"})
"""Columns of a row of `posts` that are ours and not the source's."""

State = Literal["waiting", "kept", "dropped", "deferred", "gone", "known", "bare"]
"""waiting: for its pictures · kept · dropped, deferred: with a reason · gone: a tombstone · known: from elsewhere ·
bare: from elsewhere and without a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How far the walk over one location's posts has come.

    kind: `first` collects all; `refresh` stops at known posts; `again` passes all once more to see what is gone.
    is_open: begun and not ended; it goes on from `cursor`. has_all: it once came to its end. Times are UTC seconds.
    number: walks are numbered over all locations, so that no clock decides what an earlier one has seen.
    walked_all, number_all: when the last walk over all posts ended, and its number.
    ground: the number of the last walk that left no gap: what it and those before it have met is known ground.
    said_at: when the source first said that there is no such place, 0 where it did not.
    capped_at: the limit of posts that ended the last walk over all posts, None where the posts did.
    left_by: why the last run did not come to its end, "" where it did.
    """

    location_id: str
    poi_id: str
    rank: int
    kind: str
    is_open: bool
    endpoint: str | None
    cursor: dict[str, Any] | None
    num_pages: int
    num_empty: int
    has_all: bool
    reason: str
    not_before: float
    number: int
    ended: float
    walked_all: float
    number_all: int
    ground: int
    said_at: float
    capped_at: int | None
    left_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPost:
    """A post as a page shows it: its row of `posts` and the addresses of its pictures, or why it is not taken.

    cause: what the reason goes by, where that can change by itself: see `Posts.causes`. has_own_place: else it is
    counted to the place on whose page it stands.
    """

    post_key: str
    state: State
    reason: str = ""
    row: Mapping[str, Any] | None = None
    pictures: tuple[str, ...] = ()
    cause: str = ""
    has_own_place: bool = True

    @property
    def fingerprint(self) -> str:
        """Changes when the source shows something else of the post: the number of its parts, and a digest of the
        rest.
        """
        if self.row is None:
            return ""
        content = {name: value for name, value in self.row.items() if name not in OUR_COLUMNS}
        return f"{self.row['num_media']}/{json_digest(content)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPost:
    """A post of the journal whose pictures are not all there.

    said, said_at: what the source said of the post that takes two sayings, and when first; "" and 0 where nothing.
    num_tries: how often its pictures were asked for in vain.
    """

    post_key: str
    location_id: str
    state: str
    row: dict[str, Any] | None
    pictures: tuple[str, ...]
    said: str
    said_at: float
    num_tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOutcome:
    """What a page came to: posts that are new, those whose row follows a change, whether its last posts are ones that
    walks without a gap have met, and whether its cursor was seen before in this walk.
    """

    num_new: int
    num_updated: int
    is_on_ground: bool
    is_loop: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A post that a walk over all posts did not meet. said, said_at: as of a stored post; not_before: when due."""

    post_key: str
    said: str
    said_at: float
    not_before: float


def is_due(not_before: float, now: float) -> bool:
    """Whether the time has come; no wait is longer than LONGEST_WAIT_S: then the clock was set back."""
    return not now < not_before <= now + LONGEST_WAIT_S


def is_said_again(said_at: float, now: float) -> bool:
    """Whether a day has passed since the source first said something: a bad day alone makes nothing final."""
    return 0 < said_at <= now - DAY_S


def text_of(row: Mapping[str, Any] | None) -> str | None:
    """A row as the journal writes it."""
    return json.dumps(dict(row), ensure_ascii=False) if row is not None else None


def walk_of(row: sqlite3.Row) -> Walk:
    """A walk as the journal has it."""
    fields = {name: row[name] for name in Walk.__dataclass_fields__}
    fields["cursor"] = json.loads(row["cursor"]) if row["cursor"] else None
    return Walk(**{**fields, "is_open": bool(row["is_open"]), "has_all": bool(row["has_all"])})


def stored_of(row: sqlite3.Row) -> StoredPost:
    """A post as the journal has it."""
    return StoredPost(
        post_key=row["post_key"],
        location_id=row["location_id"],
        state=row["state"],
        row=json.loads(row["row"]) if row["row"] else None,
        pictures=tuple(json.loads(row["pictures"] or "[]")),
        said=row["said"],
        said_at=row["said_at"],
        num_tries=row["num_tries"],
    )
