"""What the journal keeps: the state of a walk and of a post."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

LONGEST_WAIT_S = 2 * 86_400.0

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
    """

    location_id: str
    poi_id: str
    rank: int
    kind: str
    is_open: bool
    road: str | None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPost:
    """A post as a page told it: its row of `posts` and the addresses of its pictures, or why it is not taken."""

    post_key: str
    state: State
    reason: str = ""
    row: Mapping[str, Any] | None = None
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPost:
    """A post of the journal whose pictures are not all there, or whose state is asked for again."""

    post_key: str
    location_id: str
    row: dict[str, Any] | None
    pictures: tuple[str, ...]


def is_due(not_before: float, now: float) -> bool:
    """Whether the time has come; no wait is longer than LONGEST_WAIT_S: then the clock was set back."""
    return not now < not_before <= now + LONGEST_WAIT_S


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
        post_key=row["post_key"], location_id=row["location_id"],
        row=json.loads(row["row"]) if row["row"] else None, pictures=tuple(json.loads(row["pictures"] or "[]")),
    )  # fmt: skip
