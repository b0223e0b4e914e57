"""What waits of a city's collection, and until when: the one place that decides whether a collection is complete.

Reads  the journal, pois, deferred, the stores of rests, as `pipeline.collect.instagram.status` reads them
Law: what was asked for and did not come, waits: places whose posts were not passed to the end, posts without their
pictures, posts that may be gone, POIs that were not searched. Nothing else does.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.cities import City
from pipeline.collect.instagram.cookie_files import cookies_path
from pipeline.collect.instagram.flush import STAGE
from pipeline.collect.instagram.journal.records import FIRST_LOOK, FOR_PERSON, PLACE_GONE, is_due
from pipeline.collect.instagram.status import look_at_journal, pace_status, poi_names, unanswered
from pipeline.collect.instagram.verdicts import LOGIN, WHAT_TO_DO
from pipeline.collect.sources import journal_path
from pipeline.ledger import counted
from pipeline.store import Store

DEFERRED = "deferred/"
INTERRUPTED, NOT_WALKED = "interrupted", "not_walked_yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits, by reason. searches: POIs; rechecks: posts that may be gone; files: posts of an archive.

    for_person: the reason why only a person can go on, "" where a run can.
    not_before: when a run can go on with some of it (UTC), None for at once.
    """

    searches: Mapping[str, int] = field(default_factory=dict)
    places: Mapping[str, int] = field(default_factory=dict)
    posts: Mapping[str, int] = field(default_factory=dict)
    rechecks: int = 0
    files: Mapping[str, int] = field(default_factory=dict)
    for_person: str = ""
    not_before: datetime | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether the collection is complete."""
        return not self.reasons

    @property
    def reasons(self) -> list[str]:
        """What waits, in words."""
        waiting = [
            f"{what} ({counted(counts)})"
            for what, counts in (
                ("POIs to be searched", self.searches),
                ("places", self.places),
                ("posts", self.posts),
                ("posts of the archive", self.files),
            )
            if counts
        ]
        return waiting + ([f"posts that may be gone ({self.rechecks})"] if self.rechecks else [])

    @property
    def is_for_files(self) -> bool:
        """Whether all that waits is for a person to bring: pictures of an archive."""
        return bool(self.files) and not (self.searches or self.places or self.posts or self.rechecks)

    @property
    def when(self) -> str:
        """When to come back, and what for."""
        if self.is_for_files:
            rights = "give this user the right to read the files"
            bring = "put the pictures beside their metadata as <name>.jpg or <name>_<n>.jpg"
            needed = dict.fromkeys(rights if "readable" in reason else bring for reason in self.files)
            return f"{'; '.join(needed)} and run it again"
        if self.for_person:
            return f"action needed first: {WHAT_TO_DO[self.for_person]}; then run it again"
        return f"run it again after {self.not_before:%Y-%m-%d %H:%M} UTC" if self.not_before else "run it again now"


def what_waits(store: Store, city: City, now: datetime) -> Waiting:
    """What waits of a city's collection; of one that has no journal what its archive lacks, as it was last read."""
    if not journal_path(store, city.key).exists():
        return _as_last_read(store, city.key)
    pois = poi_names(store, city.key)
    if cookies_path() is None:  # who cannot search needs no more than the places named by hand
        matched = {place["poi_id"] for place in store.tables.read(city.key, "places").to_pylist() if place["is_match"]}
        pois = {poi_id: name for poi_id, name in pois.items() if poi_id not in matched}
    live = look_at_journal(store, city.key, lambda disk: _of_journal(disk, pois, _rest(store, now), now.timestamp()))
    return _as_last_read(store, city.key) if live is None else live


def _as_last_read(store: Store, city: str) -> Waiting:
    record = store.stage_record(city, STAGE)
    counts = record.counts if record else {}
    return waiting_files(
        {name.removeprefix(DEFERRED): count for name, count in counts.items() if name.startswith(DEFERRED)}
    )


def waiting_files(deferred: Mapping[str, int]) -> Waiting:
    """What waits of a city that is not collected live."""
    return Waiting(files=deferred)


def _of_journal(disk: sqlite3.Connection, pois: Mapping[str, str], rest_until: float, now: float) -> Waiting:
    """What waits at Instagram and the hosts of its pictures."""
    searches = unanswered(disk, pois)
    every = disk.execute("SELECT * FROM walks WHERE is_wanted").fetchall()
    walks = [(reason, walk["not_before"]) for walk in every if (reason := _why_a_walk_waits(walk))]
    posts = disk.execute(
        "SELECT CASE state WHEN 'waiting' THEN 'not_fetched_yet' ELSE reason END, COUNT(*), MIN(not_before) "
        "FROM posts WHERE state IN ('waiting', 'deferred') GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    rechecks = disk.execute(
        "SELECT p.not_before FROM posts p JOIN walks w ON w.location_id = p.location_id "
        "WHERE w.is_wanted AND p.state = 'kept' AND p.walk < w.number_all"
    ).fetchall()
    of_api = [0.0 for _ in searches] + [due for _, due in walks] + [due for (due,) in rechecks]
    moments = [max(_due(due, now), rest_until) for due in of_api] + [_due(due, now) for _, _, due in posts]
    first = min(moments, default=0.0)
    return Waiting(
        searches=searches,
        places=dict(Counter(reason for reason, _ in walks).most_common()),
        posts={reason: count for reason, count, _ in posts},
        rechecks=len(rechecks),
        files=_of_archive(disk),
        for_person=_for_person(disk, has_rechecks=bool(rechecks)),
        not_before=datetime.fromtimestamp(first, UTC) if first > now else None,
    )


def _for_person(disk: sqlite3.Connection, *, has_rechecks: bool) -> str:
    """Why only a person can go on: what ended the last run, or posts that only who is signed in may ask for."""
    note = disk.execute("SELECT value FROM meta WHERE name = ?", (f"note/{FOR_PERSON}",)).fetchone()
    if note and note[0]:
        return str(note[0])
    return LOGIN if has_rechecks and cookies_path() is None else ""


def _why_a_walk_waits(walk: sqlite3.Row) -> str:
    """The reason, "" for a place that is done."""
    has_left_by = "left_by" in walk.keys()
    left_by = walk["left_by"] if has_left_by else ""
    if walk["reason"] == PLACE_GONE or (walk["reason"] == FIRST_LOOK and cookies_path() is None):
        return str(left_by)
    is_begun = walk["number"] or walk["ended"]
    return str(walk["reason"] or left_by or (INTERRUPTED if walk["is_open"] else "" if is_begun else NOT_WALKED))


def _due(not_before: float, now: float) -> float:
    """The moment; 0 for one that has come."""
    return 0.0 if is_due(not_before, now) else not_before


def _rest(store: Store, now: datetime) -> float:
    rest_until = pace_status(store, now).rest_until
    return rest_until.timestamp() if rest_until else 0.0


def _of_archive(disk: sqlite3.Connection) -> dict[str, int]:
    """Why posts of the archive beside the journal wait."""
    note = disk.execute("SELECT value FROM meta WHERE name = 'note/archive_counts'").fetchone()
    return dict(json.loads(note[0])[2]) if note else {}
