"""How a city's live collection stands, read beside a crawl that may be running.

Reads  crawl/<city>.sqlite, crawl/instagram.sqlite, pois
Law: nothing is written, no lock of the pipeline is taken, and no other file is left behind; the report is of
one moment. Covered: no journal, one that is being made, one that a killed run left, one that is written right now.
"""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pipeline.collect.instagram.journal.records import PLACE_GONE
from pipeline.collect.instagram.journal.searches import answered_pois
from pipeline.collect.instagram.live import pace_path
from pipeline.collect.instagram.pace import HOUR_S
from pipeline.collect.sources import journal_path
from pipeline.errors import StageError
from pipeline.store import Store

NOT_ASKED = "not_asked_yet"

FoundT = TypeVar("FoundT")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceStatus:
    """A place that is not done. reason: why it waits, "" where its walk just goes on; num_pages: passed so far."""

    location_id: str
    name: str
    reason: str
    not_before: datetime | None
    num_pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceStatus:
    """Requests to Instagram in the last hour, and until when everything rests (UTC), None where nothing does."""

    num_requests: int = 0
    rest_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStatus:
    """How far the collection is. posts: by state; deferred_posts, unanswered (POIs not searched): by reason.

    num_done: places whose posts were passed to the end and where nothing waits; num_gone: of these, places that
    Instagram does not know any more.
    """

    has_journal: bool = False
    num_places: int = 0
    num_done: int = 0
    num_gone: int = 0
    num_pois: int = 0
    unanswered: Mapping[str, int] = field(default_factory=dict)
    posts: Mapping[str, int] = field(default_factory=dict)
    deferred_posts: Mapping[str, int] = field(default_factory=dict)
    deferred_places: tuple[PlaceStatus, ...] = ()
    open_walks: tuple[PlaceStatus, ...] = ()
    pace: PaceStatus = field(default_factory=PaceStatus)


def live_status(store: Store, city: str, now: datetime) -> LiveStatus:
    """How a city's collection stands; an empty status where nothing was collected yet.

    Raises:
        StageError: the journal cannot be read.
    """
    pace, pois = pace_status(store, now), poi_names(store, city)
    found = look_at_journal(store, city, lambda disk: _status(disk, pois, pace, now))
    return found or LiveStatus(pace=pace, num_pois=len(pois))


def pace_status(store: Store, now: datetime) -> PaceStatus:
    """What the file of the pace says; the same for all cities."""

    def read(disk: sqlite3.Connection) -> PaceStatus:
        since = now.timestamp() - HOUR_S
        (num_requests,) = disk.execute("SELECT COUNT(*) FROM requests WHERE at_utc > ?", (since,)).fetchone()
        rest = disk.execute("SELECT begun_utc + seconds FROM rest").fetchone()
        return PaceStatus(num_requests=num_requests, rest_until=_later(rest[0] if rest else 0, now))

    return _look(pace_path(store), read, last_table="rest") or PaceStatus()


def poi_names(store: Store, city: str) -> dict[str, str]:
    """The POIs of a city: poi_id -> name, the most popular first."""
    rows = sorted(store.tables.read(city, "pois").to_pylist(), key=lambda poi: poi["rank"])
    return {poi["poi_id"]: poi["name"] for poi in rows}


def look_at_journal(store: Store, city: str, read: Callable[[sqlite3.Connection], FoundT]) -> FoundT | None:
    """What `read` finds in a city's journal as it stood at one moment; None where there is none, or not a whole one.

    Raises:
        StageError: the file is no journal.
    """
    return _look(journal_path(store, city), read, last_table="images")


def _look(path: Path, read: Callable[[sqlite3.Connection], FoundT], last_table: str) -> FoundT | None:
    """Read a file that may be written at the same time. One that nobody has open is read as one that cannot change:
    a reader of the other kind would leave files behind.
    """
    log = Path(f"{path}-wal")
    if not path.is_file():
        return None
    try:
        if not log.exists():
            found = _moment(f"{path.as_uri()}?immutable=1", read, last_table)
            if not log.exists():
                return found
        return _moment(f"{path.as_uri()}?mode=ro", read, last_table)
    except sqlite3.DatabaseError as error:
        raise StageError(
            f"{path} cannot be read ({error}): try again; if it stays so and no run is under way, move it away"
        ) from None


def _moment(address: str, read: Callable[[sqlite3.Connection], FoundT], last_table: str) -> FoundT | None:
    """What is read in one transaction; None while the file is being made."""
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as disk:
        disk.row_factory = sqlite3.Row
        disk.execute("BEGIN")
        is_whole = disk.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (last_table,)).fetchone()
        return read(disk) if is_whole else None


def _status(disk: sqlite3.Connection, pois: Mapping[str, str], pace: PaceStatus, now: datetime) -> LiveStatus:
    walks = disk.execute("SELECT * FROM walks WHERE is_wanted ORDER BY is_open DESC, rank, location_id").fetchall()
    open_walks = [walk for walk in walks if walk["is_open"] and not walk["reason"]]
    num_gone = sum(walk["reason"] == PLACE_GONE for walk in walks)
    num_done = sum(walk["has_all"] and not walk["is_open"] and walk["reason"] in ("", PLACE_GONE) for walk in walks)
    posts, deferred_posts = _posts(disk)
    return LiveStatus(
        has_journal=True,
        num_places=len(walks),
        num_done=num_done,
        num_gone=num_gone,
        num_pois=len(pois),
        unanswered=unanswered(disk, pois),
        posts=posts,
        deferred_posts=deferred_posts,
        deferred_places=tuple(_place(walk, pois, now) for walk in walks if walk["reason"] not in ("", PLACE_GONE)),
        open_walks=tuple(_place(walk, pois, now) for walk in open_walks),
        pace=pace,
    )


def _place(walk: sqlite3.Row, pois: Mapping[str, str], now: datetime) -> PlaceStatus:
    location_id = walk["location_id"]
    return PlaceStatus(
        location_id=location_id,
        name=pois.get(walk["poi_id"], location_id),
        reason=walk["reason"],
        not_before=_later(walk["not_before"], now),
        num_pages=walk["num_pages"],
    )


def _posts(disk: sqlite3.Connection) -> tuple[dict[str, int], dict[str, int]]:
    posts: dict[str, int] = {}
    deferred: dict[str, int] = {}
    for state, reason, count in disk.execute(
        "SELECT state, reason, COUNT(*) FROM posts GROUP BY state, reason ORDER BY 3 DESC, 1, 2"
    ):
        posts[state] = posts.get(state, 0) + count
        if state == "deferred":
            deferred[reason] = count
    return posts, deferred


def unanswered(disk: sqlite3.Connection, pois: Mapping[str, str]) -> dict[str, int]:
    """The POIs whose search was not answered, by reason."""
    outcomes = dict(disk.execute("SELECT poi_id, outcome FROM searches WHERE outcome <> 'answered'"))
    reasons: dict[str, int] = {}
    for poi_id in pois.keys() - answered_pois(disk, pois):
        reason = outcomes.get(poi_id, NOT_ASKED)
        reasons[reason] = reasons.get(reason, 0) + 1
    return dict(sorted(reasons.items()))


def _later(at_utc: float, now: datetime) -> datetime | None:
    """The moment, None where it has passed."""
    return datetime.fromtimestamp(at_utc, UTC) if at_utc > now.timestamp() else None
